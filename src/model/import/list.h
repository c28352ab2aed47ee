/* Every family of checkpoints. */
PC_IMPORT(llava)
PC_IMPORT(llama)
PC_IMPORT(mistral)
PC_IMPORT(qwen2)
PC_IMPORT(clip)
PC_IMPORT(siglip)
PC_IMPORT(llama2c)
