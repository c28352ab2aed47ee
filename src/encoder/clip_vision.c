/* The vision tower of CLIP.
 *
 *   pixels [N,3,Y,X] -> patches [N,P,3pp] -> x W^T [N,P,D] -> class token before it [N,P+1,D] -> + positions
 *   -> pre-LN -> L x block -> hidden state of the wanted layer -> without class token [N,P,D]
 *
 * Source: Radford et al. 2021 (arXiv:2103.00020); transformers models/clip/modeling_clip.py.
 * Easy to get wrong: the patch product has no bias; the norm before the blocks is spelt "pre_layrnorm" in checkpoints;
 * hidden state 0 is the output of that norm; LLaVA's features have no post norm; "gelu" is by erf, OpenAI's weights use
 * quick_gelu.
 */
#include "encoder/encoder.h"
#include "encoder/transformer.h"
#include "ops/add.h"
#include "ops/attention.h"
#include "ops/matmul.h"
#include "ops/patches.h"
#include "ops/rows.h"

#include <stdio.h>

typedef struct clip_config {
    pc_vit_config vit;
    double position_grid;
} clip_config;

static const pc_field fields[] = {
    PC_VIT_FIELDS(clip_config, "768", "3072", "12", "12", "32", "quick_gelu", "1e-5"),
    PC_VIT_CHANNELS(clip_config),
    {.name = "position_grid", .type = PC_FIELD_FLOAT, .offset = offsetof(clip_config, position_grid), .fallback = "0", .high = 100,
     .help = "new models: positions start as 2-D sines and cosines of this amplitude; 0 = at random"},
};

typedef struct clip_weights {
    pc_param *class_embedding; /* [D] */
    pc_param *patch_embedding; /* [D,3,p,p] */
    pc_param *positions;       /* [P+1,D] */
    pc_norm_weights pre_norm, post_norm;
    pc_block_weights blocks[PC_VIT_MAX_LAYERS];
} clip_weights;

static pc_status check(const void *config, const char *where)
{
    return pc_vit_check(&((const clip_config *)config)->vit, true, where);
}

static void info(const void *config, pc_encoder_info *out)
{
    pc_vit_info(&((const clip_config *)config)->vit, 1, out);
}

static void declare(pc_scope *scope, const void *any, void *any_weights)
{
    const clip_config *config = any;
    clip_weights *weights = any_weights;
    int64_t width = config->vit.hidden_size, patch = config->vit.patch_size, side = config->vit.image_size / patch;
    double std = pc_scope_std(scope, width);
    pc_init positions = config->position_grid > 0 ? (pc_init){PC_INIT_GRID, config->position_grid} : PC_NORMAL(std);
    weights->class_embedding = pc_declare(scope, PC_NORMAL(std), pc_dims(1, width), "embeddings.class_embedding");
    weights->patch_embedding = pc_declare(scope, PC_NORMAL(pc_scope_std(scope, 3 * patch * patch)),
                                          pc_dims(4, width, 3, patch, patch),
                                          "embeddings.patch_embedding.weight");
    weights->positions = pc_declare(scope, positions, pc_dims(2, side * side + 1, width),
                                    "embeddings.position_embedding.weight");
    if (scope->status == PC_OK) {
        weights->class_embedding->decays = true; /* as Hugging Face's trainer: all but norms and biases */
        weights->positions->any_type = false;
    }
    pc_norm_declare(scope, &weights->pre_norm, width, true, "pre_layrnorm");
    pc_block_config block = pc_vit_blocks(&config->vit);
    for (int64_t i = 0; i < config->vit.num_hidden_layers; i++) {
        char name[64];
        snprintf(name, sizeof name, "encoder.layers.%d", (int)i);
        pc_block_declare(scope, &weights->blocks[i], &block, name);
    }
    pc_norm_declare(scope, &weights->post_norm, width, true, "post_layernorm");
}

/* The chosen hidden states: [N,P+1,S*D]. */
static pc_tensor *hidden_states(const pc_build *build, const clip_config *config, const clip_weights *weights,
                                pc_tensor *images, const pc_encoder_select *select)
{
    pc_graph *graph = build->graph;
    int64_t patch = config->vit.patch_size, side = config->vit.image_size / patch;
    pc_block_config block = pc_vit_blocks(&config->vit);
    pc_tensor *x = pc_patches(graph, images, patch); /* [N,P,3pp] */
    x = pc_linear(graph, x, pc_use(build, weights->patch_embedding), NULL, NULL, build->compute); /* [N,P,D] */
    x = pc_prepend(graph, x, pc_use(build, weights->class_embedding)); /* [N,P+1,D] */
    x = pc_add(graph, x, pc_positions_for(build, weights->positions, images, patch, side, 1));
    x = pc_norm_forward(build, &weights->pre_norm, x, config->vit.layer_norm_eps);
    return pc_blocks_forward(build, weights->blocks, &block, &weights->post_norm, x, select);
}

static pc_tensor *forward(const pc_build *build, const void *any, const void *weights, pc_tensor *images,
                          pc_encoder_select select)
{
    pc_tensor *x = hidden_states(build, any, weights, images, &select);
    return select.keep_class_token ? x : pc_slice(build->graph, x, 1, 0); /* [N,P,S*D] */
}

static pc_tensor *pool(const pc_build *build, const void *any, const void *any_weights, pc_tensor *images)
{
    const clip_config *config = any;
    const clip_weights *weights = any_weights;
    const pc_encoder_select last = {.layer = {config->vit.num_hidden_layers}, .count = 1};
    pc_tensor *x = hidden_states(build, config, weights, images, &last);
    x = pc_slice(build->graph, x, 0, 1);                                    /* [N,1,D] */
    x = pc_reshape(build->graph, x, pc_dims(2, -1, config->vit.hidden_size));  /* [N,D] */
    return pc_norm_forward(build, &weights->post_norm, x, config->vit.layer_norm_eps);
}

const pc_encoder_type pc_encoder_clip_vision = {
    .model_type = "clip_vision_model",
    .processor = "CLIPImageProcessor",
    .class_token = true,
    .fields = {fields, sizeof fields / sizeof fields[0]},
    .config_size = sizeof(clip_config),
    .weights_size = sizeof(clip_weights),
    .merges = true,
    .check = check,
    .info = info,
    .declare = declare,
    .forward = forward,
    .pool = pool,
};
