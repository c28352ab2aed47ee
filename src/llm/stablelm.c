/* StableLM 3B, StableLM 2 1.6B and 12B: the shared decoder with LayerNorms, of whose heads a quarter rotates.
 *
 * Source: Bellagente et al. 2024 (arXiv:2402.17834), section 2.3; transformers models/stablelm.
 * Easy to get wrong: the 12B model has a LayerNorm for each head's queries and keys, whose weights are a tensor each in the files
 * (import/llama.c), and one norm for attention and MLP (use_parallel_residual); the features that rotate are the first of each head, in pairs
 * (j, j + R/2) of those alone; an absent partial_rotary_factor means 0.25.
 */
#include "llm/decoder.h"

static const pc_field fields[] = {
    PC_DECODER_FIELD(vocab_size, PC_FIELD_INT, "50304", 1, 1 << 24, "entries of the vocabulary"),
    PC_DECODER_FIELD(hidden_size, PC_FIELD_INT, "2560", 1, 65536, "width"),
    PC_DECODER_FIELD(intermediate_size, PC_FIELD_INT, "6912", 1, 262144, "width of the MLP"),
    PC_DECODER_FIELD(num_hidden_layers, PC_FIELD_INT, "32", 1, PC_DECODER_MAX_LAYERS, "blocks"),
    PC_DECODER_FIELD(num_attention_heads, PC_FIELD_INT, "32", 1, 1024, "query heads"),
    PC_DECODER_FIELD(num_key_value_heads, PC_FIELD_INT, "32", 0, 1024, "key and value heads; 0 = as many as query heads"),
    PC_DECODER_FIELD(max_position_embeddings, PC_FIELD_INT, "4096", 1, 1 << 24, "longest sequence"),
    PC_DECODER_FIELD(hidden_act, PC_FIELD_TEXT, "silu", 0, 0, "activation of the gate"),
    PC_DECODER_KEY("layer_norm_eps", rms_norm_eps, PC_FIELD_FLOAT, "1e-5", 0, 1, "epsilon of the norms"),
    PC_DECODER_FIELD(rope_theta, PC_FIELD_FLOAT, "10000", 1, 1e12, "base of the rotary frequencies"),
    PC_DECODER_KEY("partial_rotary_factor", block.rotary_share, PC_FIELD_FLOAT, "0.25", 1e-6, 1,
                   "share of a head's features that rotates"),
    PC_DECODER_KEY("use_qkv_bias", qkv_bias, PC_FIELD_BOOL, "false", 0, 0, "biases at q, k and v"),
    PC_DECODER_KEY("use_parallel_residual", block.parallel, PC_FIELD_BOOL, "false", 0, 0,
                   "attention and MLP read the same norm"),
    PC_DECODER_KEY("qk_layernorm", block.head_norms, PC_FIELD_BOOL, "false", 0, 0, "norms of each head's queries and keys"),
    PC_DECODER_FIELD(tie_word_embeddings, PC_FIELD_BOOL, "false", 0, 0, "the head is the embedding table"),
    PC_DECODER_MOE_FIELDS("0", "2", "0.01"),
};

static pc_status read(void *any, const pc_json *json, const char *where)
{
    pc_decoder_config *config = any;
    config->block.layer_norm = true;
    return pc_decoder_read(any, json, where);
}

const pc_llm_type pc_llm_stablelm = {
    .model_type = "stablelm",
    .read = read,
    .check = pc_decoder_check,
    PC_DECODER_PARTS(fields),
};
