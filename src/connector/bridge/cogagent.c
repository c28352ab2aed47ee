/* CogAgent's high-resolution cross-module over CogVLM's visual expert: between attention and MLP of every layer all rows read the
 * features of the picture in detail, by heads that are smaller than the language model's.
 *
 *   x += dense(attention(query(RMS x), key(media), value(media)))      H heads of C / H features, C = cross_compute_hidden_size
 *
 * Source: Hong et al. 2023 (arXiv:2312.08914), section 2.2; modeling_cogagent.py of cogagent-chat-hf (names).
 * Easy to get wrong: the norm before it is called post_cross_attention_layernorm, and post_attention_layernorm still stands before the
 * MLP; one matrix makes keys and values, keys first; no rotary positions, no gate; rows before the picture read it, too.
 */
#include "connector/bridge/visual_expert.h"

#include "ops/add.h"
#include "ops/rows.h"

#include <math.h>
#include <stdio.h>

typedef struct cross_config {
    int64_t cross_compute_hidden_size;
    double rms_norm_eps;
} cross_config;

static const pc_field fields[] = {
    {.name = "cross_compute_hidden_size", .type = PC_FIELD_INT, .offset = offsetof(cross_config, cross_compute_hidden_size),
     .fallback = "1024", .low = 1, .high = 65536, .help = "features of all heads of the cross-attention"},
    {.name = "rms_norm_eps", .type = PC_FIELD_FLOAT, .offset = offsetof(cross_config, rms_norm_eps), .fallback = "1e-6", .low = 0,
     .high = 1, .help = "epsilon of the norms"},
};

typedef struct cross_block {
    pc_norm_weights norm;
    pc_linear_weights q, kv, o; /* [C,D], [2C,M], [D,C] */
} cross_block;

typedef struct cross_weights {
    pc_expert_weights experts; /* first: pc_expert_project */
    cross_block blocks[PC_BRIDGE_MAX_BLOCKS];
} cross_weights;

static pc_status check(const void *any, const pc_bridge_dims *dims, const char *where)
{
    const cross_config *config = any;
    PC_TRY(pc_expert_check(dims, "cogagent", where));
    return config->cross_compute_hidden_size % dims->heads
               ? pc_fail(PC_ERR_DATA, "%s: cross_compute_hidden_size %lld is not a multiple of the %lld heads", where,
                         (long long)config->cross_compute_hidden_size, (long long)dims->heads)
               : PC_OK;
}

static void declare(pc_scope *scope, const void *any, const pc_bridge_dims *dims, void *any_weights)
{
    int64_t features = ((const cross_config *)any)->cross_compute_hidden_size;
    cross_weights *weights = any_weights;
    char name[96];
    pc_expert_declare(scope, dims, &weights->experts);
    for (int i = 0; i < (int)dims->layers; i++) {
        cross_block *block = &weights->blocks[i];
        const struct {
            pc_linear_weights *weights;
            int64_t out, in;
            const char *name;
        } linears[] = {
            {&block->q, features, dims->width, "query"},
            {&block->kv, 2 * features, dims->media, "key_value"},
            {&block->o, dims->width, features, "dense"},
        };
        for (size_t l = 0; l < sizeof linears / sizeof linears[0]; l++) {
            snprintf(name, sizeof name, "layers.%d.cross_attn.%s", i, linears[l].name);
            pc_linear_declare(scope, linears[l].weights, linears[l].out, linears[l].in, false, 1, name);
        }
        snprintf(name, sizeof name, "layers.%d.post_cross_attention_layernorm", i);
        pc_norm_declare(scope, &block->norm, dims->width, false, name);
    }
}

/* Keys (part 0) or values (part 1) of kv [S,2,C] as heads [S,H,C/H]. */
static pc_tensor *part_of(const pc_build *build, pc_tensor *kv, int64_t part, int64_t heads)
{
    pc_tensor *rows = pc_slice(build->graph, kv, part, part + 1); /* [S,1,C] */
    return pc_reshape(build->graph, rows, pc_dims(3, -1, heads, pc_shape_last(&kv->max) / heads));
}

static pc_tensor *after_attention(void *user, const pc_build *build, int layer, pc_tensor *x)
{
    const pc_bridge *bridge = user;
    const cross_config *config = bridge->config;
    const cross_block *block = &((const cross_weights *)bridge->weights)->blocks[layer];
    int64_t features = config->cross_compute_hidden_size, heads = bridge->dims.heads;
    pc_graph *graph = build->graph;
    if (!bridge->in.media) { /* without pictures attention adds nothing */
        return x;
    }
    pc_tensor *q = pc_linear_forward(build, &block->q, pc_norm_forward(build, &block->norm, x, config->rms_norm_eps), NULL);
    pc_tensor *kv = pc_reshape(graph, pc_linear_forward(build, &block->kv, bridge->in.media, NULL), pc_dims(3, -1, 2, features));
    q = pc_reshape(graph, q, pc_dims(3, -1, heads, features / heads)); /* [T,H,C/H] */
    pc_tensor *mixed = pc_bridge_attend(build, &bridge->in, layer, q, part_of(build, kv, 0, heads), part_of(build, kv, 1, heads),
                                        1 / sqrt((double)(features / heads)));
    return pc_linear_forward(build, &block->o, pc_reshape(graph, mixed, pc_dims(2, -1, features)), x); /* [T,D] */
}

static pc_hook hook(const pc_bridge *bridge)
{
    return (pc_hook){.user = (void *)bridge, .after_attention = after_attention, .project = pc_expert_project};
}

static void memory(const void *any, const pc_bridge_dims *dims, int64_t *blocks, int64_t *heads, int64_t *head_size)
{
    *blocks = dims->layers;
    *heads = dims->heads;
    *head_size = ((const cross_config *)any)->cross_compute_hidden_size / dims->heads;
}

const pc_bridge_type pc_bridge_cogagent = {
    .name = "cogagent",
    .detail = true,
    .fields = {fields, sizeof fields / sizeof fields[0]},
    .config_size = sizeof(cross_config),
    .weights_size = sizeof(cross_weights),
    .check = check,
    .declare = declare,
    .hook = hook,
    .memory = memory,
};
