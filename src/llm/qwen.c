/* Qwen (1): the shared decoder with biases at q, k and v; beyond the length it was trained with, rotary frequencies stretched by
 * the prompt's length, and queries that grow with the logarithm of their position.
 *
 * Source: Bai et al. 2023 (arXiv:2309.16609), section 2.3; QwenLM/Qwen, modeling_qwen.py, configuration_qwen.py (keys).
 * Easy to get wrong: intermediate_size is twice the width of the MLP; both stretchings are for answering, not for training; the
 * frequencies are those of the prompt, whatever is written behind it.
 */
#include "llm/decoder.h"

static const pc_field fields[] = {
    PC_DECODER_FIELD(vocab_size, PC_FIELD_INT, "151936", 1, 1 << 24, "entries of the vocabulary"),
    PC_DECODER_FIELD(hidden_size, PC_FIELD_INT, "4096", 1, 65536, "width"),
    PC_DECODER_FIELD(intermediate_size, PC_FIELD_INT, "22016", 2, 524288, "twice the width of the MLP"),
    PC_DECODER_FIELD(num_hidden_layers, PC_FIELD_INT, "32", 1, PC_DECODER_MAX_LAYERS, "blocks"),
    PC_DECODER_FIELD(num_attention_heads, PC_FIELD_INT, "32", 1, 1024, "attention heads"),
    PC_DECODER_KEY("kv_channels", head_dim, PC_FIELD_INT, "0", 0, 1024, "features of a head; 0 = hidden_size / num_attention_heads"),
    PC_DECODER_FIELD(max_position_embeddings, PC_FIELD_INT, "8192", 1, 1 << 24, "longest sequence"),
    PC_DECODER_FIELD(seq_length, PC_FIELD_INT, "2048", 2, 1 << 24, "tokens of the texts that it was trained with"),
    PC_DECODER_KEY("layer_norm_epsilon", rms_norm_eps, PC_FIELD_FLOAT, "1e-6", 0, 1, "epsilon of the norms"),
    PC_DECODER_KEY("rotary_emb_base", rope_theta, PC_FIELD_FLOAT, "10000", 1, 1e12, "base of the rotary frequencies"),
    PC_DECODER_KEY("use_dynamic_ntk", ntk, PC_FIELD_BOOL, "true", 0, 0, "longer prompts stretch the rotary frequencies"),
    PC_DECODER_KEY("use_logn_attn", logn, PC_FIELD_BOOL, "true", 0, 0, "queries behind seq_length grow with log position"),
    PC_DECODER_FIELD(tie_word_embeddings, PC_FIELD_BOOL, "false", 0, 0, "the head is the embedding table"),
    PC_DECODER_FIELD(hidden_act, PC_FIELD_TEXT, "silu", 0, 0, "activation of the gate"),
    PC_DECODER_MOE_FIELDS("0", "2", "0.01"),
};

static pc_status read(void *any, const pc_json *json, const char *where)
{
    pc_decoder_config *config = any;
    config->qkv_bias = true;
    config->mlp_divisor = 2;
    PC_TRY(pc_decoder_read(any, json, where));
    if (config->ntk) {
        config->rotary.kind = PC_ROTARY_PROMPT;
        config->rotary.original = (double)config->seq_length;
    }
    return PC_OK;
}

const pc_llm_type pc_llm_qwen = {
    .model_type = "qwen",
    .read = read,
    .check = pc_decoder_check,
    PC_DECODER_PARTS(fields),
};
