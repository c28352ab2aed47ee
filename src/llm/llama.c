/* LLaMA, Vicuna, TinyLlama, llama2.c models: the shared decoder, biases where the config asks for them.
 *
 * Source: Touvron et al. 2023 (arXiv:2302.13971, 2307.09288).
 */
#include "llm/decoder.h"

static const pc_field fields[] = {
    PC_DECODER_FIELDS("32000", "4096", "11008", "32", "32", "0", "2048"),
    PC_DECODER_FIELD(attention_bias, PC_FIELD_BOOL, "false", 0, 0, "biases in the attention projections"),
    PC_DECODER_FIELD(mlp_bias, PC_FIELD_BOOL, "false", 0, 0, "biases in the MLP"),
    PC_DECODER_MOE_FIELDS("0", "2", "0.001"),
};

const pc_llm_type pc_llm_llama = {
    .model_type = "llama",
    .gguf = "llama",
    .read = pc_decoder_read,
    .check = pc_decoder_check,
    PC_DECODER_PARTS(fields),
};
