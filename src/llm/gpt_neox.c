/* GPT-NeoX: Pythia, RedPajama-INCITE, the language model of OpenFlamingo 4B.
 *
 *   a = dense(attention(rope(q), rope(k), v)), q, k, v of LN1 x
 *   side by side:  x += a + mlp(LN2 x);   in sequence:  x += a, x += mlp(LN2 x);   ... L times, then LN.
 *
 * Source: Black et al. 2022 (arXiv:2204.06745), section 2; transformers models/gpt_neox (names).
 * Easy to get wrong: side by side the MLP's norm is its own and reads the layer's input; queries, keys and values lie head by head in one
 * matrix; the features that rotate are the first of each head, in pairs (j, j + R/2) of those alone; every linear layer has a bias but
 * the head.
 */
#include "llm/stack.h"
#include "nn/rotary.h"
#include "ops/part.h"
#include "ops/rope.h"
#include "ops/rows.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_LAYERS = 256 };

typedef struct neox_config {
    int64_t vocab_size, hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, max_position_embeddings;
    char *hidden_act;
    double layer_norm_eps, rope_theta, rotary_pct;
    bool tie_word_embeddings, use_parallel_residual, attention_bias;
    pc_rotary rotary; /* by read */
} neox_config;

#define FIELD(key, kind, def, lo, hi, text) \
    {.name = #key, .type = kind, .offset = offsetof(neox_config, key), .fallback = def, .low = lo, .high = hi, .help = text}

static const pc_field fields[] = {
    FIELD(vocab_size, PC_FIELD_INT, "50432", 1, 1 << 24, "entries of the vocabulary"),
    FIELD(hidden_size, PC_FIELD_INT, "6144", 1, 65536, "width"),
    FIELD(intermediate_size, PC_FIELD_INT, "24576", 1, 1 << 20, "width of the MLP"),
    FIELD(num_hidden_layers, PC_FIELD_INT, "44", 1, MAX_LAYERS, "blocks"),
    FIELD(num_attention_heads, PC_FIELD_INT, "64", 1, 1024, "attention heads"),
    FIELD(max_position_embeddings, PC_FIELD_INT, "2048", 1, 1 << 24, "longest sequence"),
    FIELD(hidden_act, PC_FIELD_TEXT, "gelu", 0, 0, "activation of the MLP"),
    FIELD(layer_norm_eps, PC_FIELD_FLOAT, "1e-5", 0, 1, "epsilon of the norms"),
    {.name = "rotary_emb_base", .type = PC_FIELD_FLOAT, .offset = offsetof(neox_config, rope_theta), .fallback = "10000", .low = 1,
     .high = 1e12, .help = "base of the rotary frequencies"},
    FIELD(rotary_pct, PC_FIELD_FLOAT, "0.25", 1e-6, 1, "share of a head's features that rotates"),
    FIELD(use_parallel_residual, PC_FIELD_BOOL, "true", 0, 0, "attention and MLP side by side"),
    FIELD(attention_bias, PC_FIELD_BOOL, "true", 0, 0, "biases in the attention projections"),
    FIELD(tie_word_embeddings, PC_FIELD_BOOL, "false", 0, 0, "the head is the embedding table"),
};

typedef struct neox_layer {
    pc_norm_weights attention_norm, mlp_norm;
    pc_linear_weights qkv, o; /* [H*3*E,D], [D,D] */
    pc_mlp_weights mlp;
} neox_layer;

typedef struct neox_weights {
    pc_param *embedding; /* [V,D] */
    pc_param *head;      /* [V,D]; the embedding when tied */
    pc_norm_weights norm;
    neox_layer layers[MAX_LAYERS];
} neox_weights;

static int64_t head_size(const neox_config *config)
{
    return config->hidden_size / config->num_attention_heads;
}

static int64_t rotary_size(const neox_config *config)
{
    return (int64_t)((double)head_size(config) * config->rotary_pct);
}

static pc_status read(void *any, const pc_json *json, const char *where)
{
    neox_config *config = any;
    double theta = pc_json_get_number(json, "rope_theta", config->rope_theta); /* the newer spelling, also by the import */
    PC_TRY(pc_rotary_read(&config->rotary, json, theta, config->max_position_embeddings, where));
    config->rotary_pct = config->rotary.share != 0 ? config->rotary.share : config->rotary_pct;
    return config->rotary.sections[0] ? pc_fail(PC_ERR_DATA, "%s: mrope_section is not supported for GPT-NeoX", where) : PC_OK;
}

static pc_status check(const void *any, const char *where)
{
    const neox_config *config = any;
    if (config->hidden_size % config->num_attention_heads) {
        return pc_fail(PC_ERR_DATA, "%s: hidden_size %lld is not a multiple of num_attention_heads %lld", where,
                       (long long)config->hidden_size, (long long)config->num_attention_heads);
    }
    if (!(config->rotary_pct > 0 && config->rotary_pct <= 1) || rotary_size(config) % 2 || rotary_size(config) < 2) {
        return pc_fail(PC_ERR_DATA, "%s: rotary_pct %g of a head of %lld: expected an even number of features that rotate", where,
                       config->rotary_pct, (long long)head_size(config));
    }
    return pc_activation_from_name(config->hidden_act) < 0
               ? pc_fail(PC_ERR_DATA, "%s: hidden_act '%s' is unknown", where, config->hidden_act)
               : PC_OK;
}

static void info(const void *any, pc_llm_info *out)
{
    const neox_config *config = any;
    *out = (pc_llm_info){
        .width = config->hidden_size,
        .layers = config->num_hidden_layers,
        .vocabulary = config->vocab_size,
        .context = config->max_position_embeddings,
        .heads = config->num_attention_heads,
        .key_heads = config->num_attention_heads,
        .head_size = head_size(config),
        .tied = config->tie_word_embeddings,
        .axes = 1,
        .streams = true,
        .rotary_limit = config->rotary.kind == PC_ROTARY_DYNAMIC ? config->max_position_embeddings : 0,
    };
}

static void declare_layer(pc_scope *scope, const neox_config *config, neox_layer *layer, int index)
{
    int64_t width = config->hidden_size, hidden = config->intermediate_size;
    double out = pc_residual_gain(config->num_hidden_layers);
    bool bias = config->attention_bias;
    char name[96];
    const pc_stack_linear linears[] = {
        {&layer->qkv, 3 * width, width, bias, 1, "attention.query_key_value"},
        {&layer->o, width, width, bias, out, "attention.dense"},
        {&layer->mlp.up, hidden, width, true, 1, "mlp.dense_h_to_4h"},
        {&layer->mlp.down, width, hidden, true, out, "mlp.dense_4h_to_h"},
    };
    pc_stack_declare(scope, linears, sizeof linears / sizeof linears[0], "gpt_neox.layers", index);
    snprintf(name, sizeof name, "gpt_neox.layers.%d.input_layernorm", index);
    pc_norm_declare(scope, &layer->attention_norm, width, true, name);
    snprintf(name, sizeof name, "gpt_neox.layers.%d.post_attention_layernorm", index);
    pc_norm_declare(scope, &layer->mlp_norm, width, true, name);
}

static void declare(pc_scope *scope, const void *any, void *any_weights)
{
    const neox_config *config = any;
    neox_weights *weights = any_weights;
    pc_shape table = pc_dims(2, config->vocab_size, config->hidden_size);
    const pc_init init = PC_NORMAL(pc_scope_std(scope, config->hidden_size));
    weights->embedding = pc_declare(scope, init, table, "gpt_neox.embed_in.weight");
    for (int64_t i = 0; i < config->num_hidden_layers; i++) {
        declare_layer(scope, config, &weights->layers[i], (int)i);
    }
    pc_norm_declare(scope, &weights->norm, config->hidden_size, true, "gpt_neox.final_layer_norm");
    weights->head = weights->embedding;
    if (!config->tie_word_embeddings) {
        weights->head = pc_declare(scope, init, table, "embed_out.weight");
        pc_declared_as(scope, PC_PARAM_HEAD);
    }
}

static void frequencies(const void *any, int64_t length, float *out)
{
    const neox_config *config = any;
    memset(out, 0, sizeof *out * (size_t)(head_size(config) / 2)); /* those that don't rotate */
    pc_rotary_frequencies(&config->rotary, rotary_size(config), length, out);
}

static pc_tensor *embed(const pc_build *build, const void *any_weights, pc_tensor *ids)
{
    const neox_weights *weights = any_weights;
    return pc_take_rows(build->graph, pc_use(build, weights->embedding), ids); /* [T,D] */
}

/* n [T,D] (normed) -> [T,D] + stream */
static pc_tensor *attention(const pc_build *build, const neox_config *config, const neox_layer *layer, int index, const pc_llm_io *io,
                            pc_tensor *n, pc_tensor *stream)
{
    pc_graph *graph = build->graph;
    int64_t heads = config->num_attention_heads, size = head_size(config);
    double factor = config->rotary.attention * config->rotary.attention;
    pc_tensor *all = pc_reshape(graph, pc_linear_forward(build, &layer->qkv, n, NULL), pc_dims(3, -1, 3, size)); /* [T*H,3,E] */
    const pc_rope_params rope = {0};
    pc_tensor *qkv[3];
    for (int i = 0; i < 3; i++) {
        qkv[i] = pc_reshape(graph, pc_slice(graph, all, i, i + 1), pc_dims(3, -1, heads, size)); /* [T,H,E] */
    }
    pc_tensor *sinks = io->inside ? pc_rope(graph, qkv[0], io->inside, io->frequencies, rope) : NULL;
    qkv[0] = pc_rope(graph, qkv[0], io->positions, io->frequencies, rope);
    qkv[1] = pc_rope(graph, qkv[1], io->positions, io->frequencies, rope);
    const pc_stack_attention how = {heads, heads, size, factor / sqrt((double)size), NULL, sinks};
    pc_tensor *mixed = pc_stack_attend(build, io, index, qkv, &how);
    return pc_stack_end(build, io->hooks, index, PC_PROJECT_O, &layer->o, mixed, stream);
}

static pc_tensor *forward(const pc_build *build, const void *any, const void *any_weights, const pc_llm_io *io)
{
    const neox_config *config = any;
    const neox_weights *weights = any_weights;
    pc_graph *graph = build->graph;
    double eps = config->layer_norm_eps;
    int layers = (int)config->num_hidden_layers;
    pc_activation kind = (pc_activation)pc_activation_from_name(config->hidden_act);
    pc_llm_io own = *io;
    own.frequencies = pc_part_of(graph, io->frequencies, 0, rotary_size(config) / 2);
    pc_tensor *x = pc_name(graph, io->embeddings, "llm.hidden.0"); /* [T,D] */
    pc_stack_tap(build, io, 0, x, &weights->norm, eps);
    for (int i = 0; i < layers; i++) {
        const neox_layer *layer = &weights->layers[i];
        pc_tensor *before = x = pc_hooks_before_layer(io->hooks, build, i, x);
        x = attention(build, config, layer, i, &own, pc_norm_forward(build, &layer->attention_norm, x, eps), x);
        x = pc_hooks_after_attention(io->hooks, build, i, x);
        pc_tensor *h = pc_norm_forward(build, &layer->mlp_norm, config->use_parallel_residual ? before : x, eps);
        x = pc_stack_mlp(build, io->hooks, i, &layer->mlp, kind, h, x);
        x = pc_layer_end(graph, pc_name(graph, x, "llm.hidden.%d", i + 1));
        pc_stack_tap(build, io, i + 1, x, &weights->norm, eps);
    }
    x = pc_hooks_before_layer(io->hooks, build, layers, x);
    return pc_name(graph, pc_norm_forward(build, &weights->norm, x, eps), "llm.norm");
}

static pc_tensor *head(const pc_build *build, const void *any, const void *any_weights, pc_tensor *hidden)
{
    const neox_weights *weights = any_weights;
    const pc_linear_weights logits = {.weight = weights->head};
    (void)any;
    return pc_linear_forward(build, &logits, hidden, NULL); /* [R,V] */
}

const pc_llm_type pc_llm_gpt_neox = {
    .model_type = "gpt_neox",
    .fields = {fields, sizeof fields / sizeof fields[0]},
    .config_size = sizeof(neox_config),
    .weights_size = sizeof(neox_weights),
    .read = read,
    .check = check,
    .info = info,
    .declare = declare,
    .frequencies = frequencies,
    .embed = embed,
    .forward = forward,
    .head = head,
};
