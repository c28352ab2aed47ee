/* InternVL's projection: the patches of each block of s x s side by side as one token, a norm, two layers.
 *
 *   features [N,P,D] -> [N,P/(s*s),s*s*D] -> LN -> linear, gelu, linear [N,P/(s*s),D']
 *
 * Source: Chen et al. 2024, InternVL 1.5 (arXiv:2404.16821), section 3.1; OpenGVLab/InternVL, modeling_internvl_chat.py (mlp1, names).
 * Easy to get wrong: patches of a block go row by row (their ps_version "v2"); the norm is over the joined features.
 */
#include "connector/connector.h"
#include "ops/grid.h"

static const double EPS = 1e-5; /* torch's LayerNorm */

typedef struct internvl_config {
    int64_t side;
} internvl_config;

typedef struct internvl_weights {
    pc_norm_weights norm;
    pc_mlp_weights mlp;
} internvl_weights;

static const pc_field fields[] = {
    {.name = "side", .type = PC_FIELD_INT, .offset = offsetof(internvl_config, side), .fallback = "2", .low = 1, .high = 64,
     .help = "side of a block in patches"},
};

static pc_status check(const void *any, const pc_connector_dims *dims, const char *where)
{
    const internvl_config *config = any;
    PC_TRY(pc_connector_need_grid(dims, "internvl", where));
    if (dims->rows % config->side || dims->columns % config->side) {
        return pc_fail(PC_ERR_DATA, "%s: %lld x %lld patches of a picture are no multiple of side %lld", where,
                       (long long)dims->rows, (long long)dims->columns, (long long)config->side);
    }
    return PC_OK;
}

static int64_t tokens(const void *any, const pc_connector_dims *dims)
{
    int64_t side = ((const internvl_config *)any)->side;
    return dims->tokens / (side * side);
}

static void declare(pc_scope *scope, const void *any, const pc_connector_dims *dims, void *any_weights)
{
    internvl_weights *weights = any_weights;
    int64_t side = ((const internvl_config *)any)->side, width = dims->in * side * side;
    pc_norm_declare(scope, &weights->norm, width, true, "0");
    pc_linear_declare(scope, &weights->mlp.up, dims->out, width, true, 1, "1");
    pc_linear_declare(scope, &weights->mlp.down, dims->out, dims->out, true, 1, "3");
}

static pc_tensor *forward(const pc_build *build, const void *any, const void *any_weights, const pc_connector_input *in)
{
    const internvl_weights *weights = any_weights;
    pc_tensor *x = pc_merge_blocks(build->graph, in->features, in->rows, in->columns, ((const internvl_config *)any)->side);
    x = pc_norm_forward(build, &weights->norm, x, EPS);               /* [N,P/ss,ssD] */
    return pc_mlp_forward(build, &weights->mlp, x, PC_ACT_GELU, NULL); /* [N,P/ss,D'] */
}

const pc_connector_type pc_connector_internvl = {
    .name = "internvl",
    .fields = {fields, sizeof fields / sizeof fields[0]},
    .config_size = sizeof(internvl_config),
    .weights_size = sizeof(internvl_weights),
    .check = check,
    .tokens = tokens,
    .declare = declare,
    .forward = forward,
};
