/* Pixel shuffle: the patches of each block of s x s side by side as one token, then N linear layers with GELU between.
 *
 *   features [N,P,D] -> [N,P/(s*s),s*s*D] -> linear, (gelu, linear)* [N,P/(s*s),D']
 *
 * Source: Shi et al. 2016 (arXiv:1609.05158), the inverse of its sub-pixel convolution; MiniGPT-v2 (arXiv:2310.09478) joins
 * neighbours of a row. Patches of a block go row by row.
 */
#include "connector/connector.h"
#include "ops/grid.h"

#include <stdio.h>

enum { MAX_DEPTH = 16 };

typedef struct shuffle_config {
    int64_t side, depth;
} shuffle_config;

typedef struct shuffle_weights {
    pc_linear_weights layers[MAX_DEPTH];
} shuffle_weights;

static const pc_field fields[] = {
    {.name = "side", .type = PC_FIELD_INT, .offset = offsetof(shuffle_config, side), .fallback = "2", .low = 1, .high = 64,
     .help = "side of a block in patches"},
    {.name = "depth", .type = PC_FIELD_INT, .offset = offsetof(shuffle_config, depth), .fallback = "2", .low = 1,
     .high = MAX_DEPTH, .help = "linear layers"},
};

static pc_status check(const void *any, const pc_connector_dims *dims, const char *where)
{
    const shuffle_config *config = any;
    PC_TRY(pc_connector_need_grid(dims, "pixel_shuffle", where));
    if (dims->rows % config->side || dims->columns % config->side) {
        return pc_fail(PC_ERR_DATA, "%s: %lld x %lld patches of a picture are no multiple of side %lld", where,
                       (long long)dims->rows, (long long)dims->columns, (long long)config->side);
    }
    return PC_OK;
}

static int64_t tokens(const void *any, const pc_connector_dims *dims)
{
    int64_t side = ((const shuffle_config *)any)->side;
    return dims->tokens / (side * side);
}

static void declare(pc_scope *scope, const void *any, const pc_connector_dims *dims, void *any_weights)
{
    const shuffle_config *config = any;
    shuffle_weights *weights = any_weights;
    for (int64_t i = 0; i < config->depth; i++) {
        char name[32];
        snprintf(name, sizeof name, "layers.%d", (int)i);
        pc_linear_declare(scope, &weights->layers[i], dims->out, i ? dims->out : dims->in * config->side * config->side, true,
                          1, name);
    }
}

/* Idefics3's: one matrix without a bias. */
static void declare_idefics3(pc_scope *scope, const void *any, const pc_connector_dims *dims, void *any_weights)
{
    const shuffle_config *config = any;
    shuffle_weights *weights = any_weights;
    pc_linear_declare(scope, &weights->layers[0], dims->out, dims->in * config->side * config->side, false, 1,
                      "modality_projection.proj");
}

static pc_tensor *forward(const pc_build *build, const void *any, const void *any_weights, const pc_connector_input *in)
{
    const shuffle_config *config = any;
    const shuffle_weights *weights = any_weights;
    pc_tensor *x = pc_merge_blocks(build->graph, in->features, in->rows, in->columns, config->side); /* [N,P/ss,ssD] */
    for (int64_t i = 0; i < config->depth; i++) {
        x = i ? pc_activate(build->graph, x, PC_ACT_GELU) : x;
        x = pc_linear_forward(build, &weights->layers[i], x, NULL); /* [N,P/ss,D'] */
    }
    return x;
}

static pc_tensor *forward_idefics3(const pc_build *build, const void *any, const void *weights, const pc_connector_input *in)
{
    const shuffle_config config = {((const shuffle_config *)any)->side, 1};
    return forward(build, &config, weights, in);
}

static const pc_field idefics3_fields[] = {
    {.name = "scale_factor", .type = PC_FIELD_INT, .offset = offsetof(shuffle_config, side), .fallback = "2", .low = 1,
     .high = 64, .help = "side of a block in patches"},
};

const pc_connector_type pc_connector_idefics3 = {
    .name = "idefics3",
    .fields = {idefics3_fields, sizeof idefics3_fields / sizeof idefics3_fields[0]},
    .config_size = sizeof(shuffle_config),
    .weights_size = sizeof(shuffle_weights),
    .check = check,
    .tokens = tokens,
    .declare = declare_idefics3,
    .forward = forward_idefics3,
};

const pc_connector_type pc_connector_pixel_shuffle = {
    .name = "pixel_shuffle",
    .fields = {fields, sizeof fields / sizeof fields[0]},
    .config_size = sizeof(shuffle_config),
    .weights_size = sizeof(shuffle_weights),
    .check = check,
    .tokens = tokens,
    .declare = declare,
    .forward = forward,
};
