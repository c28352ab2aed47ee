/* Vision towers that keep queries, keys and values in one matrix: EVA-CLIP's as BLIP-2 has it (ViT-g/14), mPLUG-Owl's CLIP,
 * EVA2-CLIP-E in CogVLM, OpenCLIP's ViT-bigG in Qwen-VL.
 *
 *   pixels [N,3,Y,X] -> patches x W^T (+ b) [N,P,D] -> class token before it -> + positions (-> pre-LN) -> L x block -> post-LN
 *
 * Source: Fang et al. 2022 (arXiv:2211.07636); Li et al. 2023 (arXiv:2301.12597); Ye et al. 2023 (arXiv:2304.14178);
 * transformers models/blip_2, modeling_mplug_owl.py (names).
 * Easy to get wrong: EVA has no norm before the blocks, its patch product a bias, mPLUG-Owl the other way round; the matrix
 * holds all queries first in EVA (the bias has zeros for the keys), but head by head in mPLUG-Owl; class token and
 * positions have a leading dim of 1 in the file; CogVLM's norms stand behind attention and MLP, inside the residual; Qwen-VL's
 * tower has no class token, head by head as mPLUG-Owl, and positions of a 16 x 16 grid for any size; the features are the last state behind the post norm, class token included.
 */
#include "encoder/encoder.h"
#include "encoder/transformer.h"
#include "ops/add.h"
#include "ops/patches.h"
#include "ops/rows.h"

#include <stdio.h>

enum { MAX_LAYERS = 128 };

typedef struct eva_config {
    int64_t hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, image_size, patch_size, input_size;
    char *hidden_act;
    double layer_norm_eps;
    bool qkv_bias;
} eva_config;

#define FIELD(key, kind, def, lo, hi, text) \
    {.name = #key, .type = kind, .offset = offsetof(eva_config, key), .fallback = def, .low = lo, .high = hi, .help = text}

static const pc_field fields[] = {
    FIELD(hidden_size, PC_FIELD_INT, "1408", 1, 65536, "width of the tower"),
    FIELD(intermediate_size, PC_FIELD_INT, "6144", 1, 262144, "width of the MLP"),
    FIELD(num_hidden_layers, PC_FIELD_INT, "39", 1, MAX_LAYERS, "blocks"),
    FIELD(num_attention_heads, PC_FIELD_INT, "16", 1, 1024, "attention heads"),
    FIELD(image_size, PC_FIELD_INT, "224", 1, 16384, "side of the picture in pixels"),
    FIELD(patch_size, PC_FIELD_INT, "14", 1, 1024, "side of a patch in pixels"),
    FIELD(input_size, PC_FIELD_INT, "0", 0, 16384,
          "side of pictures that are larger or smaller than image_size: positions are interpolated; 0 = image_size"),
    FIELD(hidden_act, PC_FIELD_TEXT, "gelu", 0, 0, "activation"),
    FIELD(layer_norm_eps, PC_FIELD_FLOAT, "1e-6", 0, 1, "epsilon of the norms"),
    FIELD(qkv_bias, PC_FIELD_BOOL, "true", 0, 0, "queries and values have biases"),
};

typedef struct eva_weights {
    pc_param *class_embedding; /* [1,1,D] */
    pc_param *positions;       /* [1,P+1,D] */
    pc_linear_weights patch_embedding; /* [D,3,p,p]; the bias may be NULL */
    pc_norm_weights pre_norm, post_norm; /* pre_norm NULL when the family has none */
    pc_block_weights blocks[MAX_LAYERS];
} eva_weights;

/* What distinguishes the families. */
/* What families write differently. */
typedef struct eva_family {
    const char *class_token; /* NULL: there is none */
    const char *patches, *positions;
    const char *pre_norm, *post_norm; /* NULL: none */
    const char *layers;               /* "<layers>.3." */
    bool patch_bias, flat; /* flat: class token and positions have two dims in the file */
    bool norms_behind;     /* pc_block_config.post_norm */
    pc_qkv_layout layout;
    pc_block_names block;
} eva_family;

static const eva_family eva = {
    .class_token = "embeddings.class_embedding", .patches = "embeddings.patch_embedding",
    .positions = "embeddings.position_embedding", .patch_bias = true, .layout = PC_QKV_PARTS,
    .layers = "encoder.layers", .post_norm = "post_layernorm",
    .block = {.norm1 = "layer_norm1", .norm2 = "layer_norm2", .qkv = "self_attn.qkv", .o = "self_attn.projection",
              .up = "mlp.fc1", .down = "mlp.fc2"},
};

static const eva_family owl = {
    .class_token = "embeddings.cls_token", .patches = "embeddings.patch_embed",
    .positions = "embeddings.position_embedding", .pre_norm = "embeddings.pre_layernorm", .layout = PC_QKV_HEADS,
    .layers = "encoder.layers", .post_norm = "post_layernorm",
    .block = {.norm1 = "input_layernorm", .norm2 = "post_attention_layernorm", .qkv = "self_attn.query_key_value",
              .o = "self_attn.dense", .up = "mlp.fc1", .down = "mlp.fc2"},
};

static const eva_family cogvlm = {
    .class_token = "patch_embedding.cls_embedding", .patches = "patch_embedding.proj",
    .positions = "patch_embedding.position_embedding.weight", .patch_bias = true, .flat = true, .norms_behind = true,
    .layout = PC_QKV_PARTS, .layers = "transformer.layers",
    .block = {.norm1 = "input_layernorm", .norm2 = "post_attention_layernorm", .qkv = "attention.query_key_value",
              .o = "attention.dense", .up = "mlp.fc1", .down = "mlp.fc2"},
};

static const eva_family qwen_vl = {
    .patches = "conv1", .positions = "positional_embedding", .pre_norm = "ln_pre", .flat = true, .layout = PC_QKV_HEADS,
    .layers = "transformer.resblocks",
    .block = {.norm1 = "ln_1", .norm2 = "ln_2", .qkv = "attn.in_proj", .o = "attn.out_proj", .up = "mlp.c_fc", .down = "mlp.c_proj"},
};

static pc_block_config block_config(const eva_config *config, const eva_family *family)
{
    return (pc_block_config){
        .width = config->hidden_size,
        .hidden = config->intermediate_size,
        .heads = config->num_attention_heads,
        .layers = config->num_hidden_layers,
        .activation = (pc_activation)pc_activation_from_name(config->hidden_act),
        .eps = config->layer_norm_eps,
        .layout = family->layout,
        .plain_qkv = !config->qkv_bias,
        .post_norm = family->norms_behind,
        .names = &family->block,
    };
}

static pc_status check(const void *any, const char *where)
{
    const eva_config *config = any;
    const pc_vit_sizes sizes = {config->hidden_size, config->num_attention_heads, config->image_size, config->patch_size,
                                config->input_size, config->hidden_act};
    return pc_vit_check(&sizes, where);
}

static void info_without_class(const void *any, pc_encoder_info *out)
{
    const eva_config *config = any;
    *out = (pc_encoder_info){
        .width = config->hidden_size,
        .layers = config->num_hidden_layers,
        .image_size = config->input_size ? config->input_size : config->image_size,
        .patch_size = config->patch_size,
    };
}

static void info(const void *any, pc_encoder_info *out)
{
    info_without_class(any, out);
    out->prefix = 1;
}

static void declare_tower(pc_scope *scope, const eva_config *config, const eva_family *family, eva_weights *weights)
{
    int64_t width = config->hidden_size, patch = config->patch_size, side = config->image_size / patch;
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
    for (int64_t i = 0; i < config->num_hidden_layers; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s.%d", family->layers, (int)i);
        pc_block_declare(scope, &weights->blocks[i], &block, name);
    }
    if (family->post_norm) {
        pc_norm_declare(scope, &weights->post_norm, width, true, family->post_norm);
    }
}

static pc_tensor *tower_forward(const pc_build *build, const eva_config *config, const eva_family *family,
                                const eva_weights *weights, pc_tensor *images, const pc_encoder_select *select)
{
    pc_graph *graph = build->graph;
    int64_t patch = config->patch_size, side = config->image_size / patch;
    pc_block_config block = block_config(config, family);
    pc_tensor *x = pc_patches(graph, images, patch);                  /* [N,P,3pp] */
    x = pc_linear_forward(build, &weights->patch_embedding, x, NULL); /* [N,P,D] */
    int64_t prefix = weights->class_embedding ? 1 : 0;
    if (prefix) {
        x = pc_prepend(graph, x, pc_reshape(graph, pc_use(build, weights->class_embedding), pc_dims(1, config->hidden_size)));
    }
    x = pc_add(graph, x, pc_positions_for(build, weights->positions, images, patch, side, prefix)); /* [N,P+1,D] */
    x = weights->pre_norm.weight ? pc_norm_forward(build, &weights->pre_norm, x, config->layer_norm_eps) : x;
    x = pc_blocks_forward(build, weights->blocks, &block, family->post_norm ? &weights->post_norm : NULL, x, select);
    return select->keep_class_token ? x : pc_slice(graph, x, 1, 0); /* [N,P,S*D] */
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
        .fields = {fields, sizeof fields / sizeof fields[0]},                \
        .config_size = sizeof(eva_config),                                   \
        .weights_size = sizeof(eva_weights),                                 \
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
