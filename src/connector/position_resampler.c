/* Qwen-VL's resampler: one layer of cross-attention from learned queries, with fixed 2-D positions at queries and keys.
 *
 *   x = LN(kv_proj features);  y = attention(LN queries + pos, x + pos resized, x);  soft tokens = LN(out y) proj   [N,Q,D']
 *
 * Source: Bai et al. 2023 (arXiv:2308.12966), section 2.1; the model's visual.py (names).
 * Easy to get wrong: values have no positions; the positions of the queries' grid are resized to the patches' by bicubic
 * interpolation; one matrix holds the three projections; the last product is x times proj, not its transpose; the first
 * half of a position encodes the column (sine, then cosine). The original keeps the positions fixed; here they train along.
 */
#include "connector/connector.h"
#include "ops/add.h"
#include "ops/attention.h"
#include "ops/cross_ranges.h"
#include "ops/matmul.h"
#include "ops/repeat.h"
#include "ops/resample.h"
#include "ops/rows.h"

#include <math.h>

typedef struct position_config {
    int64_t side, heads; /* heads 0: as many of 128 features as there are */
    double layer_norm_eps;
} position_config;

#define FIELD(key, kind, def, lo, hi, text) \
    {.name = #key, .type = kind, .offset = offsetof(position_config, key), .fallback = def, .low = lo, .high = hi, .help = text}

static const pc_field fields[] = {
    FIELD(side, PC_FIELD_INT, "16", 1, 256, "rows and columns of the queries"),
    FIELD(heads, PC_FIELD_INT, "0", 0, 1024, "attention heads; 0 = heads of 128 features"),
    FIELD(layer_norm_eps, PC_FIELD_FLOAT, "1e-6", 0, 1, "epsilon of the norms"),
};

typedef struct position_weights {
    pc_param *queries, *positions, *projection; /* [Q,D'], [Q,D'], [D',D'] */
    pc_linear_weights kv, qkv, o;               /* kv NULL when the widths agree; qkv [3D',D'] */
    pc_norm_weights q_norm, kv_norm, post_norm;
} position_weights;

static int64_t heads_of(const position_config *config, int64_t width)
{
    static const int64_t SIZE = 128;
    return config->heads ? config->heads : width / SIZE;
}

static pc_status check(const void *any, const pc_connector_dims *dims, const char *where)
{
    int64_t heads = heads_of(any, dims->out);
    PC_TRY(pc_connector_need_grid(dims, "position_resampler", where));
    if (heads < 1 || dims->out % heads || dims->out % 4) {
        return pc_fail(PC_ERR_DATA, "%s: the language model's width %lld is not a multiple of the resampler's %lld heads and of 4",
                       where, (long long)dims->out, (long long)heads);
    }
    return PC_OK;
}

static int64_t tokens(const void *any, const pc_connector_dims *dims)
{
    int64_t side = ((const position_config *)any)->side;
    (void)dims;
    return side * side;
}

static void declare(pc_scope *scope, const void *any, const pc_connector_dims *dims, void *any_weights)
{
    const position_config *config = any;
    position_weights *weights = any_weights;
    int64_t width = dims->out, queries = config->side * config->side;
    pc_init init = PC_NORMAL(pc_scope_std(scope, width));
    weights->queries = pc_declare(scope, init, pc_dims(2, queries, width), "attn_pool.query");
    weights->positions = pc_declare(scope, (pc_init){PC_INIT_GRID, 1}, pc_dims(2, queries, width), "attn_pool.pos_embed");
    if (dims->in != width) {
        pc_linear_declare(scope, &weights->kv, width, dims->in, false, 1, "attn_pool.kv_proj");
    }
    pc_norm_declare(scope, &weights->q_norm, width, true, "attn_pool.ln_q");
    pc_norm_declare(scope, &weights->kv_norm, width, true, "attn_pool.ln_kv");
    weights->qkv.weight = pc_declare(scope, init, pc_dims(2, 3 * width, width), "attn_pool.attn.in_proj_weight");
    weights->qkv.bias = pc_declare(scope, PC_ZEROS, pc_dims(1, 3 * width), "attn_pool.attn.in_proj_bias");
    pc_linear_declare(scope, &weights->o, width, width, true, 1, "attn_pool.attn.out_proj");
    pc_norm_declare(scope, &weights->post_norm, width, true, "ln_post");
    weights->projection = pc_declare(scope, init, pc_dims(2, width, width), "proj");
    if (scope->status == PC_OK) {
        weights->queries->any_type = weights->positions->any_type = weights->qkv.weight->any_type = false;
        weights->projection->any_type = false;
    }
}

/* x [N,R,D'] through the i-th of the three projections -> heads [N*R,H,E]. */
static pc_tensor *project(const pc_build *build, const position_config *config, const pc_linear_weights *qkv, pc_tensor *x,
                          int64_t i)
{
    pc_graph *graph = build->graph;
    int64_t width = pc_shape_last(&x->max), heads = heads_of(config, width);
    pc_tensor *w = pc_reshape(graph, pc_use(build, qkv->weight), pc_dims(3, 1, 3, width * width));
    pc_tensor *b = pc_reshape(graph, pc_use(build, qkv->bias), pc_dims(3, 1, 3, width));
    w = pc_reshape(graph, pc_slice(graph, w, i, i + 1), pc_dims(2, width, width));
    b = pc_reshape(graph, pc_slice(graph, b, i, i + 1), pc_dims(1, width));
    return pc_reshape(graph, pc_linear(graph, x, w, b, NULL, build->compute), pc_dims(3, -1, heads, width / heads));
}

static pc_tensor *forward(const pc_build *build, const void *any, const void *any_weights, const pc_connector_input *in)
{
    const position_config *config = any;
    const position_weights *weights = any_weights;
    pc_graph *graph = build->graph;
    int64_t width = pc_shape_last(&weights->queries->shape), size = width / heads_of(config, width);
    pc_tensor *x = in->features; /* [N,P,D] */
    x = weights->kv.weight ? pc_linear_forward(build, &weights->kv, x, NULL) : x;
    x = pc_norm_forward(build, &weights->kv_norm, x, config->layer_norm_eps); /* [N,P,D'] */
    pc_tensor *near = pc_use(build, weights->positions), *far = near;
    if (in->rows != config->side || in->columns != config->side) {
        far = pc_resize_grid(graph, near, (pc_resize_params){{config->side, config->side}, {in->rows, in->columns}, 0});
    }
    pc_tensor *q = pc_norm_forward(build, &weights->q_norm, pc_use(build, weights->queries), config->layer_norm_eps);
    q = pc_repeat(graph, pc_add(graph, q, near), x); /* [N,Q,D'] */
    pc_tensor *ranges = pc_cross_ranges(graph, q, x, NULL, 0);
    pc_tensor *k = project(build, config, &weights->qkv, pc_add(graph, x, far), 1);
    pc_tensor *v = project(build, config, &weights->qkv, x, 2);
    x = pc_attention(graph, project(build, config, &weights->qkv, q, 0), k, v, ranges, NULL, 1 / sqrt((double)size));
    x = pc_reshape(graph, x, pc_dims(3, -1, config->side * config->side, width));
    x = pc_norm_forward(build, &weights->post_norm, pc_linear_forward(build, &weights->o, x, NULL), config->layer_norm_eps);
    return pc_matmul(graph, x, pc_use(build, weights->projection), (pc_matmul_params){.compute = build->compute});
}

const pc_connector_type pc_connector_position_resampler = {
    .name = "position_resampler",
    .fields = {fields, sizeof fields / sizeof fields[0]},
    .config_size = sizeof(position_config),
    .weights_size = sizeof(position_weights),
    .check = check,
    .tokens = tokens,
    .declare = declare,
    .forward = forward,
};
