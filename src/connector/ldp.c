/* MobileVLM's projectors, which keep a quarter of the patches.
 *
 *   ldp:    x = W2 gelu(W1 features);  x = x + block(x);  x = block of stride 2 (x)           [N,P/4,D']
 *           block(x) = LN(pointwise(squeeze_excite(hard_swish(LN(depthwise 3x3 (x))))))
 *   ldpv2:  x = W2 gelu(W1 features);  x = mean of 2 x 2;  x = x + depthwise 3x3 (x)          [N,P/4,D']
 *
 * Source: Chu et al. 2023 (arXiv:2312.16886), section 3.3; 2024 (arXiv:2402.03766), section 3.2; MobileNetV3 (arXiv:1905.02244).
 * Easy to get wrong: norms go over the channels of each pixel; the squeezed width is rounded to a multiple of 8; the
 * gate is the hard sigmoid; the blocks are numbered from 1, the linear layers 1 and 3 (v1) or 0 and 2 (v2).
 */
#include "connector/connector.h"
#include "ops/add.h"
#include "ops/depthwise.h"
#include "ops/hard.h"
#include "ops/resample.h"

#include <stdio.h>

enum { KERNEL = 3, SHRINK = 2, SQUEEZE = 4, ROUND = 8 };

static const double EPS = 1e-5;

typedef struct ldp_block {
    pc_param *depthwise; /* [D',1,3,3] */
    pc_norm_weights depthwise_norm, pointwise_norm;
    pc_linear_weights squeeze, excite, pointwise; /* kept as convolutions: [N,K,1,1] */
} ldp_block;

typedef struct ldp_weights {
    pc_mlp_weights mlp;
    ldp_block blocks[2];
    pc_param *kernel, *bias; /* v2: [D',1,3,3], [D'] */
} ldp_weights;

/* MobileNet's rounding: to the nearest multiple, but not to less than 90 %. */
static int64_t squeezed(int64_t width)
{
    int64_t wanted = width / SQUEEZE, rounded = (wanted + ROUND / 2) / ROUND * ROUND;
    rounded = rounded < ROUND ? ROUND : rounded;
    return 10 * rounded < 9 * wanted ? rounded + ROUND : rounded;
}

static pc_status check(const void *any, const pc_connector_dims *dims, const char *where)
{
    (void)any;
    PC_TRY(pc_connector_need_grid(dims, "ldp", where));
    return dims->rows < SHRINK || dims->columns < SHRINK
               ? pc_fail(PC_ERR_DATA, "%s: %lld x %lld patches are too few for ldp", where, (long long)dims->rows,
                         (long long)dims->columns)
               : PC_OK;
}

static pc_grid_size half(int64_t rows, int64_t columns)
{
    return (pc_grid_size){(rows + 1) / SHRINK, (columns + 1) / SHRINK};
}

static int64_t tokens(const void *any, const pc_connector_dims *dims)
{
    pc_grid_size size = half(dims->rows, dims->columns);
    (void)any;
    return size.rows * size.columns;
}

static void declare_point(pc_scope *scope, pc_linear_weights *weights, int64_t out, int64_t in, bool bias, const char *name)
{
    weights->weight = pc_declare(scope, PC_NORMAL(pc_scope_std(scope, in)), pc_dims(4, out, in, 1, 1), "%s.weight", name);
    weights->bias = bias ? pc_declare(scope, PC_ZEROS, pc_dims(1, out), "%s.bias", name) : NULL;
}

static pc_param *declare_kernel(pc_scope *scope, int64_t width, const char *name)
{
    pc_init init = PC_NORMAL(pc_scope_std(scope, KERNEL * KERNEL));
    pc_param *kernel = pc_declare(scope, init, pc_dims(4, width, 1, KERNEL, KERNEL), "%s.weight", name);
    if (kernel) {
        kernel->any_type = false;
    }
    return kernel;
}

static void declare_block(pc_scope *scope, ldp_block *block, int64_t width, int number)
{
    static const char *const parts[] = {"0.0", "0.1", "1.fc1", "1.fc2", "2.0", "2.1"};
    char names[6][64];
    for (int i = 0; i < 6; i++) {
        snprintf(names[i], sizeof names[i], "model.mb_block.%d.block.%s", number, parts[i]);
    }
    block->depthwise = declare_kernel(scope, width, names[0]);
    pc_norm_declare(scope, &block->depthwise_norm, width, true, names[1]);
    declare_point(scope, &block->squeeze, squeezed(width), width, true, names[2]);
    declare_point(scope, &block->excite, width, squeezed(width), true, names[3]);
    declare_point(scope, &block->pointwise, width, width, false, names[4]);
    pc_norm_declare(scope, &block->pointwise_norm, width, true, names[5]);
}

static void declare(pc_scope *scope, const void *any, const pc_connector_dims *dims, void *any_weights)
{
    ldp_weights *weights = any_weights;
    (void)any;
    pc_linear_declare(scope, &weights->mlp.up, dims->out, dims->in, true, 1, "model.mlp.1");
    pc_linear_declare(scope, &weights->mlp.down, dims->out, dims->out, true, 1, "model.mlp.3");
    declare_block(scope, &weights->blocks[0], dims->out, 1);
    declare_block(scope, &weights->blocks[1], dims->out, 2);
}

static pc_tensor *block_forward(const pc_build *build, const ldp_block *block, pc_tensor *x, pc_grid_size size, int64_t stride)
{
    pc_graph *graph = build->graph;
    pc_grid_size left = stride == 1 ? size : half(size.rows, size.columns);
    x = pc_depthwise(graph, x, pc_use(build, block->depthwise), NULL, (pc_depthwise_params){size, stride}); /* [N,P',D'] */
    x = pc_hard_swish(graph, pc_norm_forward(build, &block->depthwise_norm, x, EPS));
    pc_tensor *gate = pc_pool_grid(graph, x, (pc_pool_params){left, {1, 1}}); /* [N,1,D'] */
    gate = pc_activate(graph, pc_linear_forward(build, &block->squeeze, gate, NULL), PC_ACT_RELU);
    gate = pc_hard_sigmoid(graph, pc_linear_forward(build, &block->excite, gate, NULL));
    x = pc_linear_forward(build, &block->pointwise, pc_channel_scale(graph, x, gate), NULL);
    return pc_norm_forward(build, &block->pointwise_norm, x, EPS); /* [N,P',D'] */
}

static pc_tensor *forward(const pc_build *build, const void *any, const void *any_weights, const pc_connector_input *in)
{
    const ldp_weights *weights = any_weights;
    pc_grid_size size = {in->rows, in->columns};
    (void)any;
    pc_tensor *x = pc_mlp_forward(build, &weights->mlp, in->features, PC_ACT_GELU, NULL); /* [N,P,D'] */
    x = pc_add(build->graph, block_forward(build, &weights->blocks[0], x, size, 1), x);
    return block_forward(build, &weights->blocks[1], x, size, SHRINK); /* [N,P/4,D'] */
}

/* --- the second version --- */

static void declare_v2(pc_scope *scope, const void *any, const pc_connector_dims *dims, void *any_weights)
{
    ldp_weights *weights = any_weights;
    (void)any;
    pc_linear_declare(scope, &weights->mlp.up, dims->out, dims->in, true, 1, "mlp.mlp.0");
    pc_linear_declare(scope, &weights->mlp.down, dims->out, dims->out, true, 1, "mlp.mlp.2");
    weights->kernel = declare_kernel(scope, dims->out, "peg.peg.0");
    weights->bias = pc_declare(scope, PC_ZEROS, pc_dims(1, dims->out), "peg.peg.0.bias");
}

static pc_tensor *forward_v2(const pc_build *build, const void *any, const void *any_weights, const pc_connector_input *in)
{
    const ldp_weights *weights = any_weights;
    pc_graph *graph = build->graph;
    pc_grid_size size = {in->rows, in->columns}, left = half(in->rows, in->columns);
    (void)any;
    pc_tensor *x = pc_mlp_forward(build, &weights->mlp, in->features, PC_ACT_GELU, NULL); /* [N,P,D'] */
    x = pc_pool_grid(graph, x, (pc_pool_params){size, left});                             /* [N,P/4,D'] */
    pc_tensor *near = pc_depthwise(graph, x, pc_use(build, weights->kernel), pc_use(build, weights->bias),
                                   (pc_depthwise_params){left, 1});
    return pc_add(graph, near, x);
}

const pc_connector_type pc_connector_ldp = {
    .name = "ldp",
    .config_size = 1,
    .weights_size = sizeof(ldp_weights),
    .check = check,
    .tokens = tokens,
    .declare = declare,
    .forward = forward,
};

const pc_connector_type pc_connector_ldpv2 = {
    .name = "ldpv2",
    .config_size = 1,
    .weights_size = sizeof(ldp_weights),
    .check = check,
    .tokens = tokens,
    .declare = declare_v2,
    .forward = forward_v2,
};
