/* Every chat template, in the order of help texts. One line each: PC_TEMPLATE(descriptor). */
PC_TEMPLATE(vicuna_v1)
PC_TEMPLATE(llava_hf)
PC_TEMPLATE(llama2)
PC_TEMPLATE(llava_llama2)
PC_TEMPLATE(chatml)
PC_TEMPLATE(qwen2)
PC_TEMPLATE(qwen2_5)
PC_TEMPLATE(plain)
