/* Average pooling of the patches, then LLaVA's two layers: the plainest way to fewer tokens.
 *
 *   features [N,R*S,D] -> mean over cells [N,s*s,D] -> linear_1, activation, linear_2 [N,s*s,D']
 *
 * Source: adaptive average pooling as in torch; the projector is that of LLaVA 1.5 (arXiv:2310.03744, section 3.3).
 */
#include "connector/connector.h"
#include "ops/resample.h"

typedef struct pool_config {
    int64_t side;
    char *projector_hidden_act;
} pool_config;

static const pc_field fields[] = {
    {.name = "side", .type = PC_FIELD_INT, .offset = offsetof(pool_config, side), .fallback = "12", .low = 1, .high = 1024,
     .help = "rows and columns that the patches are pooled to"},
    {.name = "projector_hidden_act", .type = PC_FIELD_TEXT, .offset = offsetof(pool_config, projector_hidden_act),
     .fallback = "gelu", .help = "activation between the two linear layers"},
};

static pc_status check(const void *any, const pc_connector_dims *dims, const char *where)
{
    const pool_config *config = any;
    PC_TRY(pc_connector_need_grid(dims, "pool", where));
    if (config->side > dims->rows || config->side > dims->columns) {
        return pc_fail(PC_ERR_DATA, "%s: side %lld is more than the %lld x %lld patches of a picture", where,
                       (long long)config->side, (long long)dims->rows, (long long)dims->columns);
    }
    return pc_connector_need_activation(config->projector_hidden_act, "projector_hidden_act", where);
}

static int64_t tokens(const void *any, const pc_connector_dims *dims)
{
    int64_t side = ((const pool_config *)any)->side;
    (void)dims;
    return side * side;
}

static void declare(pc_scope *scope, const void *any, const pc_connector_dims *dims, void *any_weights)
{
    pc_mlp_weights *weights = any_weights;
    (void)any;
    pc_linear_declare(scope, &weights->up, dims->out, dims->in, true, 1, "linear_1");
    pc_linear_declare(scope, &weights->down, dims->out, dims->out, true, 1, "linear_2");
}

static pc_tensor *forward(const pc_build *build, const void *any, const void *weights, const pc_connector_input *in)
{
    const pool_config *config = any;
    const pc_pool_params pool = {{in->rows, in->columns}, {config->side, config->side}};
    pc_tensor *x = pc_pool_grid(build->graph, in->features, pool); /* [N,s*s,D] */
    return pc_mlp_forward(build, weights, x, (pc_activation)pc_activation_from_name(config->projector_hidden_act), NULL);
}

const pc_connector_type pc_connector_pool = {
    .name = "pool",
    .fields = {fields, sizeof fields / sizeof fields[0]},
    .config_size = sizeof(pool_config),
    .weights_size = sizeof(pc_mlp_weights),
    .check = check,
    .tokens = tokens,
    .declare = declare,
    .forward = forward,
};
