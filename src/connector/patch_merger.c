/* Qwen2-VL's merger: each block of neighbouring patches becomes one token.
 *
 *   [N,P,D] -> norm -> blocks of s x s side by side [N,P/ss,ssD] -> linear -> GELU -> linear [N,P/ss,D']
 *
 * Source: Wang et al. 2024 (arXiv:2409.12191), section 2.1; transformers models/qwen2_vl (PatchMerger).
 * Easy to get wrong: the norm comes before the patches are joined; it is a layer norm in Qwen2-VL, an RMS norm in 2.5.
 */
#include "connector/connector.h"

#include "ops/grid.h"

static const double EPS = 1e-6;

typedef struct merger_config {
    int64_t spatial_merge_size;
} merger_config;

typedef struct merger_weights {
    pc_norm_weights norm;
    pc_mlp_weights mlp;
} merger_weights;

static const pc_field fields[] = {
    {.name = "spatial_merge_size", .type = PC_FIELD_INT, .offset = offsetof(merger_config, spatial_merge_size),
     .fallback = "2", .low = 1, .high = 16, .help = "side of the blocks that become one token"},
};

static int64_t area(const merger_config *config)
{
    return config->spatial_merge_size * config->spatial_merge_size;
}

static pc_status check(const void *any, const pc_connector_dims *dims, const char *where)
{
    const merger_config *config = any;
    PC_TRY(pc_connector_need_grid(dims, "patch_merger", where));
    if (dims->rows % config->spatial_merge_size || dims->columns % config->spatial_merge_size) {
        return pc_fail(PC_ERR_DATA, "%s: %lld x %lld patches do not divide into blocks of spatial_merge_size %lld", where,
                       (long long)dims->rows, (long long)dims->columns, (long long)config->spatial_merge_size);
    }
    return PC_OK;
}

static int64_t tokens(const void *any, const pc_connector_dims *dims)
{
    return dims->tokens / area(any);
}

static void declare(pc_scope *scope, const merger_config *config, const pc_connector_dims *dims, merger_weights *weights,
                    bool layer_norm)
{
    int64_t width = area(config) * dims->in;
    pc_norm_declare(scope, &weights->norm, dims->in, layer_norm, "ln_q");
    pc_linear_declare(scope, &weights->mlp.up, width, width, true, 1, "mlp.0");
    pc_linear_declare(scope, &weights->mlp.down, dims->out, width, true, 1, "mlp.2");
}

static void declare_layer_norm(pc_scope *scope, const void *config, const pc_connector_dims *dims, void *weights)
{
    declare(scope, config, dims, weights, true);
}

static void declare_rms_norm(pc_scope *scope, const void *config, const pc_connector_dims *dims, void *weights)
{
    declare(scope, config, dims, weights, false);
}

static pc_tensor *forward(const pc_build *build, const void *any, const void *any_weights, const pc_connector_input *in)
{
    const merger_config *config = any;
    const merger_weights *weights = any_weights;
    pc_tensor *x = pc_norm_forward(build, &weights->norm, in->features, EPS); /* [N,P,D] */
    x = pc_merge_blocks(build->graph, x, in->rows, in->columns, config->spatial_merge_size);
    return pc_mlp_forward(build, &weights->mlp, x, PC_ACT_GELU, NULL); /* [N,Q,D'] */
}

#define MERGER(symbol, title, declarer)                      \
    const pc_connector_type symbol = {                       \
        .name = title,                                       \
        .fields = {fields, sizeof fields / sizeof fields[0]}, \
        .config_size = sizeof(merger_config),                \
        .weights_size = sizeof(merger_weights),              \
        .check = check,                                      \
        .tokens = tokens,                                    \
        .declare = declarer,                                 \
        .forward = forward,                                  \
    }

MERGER(pc_connector_patch_merger, "patch_merger", declare_layer_norm);
MERGER(pc_connector_patch_merger_rms, "patch_merger_rms", declare_rms_norm);
