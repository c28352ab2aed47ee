/* Every encoder. */
PC_ENCODER(clip_vision)
