/* Every language model. */
PC_LLM(llama)
