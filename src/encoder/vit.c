/* Vision transformers that differ in names and in where norms and biases stand: the plain one (ViT, DINO), EVA-CLIP's as BLIP-2
 * has it (ViT-g/14), mPLUG-Owl's CLIP, EVA2-CLIP-E in CogVLM, OpenCLIP's ViT-bigG in Qwen-VL. One family each.
 *
 *   pixels [N,3,Y,X] -> patches x W^T (+ b) [N,P,D] -> class token before it -> + positions (-> pre-LN) -> L x block -> post-LN
 *
 * Source: Dosovitskiy et al. 2021 (arXiv:2010.11929); Caron et al. 2021 (arXiv:2104.14294) for DINO; Fang et al. 2022
 * (arXiv:2211.07636); Li et al. 2023 (arXiv:2301.12597); Ye et al. 2023 (arXiv:2304.14178); transformers models/vit and
 * models/blip_2, modeling_mplug_owl.py (names).
 * Easy to get wrong: EVA and ViT have no norm before the blocks, their patch product a bias, mPLUG-Owl the other way round; the
 * matrix of q, k and v holds all queries first in EVA (the bias has zeros for the keys), but head by head in mPLUG-Owl; class
 * token and positions have a leading dim of 1 in the file; CogVLM's norms stand behind attention and MLP, inside the residual;
 * Qwen-VL's tower has no class token, head by head as mPLUG-Owl, and positions of a 16 x 16 grid for any size; the features of
 * EVA are the last state behind the post norm, class token included; ViT's epsilon is 1e-12 unless the file says another.
 */
#include "encoder/encoder.h"
#include "encoder/transformer.h"
#include "ops/add.h"
#include "ops/patches.h"
#include "ops/rows.h"

#include <stdio.h>

typedef struct tower_config {
    pc_vit_config vit;
    bool qkv_bias;
} tower_config;

#define QKV_BIAS \
    {.name = "qkv_bias", .type = PC_FIELD_BOOL, .offset = offsetof(tower_config, qkv_bias), .fallback = "true", \
     .help = "queries, keys and values have biases (EVA: queries and values)"}

static const pc_field plain_fields[] = {
    PC_VIT_FIELDS(tower_config, "768", "3072", "12", "12", "16", "gelu", "1e-12"),
    PC_VIT_CHANNELS(tower_config),
    QKV_BIAS,
};

static const pc_field fields[] = {
    PC_VIT_FIELDS(tower_config, "1408", "6144", "39", "16", "14", "gelu", "1e-6"),
    QKV_BIAS,
};

typedef struct tower_weights {
    pc_param *class_embedding; /* [1,1,D] */
    pc_param *positions;       /* [1,P+1,D] */
    pc_linear_weights patch_embedding; /* [D,3,p,p]; the bias may be NULL */
    pc_norm_weights pre_norm, post_norm; /* pre_norm NULL when the family has none */
    pc_block_weights blocks[PC_VIT_MAX_LAYERS];
} tower_weights;

/* What families write differently. */
typedef struct tower_family {
    const char *class_token; /* NULL: there is none */
    const char *patches, *positions;
    const char *pre_norm, *post_norm; /* NULL: none */
    const char *layers;               /* "<layers>.3." */
    bool patch_bias, flat; /* flat: class token and positions have two dims in the file */
    bool norms_behind;     /* pc_block_config.post_norm */
    pc_qkv_layout layout;
    pc_block_names block;
} tower_family;

static const tower_family eva = {
    .class_token = "embeddings.class_embedding", .patches = "embeddings.patch_embedding",
    .positions = "embeddings.position_embedding", .patch_bias = true, .layout = PC_QKV_PARTS,
    .layers = "encoder.layers", .post_norm = "post_layernorm",
    .block = {.norm1 = "layer_norm1", .norm2 = "layer_norm2", .qkv = "self_attn.qkv", .o = "self_attn.projection",
              .up = "mlp.fc1", .down = "mlp.fc2"},
};

static const tower_family owl = {
    .class_token = "embeddings.cls_token", .patches = "embeddings.patch_embed",
    .positions = "embeddings.position_embedding", .pre_norm = "embeddings.pre_layernorm", .layout = PC_QKV_HEADS,
    .layers = "encoder.layers", .post_norm = "post_layernorm",
    .block = {.norm1 = "input_layernorm", .norm2 = "post_attention_layernorm", .qkv = "self_attn.query_key_value",
              .o = "self_attn.dense", .up = "mlp.fc1", .down = "mlp.fc2"},
};

static const tower_family cogvlm = {
    .class_token = "patch_embedding.cls_embedding", .patches = "patch_embedding.proj",
    .positions = "patch_embedding.position_embedding.weight", .patch_bias = true, .flat = true, .norms_behind = true,
    .layout = PC_QKV_PARTS, .layers = "transformer.layers",
    .block = {.norm1 = "input_layernorm", .norm2 = "post_attention_layernorm", .qkv = "attention.query_key_value",
              .o = "attention.dense", .up = "mlp.fc1", .down = "mlp.fc2"},
};

static const tower_family qwen_vl = {
    .patches = "conv1", .positions = "positional_embedding", .pre_norm = "ln_pre", .flat = true, .layout = PC_QKV_HEADS,
    .layers = "transformer.resblocks",
    .block = {.norm1 = "ln_1", .norm2 = "ln_2", .qkv = "attn.in_proj", .o = "attn.out_proj", .up = "mlp.c_fc", .down = "mlp.c_proj"},
};

static const tower_family plain = {
    .class_token = "embeddings.cls_token", .patches = "embeddings.patch_embeddings.projection",
    .positions = "embeddings.position_embeddings", .patch_bias = true, .layout = PC_QKV_APART,
    .layers = "encoder.layer", .post_norm = "layernorm",
    .block = {.norm1 = "layernorm_before", .norm2 = "layernorm_after", .q = "attention.attention.query",
              .k = "attention.attention.key", .v = "attention.attention.value", .o = "attention.output.dense",
              .up = "intermediate.dense", .down = "output.dense"},
};

static pc_block_config block_config(const tower_config *config, const tower_family *family)
{
    pc_block_config block = pc_vit_blocks(&config->vit);
    block.layout = family->layout;
    block.plain_qkv = !config->qkv_bias;
    block.post_norm = family->norms_behind;
    block.names = &family->block;
    return block;
}

static pc_status check(const void *config, const char *where)
{
    return pc_vit_check(&((const tower_config *)config)->vit, true, where);
}

static void info_without_class(const void *config, pc_encoder_info *out)
{
    pc_vit_info(&((const tower_config *)config)->vit, 0, out);
}

static void info(const void *config, pc_encoder_info *out)
{
    pc_vit_info(&((const tower_config *)config)->vit, 1, out);
}

static void declare_tower(pc_scope *scope, const tower_config *config, const tower_family *family, tower_weights *weights)
{
    int64_t width = config->vit.hidden_size, patch = config->vit.patch_size, side = config->vit.image_size / patch;
    pc_init init = PC_NORMAL(pc_scope_std(scope, width));
    pc_block_config block = block_config(config, family);
    int64_t positions = side * side + (family->class_token ? 1 : 0);
    if (family->class_token) {
        pc_shape one = family->flat ? pc_dims(2, 1, width) : pc_dims(3, 1, 1, width);
        weights->class_embedding = pc_declare(scope, init, one, "%s", family->class_token);
    }
    weights->patch_embedding.weight = pc_declare(scope, PC_NORMAL(pc_scope_std(scope, 3 * patch * patch)),
                                                 pc_dims(4, width, 3, patch, patch), "%s.weight", family->patches);
    if (family->patch_bias) {
        weights->patch_embedding.bias = pc_declare(scope, PC_ZEROS, pc_dims(1, width), "%s.bias", family->patches);
    }
    pc_shape table = family->flat ? pc_dims(2, positions, width) : pc_dims(3, 1, positions, width);
    weights->positions = pc_declare(scope, init, table, "%s", family->positions);
    if (scope->status == PC_OK) {
        weights->positions->any_type = false;
        if (weights->class_embedding) {
            weights->class_embedding->any_type = false;
        }
    }
    if (family->pre_norm) {
        pc_norm_declare(scope, &weights->pre_norm, width, true, family->pre_norm);
    }
    for (int64_t i = 0; i < config->vit.num_hidden_layers; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s.%d", family->layers, (int)i);
        pc_block_declare(scope, &weights->blocks[i], &block, name);
    }
    if (family->post_norm) {
        pc_norm_declare(scope, &weights->post_norm, width, true, family->post_norm);
    }
}

/* The chosen hidden states, class token included: [N,P+1,S*D]. */
static pc_tensor *hidden_states(const pc_build *build, const tower_config *config, const tower_family *family,
                                const tower_weights *weights, pc_tensor *images, const pc_encoder_select *select)
{
    pc_graph *graph = build->graph;
    int64_t patch = config->vit.patch_size, side = config->vit.image_size / patch;
    pc_block_config block = block_config(config, family);
    pc_tensor *x = pc_patches(graph, images, patch);                  /* [N,P,3pp] */
    x = pc_linear_forward(build, &weights->patch_embedding, x, NULL); /* [N,P,D] */
    int64_t prefix = weights->class_embedding ? 1 : 0;
    if (prefix) {
        x = pc_prepend(graph, x, pc_reshape(graph, pc_use(build, weights->class_embedding), pc_dims(1, config->vit.hidden_size)));
    }
    x = pc_add(graph, x, pc_positions_for(build, weights->positions, images, patch, side, prefix)); /* [N,P+1,D] */
    x = weights->pre_norm.weight ? pc_norm_forward(build, &weights->pre_norm, x, config->vit.layer_norm_eps) : x;
    return pc_blocks_forward(build, weights->blocks, &block, family->post_norm ? &weights->post_norm : NULL, x, select);
}

static pc_tensor *tower_forward(const pc_build *build, const tower_config *config, const tower_family *family,
                                const tower_weights *weights, pc_tensor *images, const pc_encoder_select *select)
{
    pc_tensor *x = hidden_states(build, config, family, weights, images, select);
    return select->keep_class_token ? x : pc_slice(build->graph, x, 1, 0); /* [N,P,S*D] */
}

static void declare_plain(pc_scope *scope, const void *config, void *weights)
{
    declare_tower(scope, config, &plain, weights);
}

static pc_tensor *plain_forward(const pc_build *build, const void *config, const void *weights, pc_tensor *images,
                                pc_encoder_select select)
{
    return tower_forward(build, config, &plain, weights, images, &select);
}

/* The class token behind the last norm: [N,D]. */
static pc_tensor *plain_pool(const pc_build *build, const void *any, const void *weights, pc_tensor *images)
{
    const tower_config *config = any;
    const pc_encoder_select last = {.layer = {config->vit.num_hidden_layers}, .count = 1, .final_norm = true};
    pc_tensor *x = hidden_states(build, config, &plain, weights, images, &last);
    return pc_reshape(build->graph, pc_slice(build->graph, x, 0, 1), pc_dims(2, -1, config->vit.hidden_size));
}

static void declare_eva(pc_scope *scope, const void *config, void *weights)
{
    declare_tower(scope, config, &eva, weights);
}

static pc_tensor *eva_forward(const pc_build *build, const void *config, const void *weights, pc_tensor *images,
                              pc_encoder_select select)
{
    return tower_forward(build, config, &eva, weights, images, &select);
}

static void declare_owl(pc_scope *scope, const void *config, void *weights)
{
    declare_tower(scope, config, &owl, weights);
}

static pc_tensor *owl_forward(const pc_build *build, const void *config, const void *weights, pc_tensor *images,
                              pc_encoder_select select)
{
    return tower_forward(build, config, &owl, weights, images, &select);
}

static void declare_cogvlm(pc_scope *scope, const void *config, void *weights)
{
    declare_tower(scope, config, &cogvlm, weights);
}

static pc_tensor *cogvlm_forward(const pc_build *build, const void *config, const void *weights, pc_tensor *images,
                                 pc_encoder_select select)
{
    return tower_forward(build, config, &cogvlm, weights, images, &select);
}

static void declare_qwen_vl(pc_scope *scope, const void *config, void *weights)
{
    declare_tower(scope, config, &qwen_vl, weights);
}

static pc_tensor *qwen_vl_forward(const pc_build *build, const void *config, const void *weights, pc_tensor *images,
                                  pc_encoder_select select)
{
    return tower_forward(build, config, &qwen_vl, weights, images, &select);
}

#define FAMILY(symbol, type_name, has_class, info_name, declare_name, forward_name) \
    const pc_encoder_type pc_encoder_##symbol = {                            \
        .model_type = type_name,                                             \
        .processor = "BlipImageProcessor",                                   \
        .class_token = has_class,                                            \
        .merges = true,                                                      \
        .fields = {fields, sizeof fields / sizeof fields[0]},                \
        .config_size = sizeof(tower_config),                                 \
        .weights_size = sizeof(tower_weights),                               \
        .check = check,                                                      \
        .info = info_name,                                                   \
        .declare = declare_name,                                             \
        .forward = forward_name,                                             \
    }

FAMILY(eva_vision, "blip_2_vision_model", true, info, declare_eva, eva_forward);
FAMILY(instruct_vision, "instructblip_vision_model", true, info, declare_eva, eva_forward);
FAMILY(mplug_owl_vision, "mplug_owl_vision_model", true, info, declare_owl, owl_forward);
FAMILY(cogvlm_vision, "cogvlm_vision", true, info, declare_cogvlm, cogvlm_forward);
FAMILY(qwen_vl_vision, "qwen_vl_vision", false, info_without_class, declare_qwen_vl, qwen_vl_forward);

const pc_encoder_type pc_encoder_vit = {
    .model_type = "vit",
    .processor = "ViTImageProcessor",
    .class_token = true,
    .fields = {plain_fields, sizeof plain_fields / sizeof plain_fields[0]},
    .config_size = sizeof(tower_config),
    .weights_size = sizeof(tower_weights),
    .merges = true,
    .check = check,
    .info = info,
    .declare = declare_plain,
    .forward = plain_forward,
    .pool = plain_pool,
};
