/* The vision tower of SigLIP.
 *
 *   pixels [N,3,Y,X] -> patches [N,P,3pp] -> x W^T + b [N,P,D] -> + positions -> L x block -> hidden state
 *   pooled: post norm -> one learned query attends to all P (the "MAP head") -> a -> a + MLP(LN(a)) [N,D]
 *
 * Source: Zhai et al. 2023 (arXiv:2303.15343); Zhai et al. 2022 (arXiv:2106.04560) for the head; transformers models/siglip.
 * Easy to get wrong: the patch product has a bias, there is no class token and no norm before the blocks; a side that is no
 * multiple of the patch (384 and 14) leaves a margin out; LLaVA's "default" choice of features drops the first token, which
 * is a patch here; q, k and v of the head lie in one matrix.
 */
#include "encoder/encoder.h"
#include "encoder/transformer.h"
#include "ops/add.h"
#include "ops/attention.h"
#include "ops/matmul.h"
#include "ops/patches.h"
#include "ops/rows.h"

#include <math.h>
#include <stdio.h>

typedef struct siglip_config {
    pc_vit_config vit;
    bool vision_use_head;
} siglip_config;

static const pc_field fields[] = {
    PC_VIT_FIELDS(siglip_config, "768", "3072", "12", "12", "16", "gelu_pytorch_tanh", "1e-6"),
    PC_VIT_CHANNELS(siglip_config),
    {.name = "vision_use_head", .type = PC_FIELD_BOOL, .offset = offsetof(siglip_config, vision_use_head), .fallback = "true",
     .help = "the pooling head is there"},
};

typedef struct siglip_head {
    pc_param *probe;               /* [1,1,D] */
    pc_linear_weights qkv, out;    /* [3D,D], [D,D] */
    pc_norm_weights norm;
    pc_mlp_weights mlp;
} siglip_head;

typedef struct siglip_weights {
    pc_linear_weights patch_embedding; /* [D,3,p,p], [D] */
    pc_param *positions;               /* [P,D] */
    pc_norm_weights post_norm;
    siglip_head head;
    pc_block_weights blocks[PC_VIT_MAX_LAYERS];
} siglip_weights;

static pc_status check(const void *config, const char *where)
{
    return pc_vit_check(&((const siglip_config *)config)->vit, false, where);
}

static void info(const void *config, pc_encoder_info *out)
{
    pc_vit_info(&((const siglip_config *)config)->vit, 0, out);
}

static void declare_head(pc_scope *scope, const siglip_config *config, siglip_head *head)
{
    int64_t width = config->vit.hidden_size, hidden = config->vit.intermediate_size;
    pc_init init = PC_NORMAL(pc_scope_std(scope, width));
    head->probe = pc_declare(scope, init, pc_dims(3, 1, 1, width), "head.probe");
    if (scope->status == PC_OK) {
        head->probe->any_type = false;
    }
    head->qkv.weight = pc_declare(scope, init, pc_dims(2, 3 * width, width), "head.attention.in_proj_weight");
    head->qkv.bias = pc_declare(scope, PC_ZEROS, pc_dims(1, 3 * width), "head.attention.in_proj_bias");
    pc_linear_declare(scope, &head->out, width, width, true, 1, "head.attention.out_proj");
    pc_norm_declare(scope, &head->norm, width, true, "head.layernorm");
    pc_linear_declare(scope, &head->mlp.up, hidden, width, true, 1, "head.mlp.fc1");
    pc_linear_declare(scope, &head->mlp.down, width, hidden, true, 1, "head.mlp.fc2");
}

static void declare(pc_scope *scope, const void *any, void *any_weights)
{
    const siglip_config *config = any;
    siglip_weights *weights = any_weights;
    int64_t width = config->vit.hidden_size, patch = config->vit.patch_size, side = config->vit.image_size / patch;
    weights->patch_embedding.weight = pc_declare(scope, PC_NORMAL(pc_scope_std(scope, 3 * patch * patch)),
                                                 pc_dims(4, width, 3, patch, patch), "embeddings.patch_embedding.weight");
    weights->patch_embedding.bias = pc_declare(scope, PC_ZEROS, pc_dims(1, width), "embeddings.patch_embedding.bias");
    weights->positions = pc_declare(scope, PC_NORMAL(pc_scope_std(scope, width)), pc_dims(2, side * side, width),
                                    "embeddings.position_embedding.weight");
    if (scope->status == PC_OK) {
        weights->positions->any_type = false;
    }
    pc_block_config block = pc_vit_blocks(&config->vit);
    for (int64_t i = 0; i < config->vit.num_hidden_layers; i++) {
        char name[64];
        snprintf(name, sizeof name, "encoder.layers.%d", (int)i);
        pc_block_declare(scope, &weights->blocks[i], &block, name);
    }
    pc_norm_declare(scope, &weights->post_norm, width, true, "post_layernorm");
    if (config->vision_use_head) {
        declare_head(scope, config, &weights->head);
    }
}

/* The chosen hidden states: [N,P,S*D]. */
static pc_tensor *hidden_states(const pc_build *build, const siglip_config *config, const siglip_weights *weights,
                                pc_tensor *images, const pc_encoder_select *select)
{
    int64_t patch = config->vit.patch_size, side = config->vit.image_size / patch;
    pc_block_config block = pc_vit_blocks(&config->vit);
    pc_tensor *x = pc_patches(build->graph, images, patch);            /* [N,P,3pp] */
    x = pc_linear_forward(build, &weights->patch_embedding, x, NULL);  /* [N,P,D] */
    x = pc_add(build->graph, x, pc_positions_for(build, weights->positions, images, patch, side, 0));
    return pc_blocks_forward(build, weights->blocks, &block, &weights->post_norm, x, select);
}

static pc_tensor *forward(const pc_build *build, const void *any, const void *weights, pc_tensor *images,
                          pc_encoder_select select)
{
    pc_tensor *x = hidden_states(build, any, weights, images, &select);
    return select.keep_class_token ? x : pc_slice(build->graph, x, 1, 0); /* as transformers: the first one goes */
}

/* One of the three matrices of a packed product: y [..,3D] -> [..,H,E]. */
static pc_tensor *third(const pc_build *build, const siglip_config *config, pc_tensor *y, int64_t which)
{
    pc_tensor *part = pc_reshape(build->graph, y, pc_dims(3, -1, 3, config->vit.hidden_size));
    part = pc_slice(build->graph, part, which, which + 1); /* [..,1,D] */
    int64_t heads = config->vit.num_attention_heads;
    return pc_reshape(build->graph, part, pc_dims(3, -1, heads, config->vit.hidden_size / heads));
}

static pc_tensor *pool(const pc_build *build, const void *any, const void *any_weights, pc_tensor *images)
{
    const siglip_config *config = any;
    const siglip_weights *weights = any_weights;
    const siglip_head *head = &weights->head;
    pc_graph *graph = build->graph;
    int64_t width = config->vit.hidden_size;
    const pc_encoder_select last = {.layer = {config->vit.num_hidden_layers}, .count = 1};
    pc_tensor *x = hidden_states(build, config, weights, images, &last);
    x = pc_norm_forward(build, &weights->post_norm, x, config->vit.layer_norm_eps); /* [N,P,D] */
    pc_tensor *kv = pc_linear_forward(build, &head->qkv, x, NULL);              /* [N,P,3D] */
    pc_tensor *probe = pc_reshape(graph, pc_use(build, head->probe), pc_dims(2, 1, width));
    probe = pc_slice(graph, pc_prepend(graph, x, probe), 0, 1);                 /* [N,1,D]: the query of each picture */
    pc_tensor *q = pc_linear_forward(build, &head->qkv, probe, NULL);           /* [N,1,3D] */
    pc_tensor *ranges = pc_reshape(graph, pc_group_ranges(graph, x), pc_dims(3, -1, x->max.dim[1], 4));
    ranges = pc_reshape(graph, pc_slice(graph, ranges, 0, 1), pc_dims(2, -1, 4)); /* [N,4] */
    double scale = 1 / sqrt((double)width / (double)config->vit.num_attention_heads);
    x = pc_attention(graph, third(build, config, q, 0), third(build, config, kv, 1), third(build, config, kv, 2), ranges,
                     NULL, scale);                                              /* [N,H,E] */
    x = pc_linear_forward(build, &head->out, pc_reshape(graph, x, pc_dims(2, -1, width)), NULL); /* [N,D] */
    pc_tensor *h = pc_norm_forward(build, &head->norm, x, config->vit.layer_norm_eps);
    return pc_mlp_forward(build, &head->mlp, h, pc_vit_blocks(&config->vit).activation, x);
}

const pc_encoder_type pc_encoder_siglip_vision = {
    .model_type = "siglip_vision_model",
    .processor = "SiglipImageProcessor",
    .fields = {fields, sizeof fields / sizeof fields[0]},
    .config_size = sizeof(siglip_config),
    .weights_size = sizeof(siglip_weights),
    .merges = true,
    .check = check,
    .info = info,
    .declare = declare,
    .forward = forward,
    .pool = pool,
};
