/* Every encoder. */
PC_ENCODER(clip_vision)
PC_ENCODER(siglip_vision)
PC_ENCODER(eva_vision)
PC_ENCODER(mplug_owl_vision)
