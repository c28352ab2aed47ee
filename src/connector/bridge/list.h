/* Every bridge. */
PC_BRIDGE(gated_cross_attention)
PC_BRIDGE(gated_fusion)
PC_BRIDGE(idefics_cross_attention)
PC_BRIDGE(visual_expert)
PC_BRIDGE(cogagent)
