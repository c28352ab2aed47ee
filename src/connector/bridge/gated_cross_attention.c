/* Gated cross-attention.
 *
 *   x += tanh(a) o(attention(q(LN x), k(media), v(media)));  x += tanh(f) w2 gelu(w1 LN x)
 *
 * Source: Alayrac et al. 2022 (arXiv:2204.14198), section 2.2 and appendix A.1.2; OpenFlamingo helpers.py (names).
 * Easy to get wrong: a row before the first picture reads nothing, and its attention is 0, not a mean; one matrix makes
 * keys and values, keys first; the block stands before its decoder layer, layers counted from 1.
 */
#include "connector/bridge/gated_cross_attention.h"

#include "ops/add.h"
#include "ops/multiply.h"
#include "ops/rows.h"

#include <math.h>
#include <stdio.h>

int64_t pc_gated_blocks(const pc_gated_config *config, int64_t layers)
{
    return config->every > 0 ? layers / config->every : 0;
}

void pc_gated_block_declare(pc_scope *scope, pc_gated_block_weights *weights, const pc_gated_config *config,
                            const char *name)
{
    int64_t rows = config->heads * config->head_size;
    char full[320];
    const struct {
        pc_linear_weights *weights;
        int64_t out, in;
        const char *name;
    } linears[] = {
        {&weights->q, rows, config->width, "attn.to_q"},
        {&weights->kv, 2 * rows, config->media_width, "attn.to_kv"},
        {&weights->o, config->width, rows, "attn.to_out"},
        {&weights->mlp.up, config->hidden, config->width, "ff.1"},
        {&weights->mlp.down, config->width, config->hidden, "ff.3"},
    };
    for (size_t i = 0; i < sizeof linears / sizeof linears[0]; i++) {
        snprintf(full, sizeof full, "%s.%s", name, linears[i].name);
        pc_linear_declare(scope, linears[i].weights, linears[i].out, linears[i].in, false, 1, full);
    }
    snprintf(full, sizeof full, "%s.attn.norm", name);
    pc_norm_declare(scope, &weights->attention_norm, config->width, true, full);
    snprintf(full, sizeof full, "%s.ff.0", name);
    pc_norm_declare(scope, &weights->mlp_norm, config->width, true, full);
    weights->attention_gate = pc_declare(scope, PC_ZEROS, pc_dims(1, 1), "%s.attn_gate", name);
    weights->mlp_gate = pc_declare(scope, PC_ZEROS, pc_dims(1, 1), "%s.ff_gate", name);
}

/* Keys (part 0) or values (part 1) of kv [S,2,HE] as heads [S,H,E]. */
static pc_tensor *part_of(const pc_build *build, const pc_gated_config *config, pc_tensor *kv, int64_t part)
{
    pc_tensor *rows = pc_slice(build->graph, kv, part, part + 1); /* [S,1,HE] */
    return pc_reshape(build->graph, rows, pc_dims(3, 0, config->heads, config->head_size));
}

/* x + tanh(gate) y */
static pc_tensor *add_gated(const pc_build *build, pc_tensor *x, pc_tensor *y, pc_param *gate)
{
    pc_tensor *openness = pc_activate(build->graph, pc_use(build, gate), PC_ACT_TANH); /* [1] */
    return pc_add(build->graph, x, pc_scale_by(build->graph, y, openness));
}

pc_tensor *pc_gated_block_forward(const pc_build *build, const pc_gated_block_weights *weights,
                                  const pc_gated_config *config, pc_tensor *x, const pc_bridge_input *in, int64_t block)
{
    pc_graph *graph = build->graph;
    int64_t rows = config->heads * config->head_size;
    if (in->media) { /* without pictures attention adds nothing */
        pc_tensor *h = pc_norm_forward(build, &weights->attention_norm, x, config->eps); /* [T,D] */
        pc_tensor *q = pc_linear_forward(build, &weights->q, h, NULL);
        q = pc_reshape(graph, q, pc_dims(3, -1, config->heads, config->head_size)); /* [T,H,E] */
        pc_tensor *kv = pc_reshape(graph, pc_linear_forward(build, &weights->kv, in->media, NULL), pc_dims(3, -1, 2, rows));
        pc_tensor *k = part_of(build, config, kv, 0), *v = part_of(build, config, kv, 1); /* [S,H,E] */
        pc_tensor *mixed = pc_bridge_attend(build, in, block, q, k, v, 1 / sqrt((double)config->head_size));
        mixed = pc_reshape(graph, mixed, pc_dims(2, -1, rows));
        x = add_gated(build, x, pc_linear_forward(build, &weights->o, mixed, NULL), weights->attention_gate);
    }
    pc_tensor *h = pc_norm_forward(build, &weights->mlp_norm, x, config->eps);
    h = pc_mlp_forward(build, &weights->mlp, h, PC_ACT_GELU, NULL);
    return add_gated(build, x, h, weights->mlp_gate); /* [T,D] */
}

void pc_media_ranges(pc_attention_range *ranges, const int32_t *image_of, int64_t rows, int64_t queries)
{
    for (int64_t t = 0; t < rows; t++) {
        int32_t end = image_of[t] > 0 ? image_of[t] * (int32_t)queries : 0;
        ranges[t] = (pc_attention_range){.begin = end ? end - (int32_t)queries : 0, .end = end};
    }
}

/* --- the bridge --- */

typedef struct bridge_config {
    int64_t cross_attn_every_n_layers, heads, head_size, ff_mult;
} bridge_config;

#define FIELD(key, def, lo, hi, text) \
    {.name = #key, .type = PC_FIELD_INT, .offset = offsetof(bridge_config, key), .fallback = def, .low = lo, .high = hi, .help = text}

static const pc_field fields[] = {
    FIELD(cross_attn_every_n_layers, "1", 1, 1 << 10, "a block stands before every n-th layer"),
    FIELD(heads, "8", 1, 1024, "attention heads"),
    FIELD(head_size, "64", 1, 4096, "features of a head"),
    FIELD(ff_mult, "4", 1, 64, "width of the MLP, in widths of the language model"),
};

typedef struct bridge_weights {
    pc_gated_block_weights blocks[PC_BRIDGE_MAX_BLOCKS];
} bridge_weights;

static const double EPS = 1e-5;

static pc_gated_config settings(const void *any, const pc_bridge_dims *dims)
{
    const bridge_config *config = any;
    return (pc_gated_config){
        .width = dims->width,
        .media_width = dims->media,
        .heads = config->heads,
        .head_size = config->head_size,
        .hidden = config->ff_mult * dims->width,
        .every = config->cross_attn_every_n_layers,
        .eps = EPS,
    };
}

static pc_status check(const void *any, const pc_bridge_dims *dims, const char *where)
{
    const pc_gated_config config = settings(any, dims);
    int64_t blocks = pc_gated_blocks(&config, dims->layers);
    return blocks < 1 || blocks > PC_BRIDGE_MAX_BLOCKS
               ? pc_fail(PC_ERR_DATA, "%s: a block before every %lld of %lld layers: expected 1 to %d blocks", where,
                         (long long)config.every, (long long)dims->layers, PC_BRIDGE_MAX_BLOCKS)
               : PC_OK;
}

static void declare(pc_scope *scope, const void *any, const pc_bridge_dims *dims, void *any_weights)
{
    const pc_gated_config config = settings(any, dims);
    bridge_weights *weights = any_weights;
    char name[64];
    for (int64_t i = 0; i < pc_gated_blocks(&config, dims->layers); i++) {
        snprintf(name, sizeof name, "gated_cross_attn_layers.%d", (int)((i + 1) * config.every - 1));
        pc_gated_block_declare(scope, &weights->blocks[i], &config, name);
    }
}

static pc_tensor *before_layer(void *user, const pc_build *build, int layer, pc_tensor *hidden)
{
    const pc_bridge *bridge = user;
    const pc_gated_config config = settings(bridge->config, &bridge->dims);
    const bridge_weights *weights = bridge->weights;
    int64_t block = (layer + 1) / config.every - 1;
    /* The call after the last layer may be a multiple, too; no block is left for it. */
    if (block < 0 || (layer + 1) % config.every || layer >= bridge->dims.layers) {
        return hidden;
    }
    return pc_gated_block_forward(build, &weights->blocks[block], &config, hidden, &bridge->in, block);
}

static pc_hook hook(const pc_bridge *bridge)
{
    return (pc_hook){.user = (void *)bridge, .before_layer = before_layer};
}

static void memory(const void *any, const pc_bridge_dims *dims, int64_t *blocks, int64_t *heads, int64_t *head_size)
{
    const pc_gated_config config = settings(any, dims);
    *blocks = pc_gated_blocks(&config, dims->layers);
    *heads = config.heads;
    *head_size = config.head_size;
}

const pc_bridge_type pc_bridge_gated_cross_attention = {
    .name = "gated_cross_attention",
    .apart = true,
    .fields = {fields, sizeof fields / sizeof fields[0]},
    .config_size = sizeof(bridge_config),
    .weights_size = sizeof(bridge_weights),
    .check = check,
    .declare = declare,
    .hook = hook,
    .memory = memory,
};
