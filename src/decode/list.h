/* Every sampler, in the order in which they are applied: PC_SAMPLER(descriptor); and every decoding method: PC_METHOD. */
#ifdef PC_SAMPLER
PC_SAMPLER(repetition_penalty)
PC_SAMPLER(temperature)
PC_SAMPLER(top_k)
PC_SAMPLER(top_p)
PC_SAMPLER(min_p)
#endif
#ifdef PC_METHOD
PC_METHOD(vcd)
PC_METHOD(icd)
PC_METHOD(m3id)
PC_METHOD(dola)
PC_METHOD(opera)
#endif
