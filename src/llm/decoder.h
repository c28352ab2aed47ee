/* The decoder that LLaMA, Mistral, Qwen2 and StableLM share: what their files put together differently is in the
 * configuration. */
#ifndef PC_LLM_DECODER_H
#define PC_LLM_DECODER_H

#include "llm/stack.h"
#include "nn/rotary.h"

enum { PC_DECODER_MAX_LAYERS = 256 };

/* Where a block departs from LLaMA's. */
typedef struct pc_decoder_block {
    bool layer_norm;      /* its norms are LayerNorms, with biases */
    bool parallel;        /* attention and MLP read the same norm; there is no second */
    double rotary_share;  /* of a head's features that rotate, the first ones; 0 = all, and nothing else is possible */
    bool head_norms;      /* LayerNorms without biases at each query head and each key head, before they rotate */
} pc_decoder_block;

typedef struct pc_decoder_config {
    int64_t vocab_size, hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, num_key_value_heads;
    int64_t head_dim, max_position_embeddings;
    int64_t sliding_window;    /* keys that a row sees in layers with a window; 0 = no layer has one */
    int64_t max_window_layers; /* layers before this one see everything */
    char *hidden_act;
    double rms_norm_eps, rope_theta;
    bool tie_word_embeddings, attention_bias, mlp_bias, use_sliding_window;
    bool qkv_bias;             /* q, k, v have biases, o has none (Qwen2) */
    int64_t mlp_divisor;       /* the MLP is intermediate_size / this wide; 0 = 1 */
    int64_t seq_length;        /* logn: queries behind this position grow (ops/log_scale.h), in answering alone */
    bool logn, ntk;
    pc_decoder_block block;
    pc_rotary rotary;          /* by pc_decoder_read, as the next */
    bool windowed[PC_DECODER_MAX_LAYERS];
    pc_moe_config moe;         /* experts = 0: all layers are dense */
    bool sparse[PC_DECODER_MAX_LAYERS]; /* layers with experts, by pc_decoder_read */
} pc_decoder_config;

typedef struct pc_decoder_layer {
    pc_norm_weights input_norm, post_norm;
    pc_norm_weights q_norm, k_norm; /* [H,E], [K,E]; with head_norms */
    pc_linear_weights q, k, v, o;
    pc_glu_weights mlp; /* of dense layers */
    pc_moe_weights moe; /* of sparse ones */
} pc_decoder_layer;

typedef struct pc_decoder_weights {
    pc_param *embedding; /* [V,D] */
    pc_param *head;      /* [V,D]; the embedding when tied */
    pc_norm_weights norm;
    pc_decoder_layer layers[PC_DECODER_MAX_LAYERS];
} pc_decoder_weights;

#define PC_DECODER_KEY(spelling, key, kind, def, lo, hi, text)                                                      \
    {.name = spelling, .type = kind, .offset = offsetof(pc_decoder_config, key), .fallback = def, .low = lo, .high = hi, \
     .help = text}
#define PC_DECODER_FIELD(key, kind, def, lo, hi, text) PC_DECODER_KEY(#key, key, kind, def, lo, hi, text)

/* Fields that all have; the sizes of 7B models of the family are the defaults, as in transformers' classes. */
#define PC_DECODER_FIELDS(vocabulary, width, hidden, layers, heads, keys, context)                                  \
    PC_DECODER_FIELD(vocab_size, PC_FIELD_INT, vocabulary, 1, 1 << 24, "entries of the vocabulary"),                \
    PC_DECODER_FIELD(hidden_size, PC_FIELD_INT, width, 1, 65536, "width"),                                          \
    PC_DECODER_FIELD(intermediate_size, PC_FIELD_INT, hidden, 1, 262144, "width of the MLP"),                       \
    PC_DECODER_FIELD(num_hidden_layers, PC_FIELD_INT, layers, 1, PC_DECODER_MAX_LAYERS, "blocks"),                  \
    PC_DECODER_FIELD(num_attention_heads, PC_FIELD_INT, heads, 1, 1024, "query heads"),                             \
    PC_DECODER_FIELD(num_key_value_heads, PC_FIELD_INT, keys, 0, 1024,                                              \
                     "key and value heads; 0 = as many as query heads"),                                            \
    PC_DECODER_FIELD(head_dim, PC_FIELD_INT, "0", 0, 1024,                                                          \
                     "features of a head; 0 = hidden_size / num_attention_heads"),                                  \
    PC_DECODER_FIELD(max_position_embeddings, PC_FIELD_INT, context, 1, 1 << 24, "longest sequence"),               \
    PC_DECODER_FIELD(hidden_act, PC_FIELD_TEXT, "silu", 0, 0, "activation of the gate"),                            \
    PC_DECODER_FIELD(rms_norm_eps, PC_FIELD_FLOAT, "1e-6", 0, 1, "epsilon of the norms"),                           \
    PC_DECODER_FIELD(rope_theta, PC_FIELD_FLOAT, "10000", 1, 1e12, "base of the rotary frequencies"),               \
    PC_DECODER_FIELD(tie_word_embeddings, PC_FIELD_BOOL, "false", 0, 0, "the head is the embedding table")

/* Experts in place of MLPs. */
#define PC_DECODER_MOE_FIELDS(number, chosen, coefficient) PC_MOE_FIELDS(pc_decoder_config, number, chosen, coefficient)

/* What a pc_llm_type is made of; PC_DECODER_PARTS stands in its descriptor for all that no member of the family has of its own. */
pc_status pc_decoder_read(void *config, const pc_json *json, const char *where);
pc_status pc_decoder_check(const void *config, const char *where);
void pc_decoder_info(const void *config, pc_llm_info *out);
void pc_decoder_declare(pc_scope *scope, const void *config, void *weights);
void pc_decoder_frequencies(const void *config, int64_t length, float *out);
pc_tensor *pc_decoder_embed(const pc_build *build, const void *weights, pc_tensor *ids);
pc_tensor *pc_decoder_forward(const pc_build *build, const void *config, const void *weights, const pc_llm_io *io);
pc_tensor *pc_decoder_head(const pc_build *build, const void *config, const void *weights, pc_tensor *hidden);

#define PC_DECODER_PARTS(table)                                                                                     \
    .fields = {table, sizeof table / sizeof table[0]}, .config_size = sizeof(pc_decoder_config),                    \
    .weights_size = sizeof(pc_decoder_weights), .info = pc_decoder_info, .declare = pc_decoder_declare,             \
    .frequencies = pc_decoder_frequencies, .embed = pc_decoder_embed, .forward = pc_decoder_forward, .narrows = true, .drops = true, \
    .head = pc_decoder_head

#endif
