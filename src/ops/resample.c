/* Features in a grid: bicubic resizing of a table, means over cells.
 *
 * Source: Keys 1981 for the cubic kernel; torch.nn.functional interpolate and adaptive_avg_pool2d for the conventions.
 * Easy to get wrong: torch's a is -0.75 (Pillow's -0.5) and shrinking is not antialiased; a cell's rows go from a floor to
 * a ceiling, so that neighbouring cells may share some.
 */
#include "ops/resample.h"

#include "ops/common.h"

#include <math.h>

static int64_t cells_of(pc_grid_size size)
{
    return size.rows * size.columns;
}

static bool is_grid(pc_grid_size size)
{
    return size.rows > 0 && size.columns > 0;
}

static void fill_zero(pc_tensor *x)
{
    for (int64_t i = 0, count = pc_count(x); i < count; i++) {
        pc_tensor_set(x, i, 0);
    }
}

static void add_to(pc_tensor *x, int64_t i, double value)
{
    pc_tensor_set(x, i, pc_tensor_get(x, i) + value);
}

static pc_cost move_cost(const pc_node *node)
{
    return pc_cost_elementwise(node, 0);
}

/* --- resize_grid --- */

enum { TAPS = 4 };

typedef struct taps {
    int64_t at[TAPS];
    double weight[TAPS];
} taps;

static double keys_kernel(double x)
{
    static const double A = -0.75;
    x = fabs(x);
    if (x <= 1) {
        return ((A + 2) * x - (A + 3)) * x * x + 1;
    }
    return x < 2 ? ((A * x - 5 * A) * x + 8 * A) * x - 4 * A : 0;
}

static taps taps_of(int64_t to, int64_t out, int64_t in)
{
    double source = ((double)to + 0.5) * (double)in / (double)out - 0.5, base = floor(source);
    taps result;
    for (int t = 0; t < TAPS; t++) {
        int64_t at = (int64_t)base - 1 + t;
        result.at[t] = at < 0 ? 0 : at >= in ? in - 1 : at;
        result.weight[t] = keys_kernel(source - (base - 1 + t));
    }
    return result;
}

static pc_status resize_shape(pc_node *node)
{
    const pc_resize_params *p = node->params;
    const pc_shape *x = &node->in[0]->shape;
    if (!is_grid(p->from) || !is_grid(p->to) || x->ndim != 2 || x->dim[0] != p->prefix + cells_of(p->from)) {
        return pc_op_shape_error(node, node->in[0], "a table with a row for each cell of its grid");
    }
    node->out[0]->shape = pc_dims(2, p->prefix + cells_of(p->to), x->dim[1]);
    node->out[0]->dtype = pc_float_type(node->in[0]);
    return PC_OK;
}

/* One cell of the large side of the product: visit(out row, in row, weight). */
typedef void (*visitor)(const pc_node *node, int64_t to, int64_t from, double weight);

static void visit_taps(const pc_node *node, visitor visit)
{
    const pc_resize_params *p = node->params;
    for (int64_t i = 0; i < p->prefix; i++) {
        visit(node, i, i, 1);
    }
    for (int64_t r = 0; r < p->to.rows; r++) {
        taps down = taps_of(r, p->to.rows, p->from.rows);
        for (int64_t c = 0; c < p->to.columns; c++) {
            taps across = taps_of(c, p->to.columns, p->from.columns);
            for (int t = 0; t < TAPS * TAPS; t++) {
                int y = t / TAPS, x = t % TAPS;
                visit(node, p->prefix + r * p->to.columns + c,
                      p->prefix + down.at[y] * p->from.columns + across.at[x], down.weight[y] * across.weight[x]);
            }
        }
    }
}

static void resize_row(const pc_node *node, int64_t to, int64_t from, double weight)
{
    int64_t width = node->out[0]->shape.dim[1];
    for (int64_t d = 0; d < width; d++) {
        add_to(node->out[0], to * width + d, weight * pc_tensor_get(node->in[0], from * width + d));
    }
}

static void resize_reference(const pc_call *call)
{
    fill_zero(call->node->out[0]);
    visit_taps(call->node, resize_row);
}

static void resize_grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    pc_tensor *in[] = {dout[0], node->in[0]};
    din[0] = pc_graph_add(graph, &pc_op_resize_grid_grad, in, 2, 1, node->params);
}

const pc_op pc_op_resize_grid = {
    .name = "resize_grid",
    .params_size = sizeof(pc_resize_params),
    .shape = resize_shape,
    .grad = resize_grad,
    .cost = move_cost,
    .reference = resize_reference,
};

pc_tensor *pc_resize_grid(pc_graph *graph, pc_tensor *x, pc_resize_params params)
{
    return pc_graph_add(graph, &pc_op_resize_grid, &x, 1, 1, &params);
}

static pc_status like_shape(pc_node *node)
{
    node->out[0]->shape = node->in[1]->shape;
    node->out[0]->dtype = node->in[0]->dtype;
    return PC_OK;
}

static void resize_back_row(const pc_node *node, int64_t to, int64_t from, double weight)
{
    int64_t width = node->out[0]->shape.dim[1];
    for (int64_t d = 0; d < width; d++) {
        add_to(node->out[0], from * width + d, weight * pc_tensor_get(node->in[0], to * width + d));
    }
}

static void resize_grad_reference(const pc_call *call)
{
    fill_zero(call->node->out[0]);
    visit_taps(call->node, resize_back_row);
}

const pc_op pc_op_resize_grid_grad = {
    .name = "resize_grid_grad",
    .params_size = sizeof(pc_resize_params),
    .shape = like_shape,
    .cost = move_cost,
    .reference = resize_grad_reference,
};

/* --- pool_grid --- */

static pc_status pool_shape(pc_node *node)
{
    const pc_pool_params *p = node->params;
    const pc_shape *x = &node->in[0]->shape;
    if (!is_grid(p->from) || !is_grid(p->to) || x->ndim != 3 || x->dim[1] != cells_of(p->from)) {
        return pc_op_shape_error(node, node->in[0], "[N,R*S,D] with a row for each cell of its grid");
    }
    node->out[0]->shape = pc_dims(3, x->dim[0], cells_of(p->to), x->dim[2]);
    node->out[0]->dtype = node->in[0]->dtype;
    return PC_OK;
}

typedef struct cell {
    int64_t top, bottom, left, right;
    double share; /* of each member in the mean */
} cell;

static cell cell_of(const pc_pool_params *p, int64_t index)
{
    int64_t r = index / p->to.columns, c = index % p->to.columns;
    cell out = {
        .top = r * p->from.rows / p->to.rows,
        .bottom = ((r + 1) * p->from.rows + p->to.rows - 1) / p->to.rows,
        .left = c * p->from.columns / p->to.columns,
        .right = ((c + 1) * p->from.columns + p->to.columns - 1) / p->to.columns,
    };
    out.share = 1 / (double)((out.bottom - out.top) * (out.right - out.left));
    return out;
}

static void pool_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    const pc_pool_params *p = node->params;
    const pc_shape *x = &node->in[0]->shape;
    int64_t width = x->dim[2], cells = cells_of(p->to);
    for (int64_t i = 0; i < x->dim[0] * cells * width; i++) {
        int64_t n = i / (cells * width), d = i % width;
        cell at = cell_of(p, i / width % cells);
        double sum = 0;
        for (int64_t r = at.top; r < at.bottom; r++) {
            for (int64_t c = at.left; c < at.right; c++) {
                sum += pc_tensor_get(node->in[0], ((n * x->dim[1]) + r * p->from.columns + c) * width + d);
            }
        }
        pc_tensor_set(node->out[0], i, sum * at.share);
    }
}

static void pool_grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    pc_tensor *in[] = {dout[0], node->in[0]};
    din[0] = pc_graph_add(graph, &pc_op_pool_grid_grad, in, 2, 1, node->params);
}

const pc_op pc_op_pool_grid = {
    .name = "pool_grid",
    .params_size = sizeof(pc_pool_params),
    .shape = pool_shape,
    .grad = pool_grad,
    .cost = move_cost,
    .reference = pool_reference,
};

pc_tensor *pc_pool_grid(pc_graph *graph, pc_tensor *x, pc_pool_params params)
{
    return pc_graph_add(graph, &pc_op_pool_grid, &x, 1, 1, &params);
}

static void pool_grad_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    const pc_pool_params *p = node->params;
    const pc_shape *x = &node->out[0]->shape;
    int64_t width = x->dim[2], cells = cells_of(p->to);
    fill_zero(node->out[0]);
    for (int64_t i = 0; i < x->dim[0] * cells * width; i++) {
        int64_t n = i / (cells * width), d = i % width;
        cell at = cell_of(p, i / width % cells);
        double share = at.share * pc_tensor_get(node->in[0], i);
        for (int64_t r = at.top; r < at.bottom; r++) {
            for (int64_t c = at.left; c < at.right; c++) {
                add_to(node->out[0], ((n * x->dim[1]) + r * p->from.columns + c) * width + d, share);
            }
        }
    }
}

const pc_op pc_op_pool_grid_grad = {
    .name = "pool_grid_grad",
    .params_size = sizeof(pc_pool_params),
    .shape = like_shape,
    .cost = move_cost,
    .reference = pool_grad_reference,
};
