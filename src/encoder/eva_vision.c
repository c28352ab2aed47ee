/* EVA-CLIP's vision tower as BLIP-2 and InstructBLIP use it (ViT-g/14).
 *
 *   pixels [N,3,Y,X] -> patches x W^T + b [N,P,D] -> class token before it -> + positions -> L x block -> post-LN
 *
 * Source: Fang et al. 2022 (arXiv:2211.07636); Li et al. 2023 (arXiv:2301.12597); transformers models/blip_2 (names).
 * Easy to get wrong: no norm before the blocks, and the patch product has a bias (other than CLIP); one matrix makes
 * queries, keys and values, all queries first; its bias has zeros for the keys; class token and positions have a leading
 * dim of 1 in the file; the features are the last state behind the post norm, class token included.
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
    pc_linear_weights patch_embedding; /* [D,3,p,p] */
    pc_norm_weights post_norm;
    pc_block_weights blocks[MAX_LAYERS];
} eva_weights;

static const pc_block_names block_names = {
    .norm1 = "layer_norm1", .norm2 = "layer_norm2", .qkv = "self_attn.qkv", .o = "self_attn.projection",
    .up = "mlp.fc1", .down = "mlp.fc2",
};

static pc_block_config block_config(const eva_config *config)
{
    return (pc_block_config){
        .width = config->hidden_size,
        .hidden = config->intermediate_size,
        .heads = config->num_attention_heads,
        .layers = config->num_hidden_layers,
        .activation = (pc_activation)pc_activation_from_name(config->hidden_act),
        .eps = config->layer_norm_eps,
        .layout = PC_QKV_PARTS,
        .plain_qkv = !config->qkv_bias,
        .names = &block_names,
    };
}

static pc_status check(const void *any, const char *where)
{
    const eva_config *config = any;
    const pc_vit_sizes sizes = {config->hidden_size, config->num_attention_heads, config->image_size, config->patch_size,
                                config->input_size, config->hidden_act};
    return pc_vit_check(&sizes, where);
}

static void info(const void *any, pc_encoder_info *out)
{
    const eva_config *config = any;
    *out = (pc_encoder_info){
        .width = config->hidden_size,
        .layers = config->num_hidden_layers,
        .image_size = config->input_size ? config->input_size : config->image_size,
        .patch_size = config->patch_size,
        .prefix = 1,
    };
}

static void declare(pc_scope *scope, const void *any, void *any_weights)
{
    const eva_config *config = any;
    eva_weights *weights = any_weights;
    int64_t width = config->hidden_size, patch = config->patch_size, side = config->image_size / patch;
    pc_init init = PC_NORMAL(pc_scope_std(scope, width));
    weights->class_embedding = pc_declare(scope, init, pc_dims(3, 1, 1, width), "embeddings.class_embedding");
    weights->patch_embedding.weight = pc_declare(scope, PC_NORMAL(pc_scope_std(scope, 3 * patch * patch)),
                                                 pc_dims(4, width, 3, patch, patch), "embeddings.patch_embedding.weight");
    weights->patch_embedding.bias = pc_declare(scope, PC_ZEROS, pc_dims(1, width), "embeddings.patch_embedding.bias");
    weights->positions = pc_declare(scope, init, pc_dims(3, 1, side * side + 1, width), "embeddings.position_embedding");
    if (scope->status == PC_OK) {
        weights->class_embedding->any_type = false;
        weights->positions->any_type = false;
    }
    pc_block_config block = block_config(config);
    for (int64_t i = 0; i < config->num_hidden_layers; i++) {
        char name[64];
        snprintf(name, sizeof name, "encoder.layers.%d", (int)i);
        pc_block_declare(scope, &weights->blocks[i], &block, name);
    }
    pc_norm_declare(scope, &weights->post_norm, width, true, "post_layernorm");
}

static pc_tensor *forward(const pc_build *build, const void *any, const void *any_weights, pc_tensor *images,
                          pc_encoder_select select)
{
    const eva_config *config = any;
    const eva_weights *weights = any_weights;
    pc_graph *graph = build->graph;
    int64_t patch = config->patch_size, side = config->image_size / patch;
    pc_block_config block = block_config(config);
    pc_tensor *x = pc_patches(graph, images, patch);                  /* [N,P,3pp] */
    x = pc_linear_forward(build, &weights->patch_embedding, x, NULL); /* [N,P,D] */
    x = pc_prepend(graph, x, pc_reshape(graph, pc_use(build, weights->class_embedding), pc_dims(1, config->hidden_size)));
    x = pc_add(graph, x, pc_positions_for(build, weights->positions, images, patch, side, 1)); /* [N,P+1,D] */
    x = pc_blocks_forward(build, weights->blocks, &block, &weights->post_norm, x, &select);
    return select.keep_class_token ? x : pc_slice(graph, x, 1, 0); /* [N,P,S*D] */
}

const pc_encoder_type pc_encoder_eva_vision = {
    .model_type = "blip_2_vision_model",
    .processor = "BlipImageProcessor",
    .class_token = true,
    .fields = {fields, sizeof fields / sizeof fields[0]},
    .config_size = sizeof(eva_config),
    .weights_size = sizeof(eva_weights),
    .check = check,
    .info = info,
    .declare = declare,
    .forward = forward,
};
