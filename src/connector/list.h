/* Every connector. */
PC_CONNECTOR(mlp)
PC_CONNECTOR(projector)
