/* Every language model. */
PC_LLM(llama)
PC_LLM(mistral)
PC_LLM(mixtral)
PC_LLM(qwen)
PC_LLM(qwen2)
PC_LLM(stablelm)
PC_LLM(opt)
PC_LLM(t5)
