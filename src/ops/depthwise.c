/* Depthwise convolution over features in a grid, and scaling of channels.
 *
 * Source: Howard et al. 2019 (MobileNetV3, arXiv:1905.02244). The layout is that of the tokens, channels last; the weight
 * lies as torch's Conv2d(groups = channels) stores it, [D,1,k,k].
 */
#include "ops/depthwise.h"

#include "ops/common.h"
#include "ops/multiply.h"

typedef struct view {
    int64_t groups, rows, columns, width, kernel, stride, out_rows, out_columns;
} view;

static view view_of(const pc_node *node)
{
    const pc_depthwise_params *p = node->params;
    view v = {
        .groups = node->in[0]->shape.dim[0], .rows = p->from.rows, .columns = p->from.columns,
        .width = node->in[0]->shape.dim[2], .kernel = node->in[1]->shape.dim[2], .stride = p->stride,
    };
    v.out_rows = (v.rows + v.stride - 1) / v.stride;
    v.out_columns = (v.columns + v.stride - 1) / v.stride;
    return v;
}

static pc_status check_inputs(const pc_node *node)
{
    const pc_depthwise_params *p = node->params;
    const pc_shape *x = &node->in[0]->shape, *w = &node->in[1]->shape;
    if (p->from.rows < 1 || p->from.columns < 1 || p->stride < 1 || x->ndim != 3 ||
        x->dim[1] != p->from.rows * p->from.columns) {
        return pc_op_shape_error(node, node->in[0], "[N,R*S,D] with a row for each cell of its grid");
    }
    if (w->ndim != 4 || w->dim[0] != x->dim[2] || w->dim[1] != 1 || w->dim[2] != w->dim[3] || w->dim[2] % 2 == 0) {
        return pc_op_shape_error(node, node->in[1], "[D,1,k,k] with the features' width and an odd k");
    }
    return PC_OK;
}

static pc_status depthwise_shape(pc_node *node)
{
    PC_TRY(check_inputs(node));
    view v = view_of(node);
    if (node->inputs > 2 && pc_count(node->in[2]) != v.width) {
        return pc_op_shape_error(node, node->in[2], "a bias for each channel");
    }
    node->out[0]->shape = pc_dims(3, v.groups, v.out_rows * v.out_columns, v.width);
    node->out[0]->dtype = node->in[0]->dtype;
    return PC_OK;
}

/* Row of x under tap t of the output cell, or -1 outside the grid. */
static int64_t row_under(const view *v, int64_t n, int64_t cell, int64_t t)
{
    int64_t r = cell / v->out_columns * v->stride + t / v->kernel - v->kernel / 2;
    int64_t c = cell % v->out_columns * v->stride + t % v->kernel - v->kernel / 2;
    bool inside = r >= 0 && r < v->rows && c >= 0 && c < v->columns;
    return inside ? (n * v->rows + r) * v->columns + c : -1;
}

static void depthwise_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    view v = view_of(node);
    int64_t cells = v.out_rows * v.out_columns, taps = v.kernel * v.kernel;
    for (int64_t i = 0; i < v.groups * cells * v.width; i++) {
        int64_t d = i % v.width, cell = i / v.width % cells, n = i / (v.width * cells);
        double sum = node->inputs > 2 ? pc_tensor_get(node->in[2], d) : 0;
        for (int64_t t = 0; t < taps; t++) {
            int64_t row = row_under(&v, n, cell, t);
            sum += row < 0 ? 0 : pc_tensor_get(node->in[0], row * v.width + d) * pc_tensor_get(node->in[1], d * taps + t);
        }
        pc_tensor_set(node->out[0], i, sum);
    }
}

static void depthwise_grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    pc_tensor *in[] = {node->in[0], node->in[1], dout[0]};
    din[0] = pc_graph_add(graph, &pc_op_depthwise_grad, in, 3, 3, node->params);
    bool failed = pc_graph_failed(graph);
    din[1] = failed ? din[0] : din[0]->node->out[1];
    if (node->inputs > 2) {
        din[2] = failed ? din[0] : din[0]->node->out[2];
    }
}

static pc_cost depthwise_cost(const pc_node *node)
{
    const pc_shape *w = &node->in[1]->shape;
    return pc_cost_elementwise(node, 2 * (double)w->dim[2] * (double)w->dim[3]);
}

const pc_op pc_op_depthwise = {
    .name = "depthwise",
    .params_size = sizeof(pc_depthwise_params),
    .shape = depthwise_shape,
    .grad = depthwise_grad,
    .cost = depthwise_cost,
    .reference = depthwise_reference,
};

pc_tensor *pc_depthwise(pc_graph *graph, pc_tensor *x, pc_tensor *w, pc_tensor *b, pc_depthwise_params params)
{
    pc_tensor *in[] = {x, w, b};
    return pc_graph_add(graph, &pc_op_depthwise, in, b ? 3 : 2, 1, &params);
}

static pc_status depthwise_grad_shape(pc_node *node)
{
    PC_TRY(check_inputs(node));
    node->out[0]->shape = node->in[0]->shape;
    node->out[1]->shape = node->in[1]->shape;
    node->out[2]->shape = pc_dims(1, node->in[0]->shape.dim[2]);
    for (int i = 0; i < 3; i++) {
        node->out[i]->dtype = node->in[0]->dtype;
    }
    return PC_OK;
}

static void add_to(pc_tensor *x, int64_t i, double value)
{
    pc_tensor_set(x, i, pc_tensor_get(x, i) + value);
}

static void depthwise_grad_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    view v = view_of(node);
    int64_t cells = v.out_rows * v.out_columns, taps = v.kernel * v.kernel;
    for (int o = 0; o < 3; o++) {
        for (int64_t i = 0, count = pc_count(node->out[o]); i < count; i++) {
            pc_tensor_set(node->out[o], i, 0);
        }
    }
    for (int64_t i = 0; i < v.groups * cells * v.width; i++) {
        int64_t d = i % v.width, cell = i / v.width % cells, n = i / (v.width * cells);
        double dy = pc_tensor_get(node->in[2], i);
        add_to(node->out[2], d, dy);
        for (int64_t t = 0; t < taps; t++) {
            int64_t row = row_under(&v, n, cell, t);
            if (row >= 0) {
                add_to(node->out[0], row * v.width + d, dy * pc_tensor_get(node->in[1], d * taps + t));
                add_to(node->out[1], d * taps + t, dy * pc_tensor_get(node->in[0], row * v.width + d));
            }
        }
    }
}

const pc_op pc_op_depthwise_grad = {
    .name = "depthwise_grad",
    .params_size = sizeof(pc_depthwise_params),
    .shape = depthwise_grad_shape,
    .cost = depthwise_cost,
    .reference = depthwise_grad_reference,
};

/* --- channel_scale --- */

static pc_status scale_shape(pc_node *node)
{
    const pc_shape *x = &node->in[0]->shape;
    if (x->ndim != 3) {
        return pc_op_shape_error(node, node->in[0], "[N,P,D]");
    }
    if (pc_count(node->in[1]) != x->dim[0] * x->dim[2]) {
        return pc_op_shape_error(node, node->in[1], "a factor for each group and channel");
    }
    node->out[0]->shape = *x;
    node->out[0]->dtype = node->in[0]->dtype;
    return PC_OK;
}

static void scale_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    const pc_shape *x = &node->in[0]->shape;
    for (int64_t i = 0, count = pc_count(node->in[0]); i < count; i++) {
        int64_t n = i / (x->dim[1] * x->dim[2]), d = i % x->dim[2];
        pc_tensor_set(node->out[0], i, pc_tensor_get(node->in[0], i) * pc_tensor_get(node->in[1], n * x->dim[2] + d));
    }
}

/* ds is the sum over rows: their mean, P times. */
static void scale_grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    int64_t rows = node->in[0]->max.dim[1];
    if (node->in[0]->needs_grad) {
        din[0] = pc_channel_scale(graph, dout[0], node->in[1]);
    }
    if (node->in[1]->needs_grad) {
        pc_pool_params all = {.from = {rows, 1}, .to = {1, 1}};
        pc_tensor *mean = pc_pool_grid(graph, pc_multiply(graph, dout[0], node->in[0]), all); /* [N,1,D] */
        pc_shape shape = node->in[1]->max;
        shape.dim[0] = -1;
        din[1] = pc_reshape(graph, pc_scale(graph, mean, (double)rows), shape);
    }
}

static pc_cost scale_cost(const pc_node *node)
{
    return pc_cost_elementwise(node, 1);
}

const pc_op pc_op_channel_scale = {
    .name = "channel_scale",
    .shape = scale_shape,
    .grad = scale_grad,
    .cost = scale_cost,
    .reference = scale_reference,
};

pc_tensor *pc_channel_scale(pc_graph *graph, pc_tensor *x, pc_tensor *s)
{
    pc_tensor *in[] = {x, s};
    return pc_graph_add(graph, &pc_op_channel_scale, in, 2, 1, NULL);
}
