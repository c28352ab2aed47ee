/* Every connector. */
PC_CONNECTOR(mlp)
PC_CONNECTOR(projector)
PC_CONNECTOR(q_former)
