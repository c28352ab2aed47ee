/* Phi-1, Phi-1.5 and Phi-2, with experts in place of MLPs where the configuration has them (MoE-LLaVA): a decoder whose attention and MLP read the same norm.
 *
 *   n = LN x;  x += dense(attention(rope(q), rope(k), v)) + fc2(gelu(fc1 n)), q, k, v of n;  ... L times, then LN.
 *
 * Source: Li et al. 2023 (arXiv:2309.05463), section 2; transformers models/phi (names).
 * Easy to get wrong: every linear layer has a bias, the head too; "gelu_new" is the tanh approximation; the features that rotate
 * are the first of each head (0.4 of 80 in Phi-2), in pairs (j, j + R/2) of those alone.
 */
#include "llm/stack.h"
#include "nn/rotary.h"
#include "ops/part.h"
#include "ops/rows.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_LAYERS = 256 };

typedef struct phi_config {
    int64_t vocab_size, hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, num_key_value_heads;
    int64_t max_position_embeddings;
    char *hidden_act;
    double layer_norm_eps, rope_theta, partial_rotary_factor;
    bool tie_word_embeddings;
    pc_rotary rotary; /* by read, as the last */
    pc_moe_config moe; /* experts = 0: all layers are dense */
    bool sparse[MAX_LAYERS];
} phi_config;

#define FIELD(key, kind, def, lo, hi, text) \
    {.name = #key, .type = kind, .offset = offsetof(phi_config, key), .fallback = def, .low = lo, .high = hi, .help = text}

static const pc_field fields[] = {
    FIELD(vocab_size, PC_FIELD_INT, "51200", 1, 1 << 24, "entries of the vocabulary"),
    FIELD(hidden_size, PC_FIELD_INT, "2048", 1, 65536, "width"),
    FIELD(intermediate_size, PC_FIELD_INT, "8192", 1, 1 << 20, "width of the MLP"),
    FIELD(num_hidden_layers, PC_FIELD_INT, "24", 1, MAX_LAYERS, "blocks"),
    FIELD(num_attention_heads, PC_FIELD_INT, "32", 1, 1024, "query heads"),
    FIELD(num_key_value_heads, PC_FIELD_INT, "0", 0, 1024, "key and value heads; 0 = as many as query heads"),
    FIELD(max_position_embeddings, PC_FIELD_INT, "2048", 1, 1 << 24, "longest sequence"),
    FIELD(hidden_act, PC_FIELD_TEXT, "gelu_new", 0, 0, "activation of the MLP"),
    FIELD(layer_norm_eps, PC_FIELD_FLOAT, "1e-5", 0, 1, "epsilon of the norms"),
    FIELD(rope_theta, PC_FIELD_FLOAT, "10000", 1, 1e12, "base of the rotary frequencies"),
    FIELD(partial_rotary_factor, PC_FIELD_FLOAT, "0.5", 1e-6, 1, "share of a head's features that rotates"),
    FIELD(tie_word_embeddings, PC_FIELD_BOOL, "false", 0, 0, "the head's weight is the embedding table"),
    PC_MOE_FIELDS(phi_config, "0", "2", "0.01"),
};

typedef struct phi_layer {
    pc_norm_weights norm;
    pc_linear_weights q, k, v, o;
    pc_mlp_weights mlp; /* of dense layers */
    pc_moe_weights moe; /* of sparse ones */
} phi_layer;

typedef struct phi_weights {
    pc_param *embedding;    /* [V,D] */
    pc_linear_weights head; /* [V,D], [V]; its weight is the embedding when tied */
    pc_norm_weights norm;
    phi_layer layers[MAX_LAYERS];
} phi_weights;

static int64_t key_heads(const phi_config *config)
{
    return config->num_key_value_heads ? config->num_key_value_heads : config->num_attention_heads;
}

static int64_t head_size(const phi_config *config)
{
    return config->hidden_size / config->num_attention_heads;
}

static int64_t rotary_size(const phi_config *config)
{
    return (int64_t)((double)head_size(config) * config->partial_rotary_factor);
}

static pc_status read(void *any, const pc_json *json, const char *where)
{
    phi_config *config = any;
    config->moe.width = config->hidden_size;
    config->moe.hidden = config->intermediate_size;
    config->moe.plain = true;
    PC_TRY(pc_moe_layers(config->sparse, config->num_hidden_layers, &config->moe, json, where));
    PC_TRY(pc_rotary_read(&config->rotary, json, config->rope_theta, config->max_position_embeddings, where));
    if (config->rotary.share != 0) {
        config->partial_rotary_factor = config->rotary.share;
    }
    if (config->rotary.sections[0]) {
        return pc_fail(PC_ERR_DATA, "%s: mrope_section is not supported for Phi", where);
    }
    return pc_json_get_bool(json, "qk_layernorm", false) ? pc_fail(PC_ERR_DATA, "%s: qk_layernorm is not supported", where) : PC_OK;
}

static pc_status check(const void *any, const char *where)
{
    const phi_config *config = any;
    if (config->hidden_size % config->num_attention_heads || config->num_attention_heads % key_heads(config)) {
        return pc_fail(PC_ERR_DATA, "%s: hidden_size %lld, num_attention_heads %lld and num_key_value_heads %lld do not divide", where,
                       (long long)config->hidden_size, (long long)config->num_attention_heads, (long long)key_heads(config));
    }
    if (!(config->partial_rotary_factor > 0 && config->partial_rotary_factor <= 1) || rotary_size(config) % 2 ||
        rotary_size(config) < 2) {
        return pc_fail(PC_ERR_DATA, "%s: partial_rotary_factor %g of a head of %lld: expected an even number of features that rotate",
                       where, config->partial_rotary_factor, (long long)head_size(config));
    }
    if (pc_activation_from_name(config->hidden_act) < 0) {
        return pc_fail(PC_ERR_DATA, "%s: hidden_act '%s' is unknown", where, config->hidden_act);
    }
    return config->moe.experts ? pc_moe_check(&config->moe, where) : PC_OK;
}

static void info(const void *any, pc_llm_info *out)
{
    const phi_config *config = any;
    *out = (pc_llm_info){
        .width = config->hidden_size,
        .layers = config->num_hidden_layers,
        .vocabulary = config->vocab_size,
        .context = config->max_position_embeddings,
        .heads = config->num_attention_heads,
        .key_heads = key_heads(config),
        .head_size = head_size(config),
        .tied = config->tie_word_embeddings,
        .axes = 1,
        .streams = true,
        .rotary_limit = config->rotary.kind == PC_ROTARY_DYNAMIC ? config->max_position_embeddings : 0,
    };
}

static void declare_layer(pc_scope *scope, const phi_config *config, phi_layer *layer, int index)
{
    int64_t width = config->hidden_size, hidden = config->intermediate_size, key_rows = key_heads(config) * head_size(config);
    double out = pc_residual_gain(config->num_hidden_layers);
    char name[128];
    const pc_stack_linear linears[] = {
        {&layer->q, width, width, true, 1, "self_attn.q_proj"},    {&layer->k, key_rows, width, true, 1, "self_attn.k_proj"},
        {&layer->v, key_rows, width, true, 1, "self_attn.v_proj"}, {&layer->o, width, width, true, out, "self_attn.dense"},
        {&layer->mlp.up, hidden, width, true, 1, "mlp.fc1"},       {&layer->mlp.down, width, hidden, true, out, "mlp.fc2"},
    };
    enum { OF_ATTENTION = 4 };
    size_t count = config->sparse[index] ? OF_ATTENTION : sizeof linears / sizeof linears[0];
    pc_stack_declare(scope, linears, count, "model.layers", index);
    if (config->sparse[index]) {
        snprintf(name, sizeof name, "model.layers.%d.block_sparse_moe", index);
        pc_moe_declare(scope, &layer->moe, &config->moe, config->num_hidden_layers, name);
    }
    snprintf(name, sizeof name, "model.layers.%d.input_layernorm", index);
    pc_norm_declare(scope, &layer->norm, width, true, name);
}

static void declare(pc_scope *scope, const void *any, void *any_weights)
{
    const phi_config *config = any;
    phi_weights *weights = any_weights;
    pc_shape table = pc_dims(2, config->vocab_size, config->hidden_size);
    const pc_init init = PC_NORMAL(pc_scope_std(scope, config->hidden_size));
    weights->embedding = pc_declare(scope, init, table, "model.embed_tokens.weight");
    for (int64_t i = 0; i < config->num_hidden_layers; i++) {
        declare_layer(scope, config, &weights->layers[i], (int)i);
    }
    pc_norm_declare(scope, &weights->norm, config->hidden_size, true, "model.final_layernorm");
    weights->head.weight = pc_stack_declare_head(scope, weights->embedding, config->tie_word_embeddings);
    weights->head.bias = pc_declare(scope, PC_ZEROS, pc_dims(1, config->vocab_size), "lm_head.bias");
}

static void frequencies(const void *any, int64_t length, float *out)
{
    const phi_config *config = any;
    memset(out, 0, sizeof *out * (size_t)(head_size(config) / 2)); /* those that don't rotate */
    pc_rotary_frequencies(&config->rotary, rotary_size(config), length, out);
}

static pc_tensor *embed(const pc_build *build, const void *any_weights, pc_tensor *ids)
{
    const phi_weights *weights = any_weights;
    return pc_take_rows(build->graph, pc_use(build, weights->embedding), ids); /* [T,D] */
}

/* n [T,D] -> x + attention(n) [T,D] */
static pc_tensor *attention(const pc_build *build, const phi_config *config, const phi_layer *layer, int index,
                            const pc_llm_io *io, pc_tensor *n, pc_tensor *x)
{
    pc_graph *graph = build->graph;
    int64_t size = head_size(config), heads = config->num_attention_heads;
    double factor = config->rotary.attention * config->rotary.attention;
    pc_tensor *q = pc_hooks_project(io->hooks, build, index, PC_PROJECT_Q, &layer->q, n, NULL);
    pc_tensor *k = pc_hooks_project(io->hooks, build, index, PC_PROJECT_K, &layer->k, n, NULL);
    pc_tensor *v = pc_hooks_project(io->hooks, build, index, PC_PROJECT_V, &layer->v, n, NULL);
    q = pc_reshape(graph, q, pc_dims(3, -1, heads, size));             /* [T,H,E] */
    k = pc_reshape(graph, k, pc_dims(3, -1, key_heads(config), size)); /* [T,K,E] */
    v = pc_reshape(graph, v, pc_dims(3, -1, key_heads(config), size));
    pc_tensor *sinks = io->inside ? pc_rope(graph, q, io->inside, io->frequencies, (pc_rope_params){0}) : NULL;
    q = pc_rope(graph, q, io->positions, io->frequencies, (pc_rope_params){0});
    k = pc_rope(graph, k, io->positions, io->frequencies, (pc_rope_params){0});
    const pc_stack_attention how = {heads, key_heads(config), size, factor / sqrt((double)size), NULL, sinks};
    pc_tensor *mixed = pc_stack_attend(build, io, index, (pc_tensor *[]){q, k, v}, &how);
    return pc_stack_end(build, io->hooks, index, PC_PROJECT_O, &layer->o, mixed, x);
}

static pc_tensor *forward(const pc_build *build, const void *any, const void *any_weights, const pc_llm_io *io)
{
    const phi_config *config = any;
    const phi_weights *weights = any_weights;
    pc_graph *graph = build->graph;
    double eps = config->layer_norm_eps;
    int layers = (int)config->num_hidden_layers;
    pc_llm_io own = *io;
    pc_activation kind = (pc_activation)pc_activation_from_name(config->hidden_act);
    pc_moe_config moe = config->moe;
    moe.activation = kind;
    own.frequencies = pc_part_of(graph, io->frequencies, 0, rotary_size(config) / 2);
    pc_tensor *x = pc_name(graph, io->embeddings, "llm.hidden.0"), *routed = NULL; /* [T,D] */
    pc_stack_tap(build, io, 0, x, &weights->norm, eps);
    for (int i = 0; i < layers; i++) {
        const phi_layer *layer = &weights->layers[i];
        x = pc_hooks_before_layer(io->hooks, build, i, x);
        pc_tensor *n = pc_norm_forward(build, &layer->norm, x, eps);
        x = attention(build, config, layer, i, &own, n, x);
        x = pc_hooks_after_attention(io->hooks, build, i, x);
        x = config->sparse[i] ? pc_stack_experts(build, &layer->moe, &moe, n, x, &routed)
                              : pc_stack_mlp(build, io->hooks, i, &layer->mlp, kind, n, x);
        x = pc_layer_end(graph, pc_name(graph, x, "llm.hidden.%d", i + 1));
        pc_stack_tap(build, io, i + 1, x, &weights->norm, eps);
    }
    pc_moe_balance(build, &config->moe, routed);
    x = pc_hooks_before_layer(io->hooks, build, layers, x);
    return pc_name(graph, pc_norm_forward(build, &weights->norm, x, eps), "llm.norm");
}

static pc_tensor *head(const pc_build *build, const void *any, const void *any_weights, pc_tensor *hidden)
{
    const phi_weights *weights = any_weights;
    (void)any;
    return pc_linear_forward(build, &weights->head, hidden, NULL); /* [R,V] */
}

const pc_llm_type pc_llm_phi = {
    .model_type = "phi",
    .fields = {fields, sizeof fields / sizeof fields[0]},
    .config_size = sizeof(phi_config),
    .weights_size = sizeof(phi_weights),
    .read = read,
    .check = check,
    .info = info,
    .declare = declare,
    .frequencies = frequencies,
    .embed = embed,
    .forward = forward,
    .head = head,
};
