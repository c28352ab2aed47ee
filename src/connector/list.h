/* Every connector. */
PC_CONNECTOR(mlp)
