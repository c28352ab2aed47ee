/* Every training stage. */
PC_STAGE(pt)
PC_STAGE(sft)
PC_STAGE(contrastive)
PC_STAGE(regions)
PC_STAGE(dpo)
PC_STAGE(rm)
PC_STAGE(ppo)
PC_STAGE(grpo)
