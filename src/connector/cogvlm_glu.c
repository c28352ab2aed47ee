/* CogVLM's adapter: a linear layer, a norm, a gated MLP, and learned tokens that open and close the picture.
 *
 *   (x += positions;)  y = gelu(LN(W x));  z = down(silu(gate y) * up y);  soft tokens = [boi ; z ; eoi]   [N,P+2,D']
 *
 * Source: Wang et al. 2023 (arXiv:2311.03079), section 2.1; visual.py of cogvlm-chat-hf and of cogagent-chat-hf, whose adapter has
 * the positions (names). Easy to get wrong: no biases but
 * the norm's, whose epsilon is 1e-5; dense_h_to_4h is the plain half, gate_proj goes through silu.
 */
#include "connector/connector.h"
#include "ops/activation.h"
#include "ops/add.h"
#include "ops/concat.h"
#include "ops/repeat.h"
#include "ops/rows.h"

static const double EPS = 1e-5;

typedef struct glu_config {
    int64_t adapter_hidden_size;
    bool position_embedding;
} glu_config;

static const pc_field fields[] = {
    {.name = "adapter_hidden_size", .type = PC_FIELD_INT, .offset = offsetof(glu_config, adapter_hidden_size), .fallback = "11008",
     .low = 1, .high = 262144, .help = "width of the gated MLP"},
    {.name = "position_embedding", .type = PC_FIELD_BOOL, .offset = offsetof(glu_config, position_embedding), .fallback = "false",
     .help = "learned positions are added to the features"},
};

typedef struct glu_weights {
    pc_linear_weights in;
    pc_norm_weights norm;
    pc_glu_weights mlp;
    pc_param *open, *close; /* [1,1,D'] */
    pc_param *positions;    /* [P,D]; NULL: none */
} glu_weights;

static pc_status check(const void *any, const pc_connector_dims *dims, const char *where)
{
    (void)any;
    (void)dims;
    (void)where;
    return PC_OK;
}

static int64_t tokens(const void *any, const pc_connector_dims *dims)
{
    (void)any;
    return dims->tokens + 2;
}

static void declare(pc_scope *scope, const void *any, const pc_connector_dims *dims, void *any_weights)
{
    glu_weights *weights = any_weights;
    int64_t hidden = ((const glu_config *)any)->adapter_hidden_size, width = dims->out;
    pc_init init = PC_NORMAL(pc_scope_std(scope, width));
    pc_linear_declare(scope, &weights->in, width, dims->in, false, 1, "linear_proj.linear_proj");
    pc_norm_declare(scope, &weights->norm, width, true, "linear_proj.norm1");
    pc_linear_declare(scope, &weights->mlp.gate, hidden, width, false, 1, "linear_proj.gate_proj");
    pc_linear_declare(scope, &weights->mlp.up, hidden, width, false, 1, "linear_proj.dense_h_to_4h");
    pc_linear_declare(scope, &weights->mlp.down, width, hidden, false, 1, "linear_proj.dense_4h_to_h");
    weights->open = pc_declare(scope, init, pc_dims(3, 1, 1, width), "boi");
    weights->close = pc_declare(scope, init, pc_dims(3, 1, 1, width), "eoi");
    if (((const glu_config *)any)->position_embedding) {
        weights->positions = pc_declare(scope, PC_ZEROS, pc_dims(2, dims->tokens, dims->in), "pos_embed");
    }
    if (scope->status == PC_OK) {
        weights->open->any_type = weights->close->any_type = false;
        if (weights->positions) {
            weights->positions->any_type = false;
        }
    }
}

static pc_tensor *forward(const pc_build *build, const void *any, const void *any_weights, const pc_connector_input *in)
{
    const glu_weights *weights = any_weights;
    pc_graph *graph = build->graph;
    (void)any;
    pc_tensor *x = weights->positions ? pc_add(graph, in->features, pc_use(build, weights->positions)) : in->features; /* [N,P,D] */
    x = pc_linear_forward(build, &weights->in, x, NULL); /* [N,P,D'] */
    pc_shape one = pc_dims(2, 1, pc_shape_last(&x->max));
    x = pc_activate(graph, pc_norm_forward(build, &weights->norm, x, EPS), PC_ACT_GELU);
    x = pc_glu_forward(build, &weights->mlp, x, PC_ACT_SILU, NULL);
    x = pc_prepend(graph, x, pc_reshape(graph, pc_use(build, weights->open), one));
    return pc_concat(graph, x, pc_repeat(graph, pc_reshape(graph, pc_use(build, weights->close), one), x)); /* [N,P+2,D'] */
}

const pc_connector_type pc_connector_cogvlm_glu = {
    .name = "cogvlm_glu",
    .fields = {fields, sizeof fields / sizeof fields[0]},
    .config_size = sizeof(glu_config),
    .weights_size = sizeof(glu_weights),
    .check = check,
    .tokens = tokens,
    .declare = declare,
    .forward = forward,
};
