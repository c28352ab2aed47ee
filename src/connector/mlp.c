/* LLaVA's projector: linear_1, activation, linear_2.
 *
 * Source: Liu et al. 2023 (arXiv:2310.03744), section 3.3; transformers models/llava (names, projector_hidden_act).
 */
#include "connector/connector.h"

typedef struct mlp_config {
    char *projector_hidden_act;
    bool multimodal_projector_bias;
} mlp_config;

static const pc_field fields[] = {
    {.name = "projector_hidden_act", .type = PC_FIELD_TEXT, .offset = offsetof(mlp_config, projector_hidden_act),
     .fallback = "gelu", .help = "activation between the two linear layers"},
    {.name = "multimodal_projector_bias", .type = PC_FIELD_BOOL,
     .offset = offsetof(mlp_config, multimodal_projector_bias), .fallback = "true", .help = "biases"},
};

static pc_status check(const void *any, const pc_connector_dims *dims, const char *where)
{
    const mlp_config *config = any;
    (void)dims;
    return pc_connector_need_activation(config->projector_hidden_act, "projector_hidden_act", where);
}

static int64_t tokens(const void *any, const pc_connector_dims *dims)
{
    (void)any;
    return dims->tokens;
}

static void declare(pc_scope *scope, const void *any, const pc_connector_dims *dims, void *any_weights)
{
    const mlp_config *config = any;
    pc_mlp_weights *weights = any_weights;
    bool bias = config->multimodal_projector_bias;
    pc_linear_declare(scope, &weights->up, dims->out, dims->in, bias, 1, "linear_1");
    pc_linear_declare(scope, &weights->down, dims->out, dims->out, bias, 1, "linear_2");
}

static pc_tensor *forward(const pc_build *build, const void *any, const void *any_weights,
                          const pc_connector_input *in)
{
    const mlp_config *config = any;
    pc_activation kind = (pc_activation)pc_activation_from_name(config->projector_hidden_act);
    return pc_mlp_forward(build, any_weights, in->features, kind, NULL); /* [N,P,D'] */
}

const pc_connector_type pc_connector_mlp = {
    .name = "mlp",
    .fields = {fields, sizeof fields / sizeof fields[0]},
    .config_size = sizeof(mlp_config),
    .weights_size = sizeof(pc_mlp_weights),
    .check = check,
    .tokens = tokens,
    .declare = declare,
    .forward = forward,
};
