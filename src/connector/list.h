/* Every connector. */
PC_CONNECTOR(mlp)
PC_CONNECTOR(projector)
PC_CONNECTOR(patch_merger)
PC_CONNECTOR(patch_merger_rms)
