/* Every sampler, in the order in which they are applied: PC_SAMPLER(descriptor). */
PC_SAMPLER(repetition_penalty)
PC_SAMPLER(temperature)
PC_SAMPLER(top_k)
PC_SAMPLER(top_p)
PC_SAMPLER(min_p)
