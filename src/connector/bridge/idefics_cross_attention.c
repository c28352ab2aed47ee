/* IDEFICS's gated cross-attention: Flamingo's block as a layer of LLaMA.
 *
 *   x += tanh(a) o(attention(q(RMS x), k(media), v(media)));  x += tanh(f) down(silu(gate n) * up n), n = RMS x
 *
 * Source: Laurencon et al. 2023 (arXiv:2306.16527); transformers models/idefics/modeling_idefics.py (keys, names).
 * Easy to get wrong: a block stands before layers 0, n, 2n ..., not before n-1; gates are vectors or one number
 * (alpha_type); queries and keys may have an RMS norm per head, after the heads are cut; rows that see no picture get no
 * attention, but the MLP all the same; no rotary positions.
 */
#include "connector/bridge/bridge.h"

#include "ops/add.h"
#include "ops/multiply.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct idefics_config {
    int64_t cross_layer_interval;
    bool qk_layer_norms;
    char *alpha_type, *hidden_act;
    double rms_norm_eps;
} idefics_config;

static const pc_field fields[] = {
    {.name = "cross_layer_interval", .type = PC_FIELD_INT, .offset = offsetof(idefics_config, cross_layer_interval),
     .fallback = "1", .low = 1, .high = 1 << 10, .help = "a block stands before every n-th layer, the first one included"},
    {.name = "qk_layer_norms", .type = PC_FIELD_BOOL, .offset = offsetof(idefics_config, qk_layer_norms), .fallback = "false",
     .help = "queries and keys have a norm of their own"},
    {.name = "alpha_type", .type = PC_FIELD_TEXT, .offset = offsetof(idefics_config, alpha_type), .fallback = "float",
     .help = "vector: a gate for each feature; float: one"},
    {.name = "hidden_act", .type = PC_FIELD_TEXT, .offset = offsetof(idefics_config, hidden_act), .fallback = "silu",
     .help = "activation of the MLP's gate"},
    {.name = "rms_norm_eps", .type = PC_FIELD_FLOAT, .offset = offsetof(idefics_config, rms_norm_eps), .fallback = "1e-6", .low = 0,
     .high = 1, .help = "epsilon of the norms"},
};

typedef struct idefics_block {
    pc_norm_weights input_norm, post_norm, q_norm, k_norm;
    pc_linear_weights q, k, v, o;
    pc_glu_weights mlp;
    pc_param *attention_gate, *mlp_gate; /* [D] or [1] */
} idefics_block;

typedef struct idefics_weights {
    idefics_block blocks[PC_BRIDGE_MAX_BLOCKS];
} idefics_weights;

static pc_status check(const void *any, const pc_bridge_dims *dims, const char *where)
{
    const idefics_config *config = any;
    int64_t interval = config->cross_layer_interval;
    if (dims->hidden < 1) {
        return pc_fail(PC_ERR_DATA, "%s: the bridge 'idefics_cross_attention' needs a language model like LLaMA", where);
    }
    if (dims->layers % interval || dims->layers / interval > PC_BRIDGE_MAX_BLOCKS) {
        return pc_fail(PC_ERR_DATA, "%s: cross_layer_interval %lld: expected a divisor of the %lld layers, for at most %d blocks", where,
                       (long long)interval, (long long)dims->layers, PC_BRIDGE_MAX_BLOCKS);
    }
    if (strcmp(config->alpha_type, "vector") != 0 && strcmp(config->alpha_type, "float") != 0) {
        return pc_fail(PC_ERR_DATA, "%s: alpha_type '%s' is neither vector nor float", where, config->alpha_type);
    }
    return pc_activation_from_name(config->hidden_act) < 0
               ? pc_fail(PC_ERR_DATA, "%s: hidden_act '%s' is unknown", where, config->hidden_act)
               : PC_OK;
}

static void declare_linears(pc_scope *scope, const pc_bridge_dims *dims, idefics_block *block, int index)
{
    int64_t width = dims->width, rows = dims->heads * dims->head_size, hidden = dims->hidden;
    char name[96];
    const struct {
        pc_linear_weights *weights;
        int64_t out, in;
        const char *name;
    } linears[] = {
        {&block->q, rows, width, "cross_attn.q_proj"},        {&block->k, rows, dims->media, "cross_attn.k_proj"},
        {&block->v, rows, dims->media, "cross_attn.v_proj"},  {&block->o, width, rows, "cross_attn.o_proj"},
        {&block->mlp.gate, hidden, width, "mlp.gate_proj"},   {&block->mlp.up, hidden, width, "mlp.up_proj"},
        {&block->mlp.down, width, hidden, "mlp.down_proj"},
    };
    for (size_t i = 0; i < sizeof linears / sizeof linears[0]; i++) {
        snprintf(name, sizeof name, "gated_cross_attn_layers.%d.%s", index, linears[i].name);
        pc_linear_declare(scope, linears[i].weights, linears[i].out, linears[i].in, false, 1, name);
    }
}

static void declare_block(pc_scope *scope, const idefics_config *config, const pc_bridge_dims *dims, idefics_block *block, int index)
{
    int64_t gates = strcmp(config->alpha_type, "vector") == 0 ? dims->width : 1;
    char name[96];
    const struct {
        pc_norm_weights *weights;
        int64_t width;
        const char *name;
    } norms[] = {
        {&block->input_norm, dims->width, "input_layernorm"},
        {&block->post_norm, dims->width, "post_attention_layernorm"},
        {&block->q_norm, dims->head_size, "cross_attn.q_layer_norm"},
        {&block->k_norm, dims->head_size, "cross_attn.k_layer_norm"},
    };
    declare_linears(scope, dims, block, index);
    for (int i = 0; i < (config->qk_layer_norms ? 4 : 2); i++) {
        snprintf(name, sizeof name, "gated_cross_attn_layers.%d.%s", index, norms[i].name);
        pc_norm_declare(scope, norms[i].weights, norms[i].width, false, name);
    }
    block->attention_gate = pc_declare(scope, PC_ZEROS, pc_dims(1, gates), "gated_cross_attn_layers.%d.alpha_cross_attn", index);
    block->mlp_gate = pc_declare(scope, PC_ZEROS, pc_dims(1, gates), "gated_cross_attn_layers.%d.alpha_dense", index);
}

static void declare(pc_scope *scope, const void *any, const pc_bridge_dims *dims, void *any_weights)
{
    const idefics_config *config = any;
    idefics_weights *weights = any_weights;
    for (int64_t i = 0; i < dims->layers / config->cross_layer_interval; i++) {
        declare_block(scope, config, dims, &weights->blocks[i], (int)i);
    }
}

/* x + tanh(gate) y */
static pc_tensor *add_gated(const pc_build *build, pc_tensor *x, pc_tensor *y, pc_param *gate)
{
    pc_tensor *openness = pc_activate(build->graph, pc_use(build, gate), PC_ACT_TANH); /* [D] or [1] */
    y = pc_shape_count(&openness->max) > 1 ? pc_multiply(build->graph, y, openness) : pc_scale_by(build->graph, y, openness);
    return pc_add(build->graph, x, y);
}

static pc_tensor *normed_heads(const pc_build *build, const pc_bridge_dims *dims, const idefics_config *config,
                               const pc_norm_weights *norm, pc_tensor *x)
{
    x = pc_reshape(build->graph, x, pc_dims(3, -1, dims->heads, dims->head_size)); /* [..,H,E] */
    return norm->weight ? pc_norm_forward(build, norm, x, config->rms_norm_eps) : x;
}

static pc_tensor *block_forward(const pc_build *build, const pc_bridge *bridge, const idefics_block *block, pc_tensor *x, int64_t index)
{
    const idefics_config *config = bridge->config;
    const pc_bridge_dims *dims = &bridge->dims;
    pc_graph *graph = build->graph;
    pc_tensor *media = bridge->in.media;
    if (media) { /* without pictures attention adds nothing */
        static const pc_norm_weights none = {0};
        pc_tensor *h = pc_norm_forward(build, &block->input_norm, x, config->rms_norm_eps); /* [T,D] */
        pc_tensor *q = normed_heads(build, dims, config, &block->q_norm, pc_linear_forward(build, &block->q, h, NULL));
        pc_tensor *k = normed_heads(build, dims, config, &block->k_norm, pc_linear_forward(build, &block->k, media, NULL));
        pc_tensor *v = normed_heads(build, dims, config, &none, pc_linear_forward(build, &block->v, media, NULL)); /* [S,H,E] */
        pc_tensor *mixed = pc_bridge_attend(build, &bridge->in, index, q, k, v, 1 / sqrt((double)dims->head_size));
        mixed = pc_reshape(graph, mixed, pc_dims(2, -1, dims->heads * dims->head_size));
        x = add_gated(build, x, pc_linear_forward(build, &block->o, mixed, NULL), block->attention_gate);
    }
    pc_tensor *h = pc_norm_forward(build, &block->post_norm, x, config->rms_norm_eps);
    h = pc_glu_forward(build, &block->mlp, h, (pc_activation)pc_activation_from_name(config->hidden_act), NULL);
    return add_gated(build, x, h, block->mlp_gate); /* [T,D] */
}

static pc_tensor *before_layer(void *user, const pc_build *build, int layer, pc_tensor *hidden)
{
    const pc_bridge *bridge = user;
    int64_t interval = ((const idefics_config *)bridge->config)->cross_layer_interval;
    const idefics_weights *weights = bridge->weights;
    if (layer % interval || layer >= bridge->dims.layers) {
        return hidden;
    }
    return block_forward(build, bridge, &weights->blocks[layer / interval], hidden, layer / interval);
}

static pc_hook hook(const pc_bridge *bridge)
{
    return (pc_hook){.user = (void *)bridge, .before_layer = before_layer};
}

static void memory(const void *any, const pc_bridge_dims *dims, int64_t *blocks, int64_t *heads, int64_t *head_size)
{
    *blocks = dims->layers / ((const idefics_config *)any)->cross_layer_interval;
    *heads = dims->heads;
    *head_size = dims->head_size;
}

const pc_bridge_type pc_bridge_idefics_cross_attention = {
    .name = "idefics_cross_attention",
    .apart = true,
    .fields = {fields, sizeof fields / sizeof fields[0]},
    .config_size = sizeof(idefics_config),
    .weights_size = sizeof(idefics_weights),
    .check = check,
    .declare = declare,
    .hook = hook,
    .memory = memory,
};
