/* MM-CoT's gated fusion: the last states of a language model's encoder read the picture, and a gate mixes both for the decoder.
 *
 *   V = W_v features                                     [S,D]   image_dense
 *   A = o(attention(q H, k V, v V)), one head            [R,D]   mha_layer
 *   g = sigmoid(W_g [H ; A])                             [R,D]   gate_dense
 *   H' = (1 - g) H + g A                                 [R,D]   what the decoder reads
 *
 * Source: Zhang et al. 2023 (arXiv:2302.00923), section 4.2, equations 1 to 4; amazon-science/mm-cot model.py (names).
 * Easy to get wrong: H comes behind the encoder's final norm; there is one head of the whole width; H stands before A in the gate's
 * input, and the gate opens towards the picture. Departure: a question without a picture has A = o(0), where the authors put
 * features of zeros.
 */
#include "connector/bridge/bridge.h"
#include "ops/activation.h"
#include "ops/add.h"
#include "ops/concat.h"
#include "ops/multiply.h"
#include "ops/rows.h"
#include "ops/sides.h"

#include <math.h>

enum { QUERY, KEY, VALUE, PROJECTIONS };

typedef struct fusion_weights {
    pc_linear_weights image; /* [D,M] */
    pc_linear_weights in;    /* [3D,D]: queries, keys, values */
    pc_linear_weights out;   /* [D,D] */
    pc_linear_weights gate;  /* [D,2D] */
} fusion_weights;

static pc_status check(const void *config, const pc_bridge_dims *dims, const char *where)
{
    (void)config;
    (void)dims;
    (void)where;
    return PC_OK;
}

static void declare(pc_scope *scope, const void *config, const pc_bridge_dims *dims, void *any_weights)
{
    fusion_weights *weights = any_weights;
    int64_t width = dims->width;
    pc_shape bias = pc_dims(1, PROJECTIONS * width);
    (void)config;
    pc_linear_declare(scope, &weights->image, width, dims->media, true, 1, "image_dense");
    weights->in.weight = pc_declare(scope, PC_NORMAL(pc_scope_std(scope, width)), pc_dims(2, PROJECTIONS * width, width),
                                    "mha_layer.in_proj_weight");
    weights->in.bias = pc_declare(scope, PC_ZEROS, bias, "mha_layer.in_proj_bias");
    pc_linear_declare(scope, &weights->out, width, width, true, 1, "mha_layer.out_proj");
    pc_linear_declare(scope, &weights->gate, width, 2 * width, true, 1, "gate_dense");
}

/* One of the three projections of x [R,D], as one head [R,1,D]. */
static pc_tensor *project(const pc_build *build, const fusion_weights *weights, pc_tensor *x, int64_t which, int64_t width)
{
    pc_tensor *all = pc_linear_forward(build, &weights->in, x, NULL);                       /* [R,3D] */
    all = pc_reshape(build->graph, all, pc_dims(3, -1, PROJECTIONS, width));                /* [R,3,D] */
    return pc_slice(build->graph, all, which, which + 1);                                   /* [R,1,D] */
}

/* A of the states h [R,D] at `rows` of the text. */
static pc_tensor *look_at_picture(const pc_build *build, const pc_bridge *bridge, pc_tensor *rows, pc_tensor *h)
{
    const fusion_weights *weights = bridge->weights;
    pc_bridge_input in = bridge->in;
    int64_t width = bridge->dims.width;
    pc_tensor *q = project(build, weights, h, QUERY, width), *mixed;
    if (in.media) {
        pc_tensor *v = pc_linear_forward(build, &weights->image, in.media, NULL); /* [S,D] */
        in.seen = pc_pick_ranges(build->graph, in.seen, rows, NULL, false);       /* [R,4] */
        mixed = pc_bridge_attend(build, &in, 0, q, project(build, weights, v, KEY, width), project(build, weights, v, VALUE, width),
                                 1 / sqrt((double)width));
    } else {
        mixed = pc_scale(build->graph, q, 0);
    }
    return pc_linear_forward(build, &weights->out, pc_reshape(build->graph, mixed, pc_dims(2, -1, width)), NULL);
}

static pc_tensor *after_source(void *user, const pc_build *build, pc_tensor *rows, pc_tensor *h)
{
    const pc_bridge *bridge = user;
    const fusion_weights *weights = bridge->weights;
    pc_graph *graph = build->graph;
    pc_tensor *a = look_at_picture(build, bridge, rows, h);                                          /* [R,D] */
    pc_tensor *gate = pc_linear_forward(build, &weights->gate, pc_concat_features(graph, h, a), NULL);
    gate = pc_name(graph, pc_activate(graph, gate, PC_ACT_SIGMOID), "bridge.gate");                  /* [R,D] */
    pc_tensor *towards = pc_multiply(graph, pc_add(graph, a, pc_scale(graph, h, -1)), gate);         /* g (A - H) */
    return pc_add(graph, h, towards);
}

static pc_hook hook(const pc_bridge *bridge)
{
    return (pc_hook){.user = (void *)bridge, .after_source = after_source};
}

static void memory(const void *config, const pc_bridge_dims *dims, int64_t *blocks, int64_t *heads, int64_t *head_size)
{
    (void)config;
    *blocks = *heads = 1;
    *head_size = dims->width;
}

const pc_bridge_type pc_bridge_gated_fusion = {
    .name = "gated_fusion",
    .apart = true,
    .source = true,
    .config_size = sizeof(char),
    .weights_size = sizeof(fusion_weights),
    .check = check,
    .declare = declare,
    .hook = hook,
    .memory = memory,
};
