/* Every encoder. */
PC_ENCODER(clip_vision)
PC_ENCODER(siglip_vision)
PC_ENCODER(eva_vision)
PC_ENCODER(qwen2_vl_vision)
PC_ENCODER(qwen2_5_vl_vision)
PC_ENCODER(mplug_owl_vision)
PC_ENCODER(cogvlm_vision)
PC_ENCODER(qwen_vl_vision)
