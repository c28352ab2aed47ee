/* The plain vision transformer, trained on labels (ViT) or by itself (DINO).
 *
 *   pixels [N,3,Y,X] -> patches [N,P,3pp] -> x W^T + b [N,P,D] -> class token before it [N,P+1,D] -> + positions -> L x block
 *   -> hidden state of the wanted layer -> without class token [N,P,D]
 *
 * Source: Dosovitskiy et al. 2021 (arXiv:2010.11929); Caron et al. 2021 (arXiv:2104.14294) for DINO; transformers models/vit (names).
 * Easy to get wrong: the patch product has a bias, there is no norm before the blocks, and epsilon is 1e-12 unless the file says
 * another; class token and positions have dims of one in front.
 */
#include "encoder/encoder.h"
#include "encoder/transformer.h"
#include "ops/add.h"
#include "ops/matmul.h"
#include "ops/patches.h"
#include "ops/rows.h"

#include <stdio.h>

enum { MAX_LAYERS = 128 };

typedef struct vit_config {
    int64_t hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, image_size, patch_size;
    int64_t num_channels, input_size;
    char *hidden_act;
    double layer_norm_eps;
    bool qkv_bias;
} vit_config;

#define FIELD(key, kind, def, lo, hi, text) \
    {.name = #key, .type = kind, .offset = offsetof(vit_config, key), .fallback = def, .low = lo, .high = hi, .help = text}

static const pc_field fields[] = {
    FIELD(hidden_size, PC_FIELD_INT, "768", 1, 65536, "width of the tower"),
    FIELD(intermediate_size, PC_FIELD_INT, "3072", 1, 262144, "width of the MLP"),
    FIELD(num_hidden_layers, PC_FIELD_INT, "12", 1, MAX_LAYERS, "blocks"),
    FIELD(num_attention_heads, PC_FIELD_INT, "12", 1, 1024, "attention heads"),
    FIELD(image_size, PC_FIELD_INT, "224", 1, 16384, "side of the picture in pixels"),
    FIELD(patch_size, PC_FIELD_INT, "16", 1, 1024, "side of a patch in pixels"),
    FIELD(input_size, PC_FIELD_INT, "0", 0, 16384,
          "side of pictures that are larger or smaller than image_size: positions are interpolated; 0 = image_size"),
    FIELD(num_channels, PC_FIELD_INT, "3", 3, 3, "colour channels"),
    FIELD(hidden_act, PC_FIELD_TEXT, "gelu", 0, 0, "activation"),
    FIELD(layer_norm_eps, PC_FIELD_FLOAT, "1e-12", 0, 1, "epsilon of the norms"),
    FIELD(qkv_bias, PC_FIELD_BOOL, "true", 0, 0, "biases at q, k and v"),
};

typedef struct vit_weights {
    pc_param *class_token;     /* [1,1,D] */
    pc_linear_weights patches; /* [D,3,p,p], [D] */
    pc_param *positions;       /* [1,P+1,D] */
    pc_norm_weights final;
    pc_block_weights blocks[MAX_LAYERS];
} vit_weights;

static const pc_block_names names = {
    .norm1 = "layernorm_before", .norm2 = "layernorm_after", .q = "attention.attention.query", .k = "attention.attention.key",
    .v = "attention.attention.value", .o = "attention.output.dense", .up = "intermediate.dense", .down = "output.dense",
};

static pc_block_config block_config(const vit_config *config)
{
    return (pc_block_config){
        .width = config->hidden_size,
        .hidden = config->intermediate_size,
        .heads = config->num_attention_heads,
        .layers = config->num_hidden_layers,
        .activation = (pc_activation)pc_activation_from_name(config->hidden_act),
        .eps = config->layer_norm_eps,
        .plain_qkv = !config->qkv_bias,
        .names = &names,
    };
}

static pc_status check(const void *any, const char *where)
{
    const vit_config *config = any;
    const pc_vit_sizes sizes = {config->hidden_size, config->num_attention_heads, config->image_size, config->patch_size,
                                config->input_size, config->hidden_act};
    return pc_vit_check(&sizes, where);
}

static void info(const void *any, pc_encoder_info *out)
{
    const vit_config *config = any;
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
    const vit_config *config = any;
    vit_weights *weights = any_weights;
    int64_t width = config->hidden_size, patch = config->patch_size, side = config->image_size / patch;
    const pc_init init = PC_NORMAL(pc_scope_std(scope, width));
    const pc_block_config block = block_config(config);
    weights->class_token = pc_declare(scope, init, pc_dims(3, 1, 1, width), "embeddings.cls_token");
    weights->patches.weight = pc_declare(scope, PC_NORMAL(pc_scope_std(scope, 3 * patch * patch)), pc_dims(4, width, 3, patch, patch),
                                         "embeddings.patch_embeddings.projection.weight");
    weights->patches.bias = pc_declare(scope, PC_ZEROS, pc_dims(1, width), "embeddings.patch_embeddings.projection.bias");
    weights->positions = pc_declare(scope, init, pc_dims(3, 1, side * side + 1, width), "embeddings.position_embeddings");
    if (scope->status == PC_OK) {
        weights->class_token->any_type = weights->positions->any_type = false;
    }
    for (int64_t i = 0; i < config->num_hidden_layers; i++) {
        char name[64];
        snprintf(name, sizeof name, "encoder.layer.%d", (int)i);
        pc_block_declare(scope, &weights->blocks[i], &block, name);
    }
    pc_norm_declare(scope, &weights->final, width, true, "layernorm");
}

/* The chosen hidden states: [N,P+1,S*D]. */
static pc_tensor *hidden_states(const pc_build *build, const vit_config *config, const vit_weights *weights, pc_tensor *images,
                                const pc_encoder_select *select)
{
    pc_graph *graph = build->graph;
    int64_t patch = config->patch_size, side = config->image_size / patch;
    pc_block_config block = block_config(config);
    pc_tensor *x = pc_patches(graph, images, patch); /* [N,P,3pp] */
    x = pc_linear(graph, x, pc_use(build, weights->patches.weight), pc_use(build, weights->patches.bias), NULL, build->compute);
    x = pc_prepend(graph, x, pc_reshape(graph, pc_use(build, weights->class_token), pc_dims(1, config->hidden_size))); /* [N,P+1,D] */
    x = pc_add(graph, x, pc_positions_for(build, weights->positions, images, patch, side, 1));
    return pc_blocks_forward(build, weights->blocks, &block, &weights->final, x, select);
}

static pc_tensor *forward(const pc_build *build, const void *any, const void *weights, pc_tensor *images, pc_encoder_select select)
{
    pc_tensor *x = hidden_states(build, any, weights, images, &select);
    return select.keep_class_token ? x : pc_slice(build->graph, x, 1, 0); /* [N,P,S*D] */
}

static pc_tensor *pool(const pc_build *build, const void *any, const void *any_weights, pc_tensor *images)
{
    const vit_config *config = any;
    const pc_encoder_select last = {.layer = {config->num_hidden_layers}, .count = 1, .final_norm = true};
    pc_tensor *x = pc_slice(build->graph, hidden_states(build, config, any_weights, images, &last), 0, 1); /* [N,1,D] */
    return pc_reshape(build->graph, x, pc_dims(2, -1, config->hidden_size));                              /* [N,D] */
}

const pc_encoder_type pc_encoder_vit = {
    .model_type = "vit",
    .processor = "ViTImageProcessor",
    .class_token = true,
    .fields = {fields, sizeof fields / sizeof fields[0]},
    .config_size = sizeof(vit_config),
    .weights_size = sizeof(vit_weights),
    .check = check,
    .info = info,
    .declare = declare,
    .forward = forward,
    .pool = pool,
};
