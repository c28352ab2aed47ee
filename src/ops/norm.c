/* Normalisation over the last dim.
 *
 * LayerNorm:  xh = (x - mean) r, r = 1/sqrt(var + eps);  y = xh w + b
 *   dx = r (g - mean(g) - xh mean(g xh)), g = dy w;  dw = sum dy xh;  db = sum dy
 * RMSNorm:    xh = x r, r = 1/sqrt(mean(x^2) + eps);  y = xh w
 *   dx = r (g - xh mean(g xh));  dw = sum dy xh
 * Source: Ba et al. 2016; Zhang & Sennrich 2019.
 */
#include "ops/norm.h"

#include "ops/common.h"

#include <math.h>

typedef struct stats {
    double mean, r;
} stats;

static double eps_of(const pc_node *node)
{
    return ((const pc_norm_params *)node->params)->eps;
}

static stats row_stats(const pc_tensor *x, int64_t row, int64_t width, double eps, bool centred)
{
    double mean = 0, square = 0;
    for (int64_t i = 0; centred && i < width; i++) {
        mean += pc_tensor_get(x, row * width + i) / (double)width;
    }
    for (int64_t i = 0; i < width; i++) {
        double d = pc_tensor_get(x, row * width + i) - mean;
        square += d * d / (double)width;
    }
    return (stats){mean, 1 / sqrt(square + eps)};
}

/* Vectors of the last dim, one for all rows or one for each of G groups of them. */
static pc_status check_vectors(pc_node *node, int from, int to)
{
    int64_t width = pc_shape_last(&node->in[0]->shape), rows = pc_shape_rows(&node->in[0]->shape);
    for (int i = from; i <= to; i++) {
        const pc_tensor *w = node->in[i];
        const pc_shape *shape = w ? &w->shape : NULL;
        if (w && pc_count(w) != width && (shape->ndim != 2 || shape->dim[1] != width || rows % shape->dim[0])) {
            return pc_op_shape_error(node, w, "a vector as long as the last dim");
        }
        if (w && pc_count(w) != pc_count(node->in[1])) {
            return pc_op_shape_error(node, w, "as many numbers as the weight has");
        }
    }
    return PC_OK;
}

/* Where in w (and b) the numbers of a row begin. */
static int64_t vector_of(const pc_node *node, int64_t row, int64_t width)
{
    return row % (pc_count(node->in[1]) / width) * width;
}

static pc_cost cost(const pc_node *node)
{
    return pc_cost_elementwise(node, 8);
}

static pc_status norm_shape(pc_node *node)
{
    PC_TRY(check_vectors(node, 1, node->inputs - 1));
    return pc_shape_same(node);
}

static void norm_reference(const pc_call *call, bool centred)
{
    const pc_node *node = call->node;
    int64_t width = pc_shape_last(&node->in[0]->shape), rows = pc_shape_rows(&node->in[0]->shape);
    for (int64_t row = 0; row < rows; row++) {
        stats s = row_stats(node->in[0], row, width, eps_of(node), centred);
        int64_t at = vector_of(node, row, width);
        for (int64_t i = 0; i < width; i++) {
            double xh = (pc_tensor_get(node->in[0], row * width + i) - s.mean) * s.r;
            double b = centred && node->in[2] ? pc_tensor_get(node->in[2], at + i) : 0;
            pc_tensor_set(node->out[0], row * width + i, xh * pc_tensor_get(node->in[1], at + i) + b);
        }
    }
}

static void layer_norm_reference(const pc_call *call)
{
    norm_reference(call, true);
}

static void rms_norm_reference(const pc_call *call)
{
    norm_reference(call, false);
}

static void norm_grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    bool centred = node->inputs == 3;
    pc_tensor *in[] = {node->in[0], node->in[1], dout[0]};
    const pc_op *op = centred ? &pc_op_layer_norm_grad : &pc_op_rms_norm_grad;
    din[0] = pc_graph_add(graph, op, in, 3, centred ? 3 : 2, node->params);
    for (int i = 1; i < node->inputs && !pc_graph_failed(graph); i++) {
        din[i] = node->in[i] ? din[0]->node->out[i] : NULL;
    }
}

const pc_op pc_op_layer_norm = {
    .name = "layer_norm",
    .params_size = sizeof(pc_norm_params),
    .in_place = true,
    .shape = norm_shape,
    .grad = norm_grad,
    .cost = cost,
    .reference = layer_norm_reference,
};

const pc_op pc_op_rms_norm = {
    .name = "rms_norm",
    .params_size = sizeof(pc_norm_params),
    .in_place = true,
    .shape = norm_shape,
    .grad = norm_grad,
    .cost = cost,
    .reference = rms_norm_reference,
};

pc_tensor *pc_layer_norm(pc_graph *graph, pc_tensor *x, pc_tensor *w, pc_tensor *b, double eps)
{
    pc_norm_params params = {eps};
    pc_tensor *in[] = {x, w, b};
    return pc_graph_add(graph, &pc_op_layer_norm, in, 3, 1, &params);
}

pc_tensor *pc_rms_norm(pc_graph *graph, pc_tensor *x, pc_tensor *w, double eps)
{
    pc_norm_params params = {eps};
    pc_tensor *in[] = {x, w};
    return pc_graph_add(graph, &pc_op_rms_norm, in, 2, 1, &params);
}

static pc_status norm_grad_shape(pc_node *node)
{
    PC_TRY(check_vectors(node, 1, 1));
    PC_TRY(pc_shape_same(node));
    for (int i = 1; i < node->outputs; i++) {
        node->out[i]->shape = node->in[1]->shape;
        node->out[i]->dtype = node->in[0]->dtype;
    }
    return PC_OK;
}

static void zero(pc_tensor *x)
{
    int64_t count = pc_count(x);
    for (int64_t i = 0; i < count; i++) {
        pc_tensor_set(x, i, 0);
    }
}

static void add_to(pc_tensor *x, int64_t i, double value)
{
    pc_tensor_set(x, i, pc_tensor_get(x, i) + value);
}

static void norm_grad_row(const pc_node *node, int64_t row, bool centred)
{
    int64_t width = pc_shape_last(&node->in[0]->shape), at = vector_of(node, row, width);
    stats s = row_stats(node->in[0], row, width, eps_of(node), centred);
    double mean_g = 0, mean_gx = 0;
    for (int64_t i = 0; i < width; i++) {
        double xh = (pc_tensor_get(node->in[0], row * width + i) - s.mean) * s.r;
        double g = pc_tensor_get(node->in[2], row * width + i) * pc_tensor_get(node->in[1], at + i);
        mean_g += centred ? g / (double)width : 0;
        mean_gx += g * xh / (double)width;
    }
    for (int64_t i = 0; i < width; i++) {
        double xh = (pc_tensor_get(node->in[0], row * width + i) - s.mean) * s.r;
        double dy = pc_tensor_get(node->in[2], row * width + i);
        double g = dy * pc_tensor_get(node->in[1], at + i);
        pc_tensor_set(node->out[0], row * width + i, s.r * (g - mean_g - xh * mean_gx));
        add_to(node->out[1], at + i, dy * xh);
        if (centred) {
            add_to(node->out[2], at + i, dy);
        }
    }
}

static void norm_grad_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t rows = pc_shape_rows(&node->in[0]->shape);
    for (int i = 1; i < node->outputs; i++) {
        zero(node->out[i]);
    }
    for (int64_t row = 0; row < rows; row++) {
        norm_grad_row(node, row, node->outputs == 3);
    }
}

const pc_op pc_op_layer_norm_grad = {
    .name = "layer_norm_grad",
    .params_size = sizeof(pc_norm_params),
    .shape = norm_grad_shape,
    .cost = cost,
    .reference = norm_grad_reference,
};

const pc_op pc_op_rms_norm_grad = {
    .name = "rms_norm_grad",
    .params_size = sizeof(pc_norm_params),
    .shape = norm_grad_shape,
    .cost = cost,
    .reference = norm_grad_reference,
};

static double row_norm(const pc_tensor *x, int64_t row, int64_t width)
{
    double square = 0;
    for (int64_t i = 0; i < width; i++) {
        square += pc_tensor_get(x, row * width + i) * pc_tensor_get(x, row * width + i);
    }
    return sqrt(square);
}

static void l2_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t width = pc_shape_last(&node->in[0]->shape), rows = pc_shape_rows(&node->in[0]->shape);
    for (int64_t row = 0; row < rows; row++) {
        double norm = fmax(row_norm(node->in[0], row, width), eps_of(node));
        for (int64_t i = 0; i < width; i++) {
            pc_tensor_set(node->out[0], row * width + i, pc_tensor_get(node->in[0], row * width + i) / norm);
        }
    }
}

static void l2_grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    pc_tensor *in[] = {node->in[0], dout[0]};
    din[0] = pc_graph_add(graph, &pc_op_l2_norm_grad, in, 2, 1, node->params);
}

const pc_op pc_op_l2_norm = {
    .name = "l2_norm",
    .params_size = sizeof(pc_norm_params),
    .shape = pc_shape_same,
    .grad = l2_grad,
    .cost = cost,
    .reference = l2_reference,
};

pc_tensor *pc_l2_norm(pc_graph *graph, pc_tensor *x, double eps)
{
    pc_norm_params params = {eps};
    return pc_graph_add(graph, &pc_op_l2_norm, &x, 1, 1, &params);
}

/* dx = (dy - xh (xh . dy)) / |x|; where |x| < eps the divisor is the constant eps. */
static void l2_grad_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t width = pc_shape_last(&node->in[0]->shape), rows = pc_shape_rows(&node->in[0]->shape);
    for (int64_t row = 0; row < rows; row++) {
        double length = row_norm(node->in[0], row, width), norm = fmax(length, eps_of(node)), along = 0;
        for (int64_t i = 0; length > eps_of(node) && i < width; i++) {
            along += pc_tensor_get(node->in[0], row * width + i) * pc_tensor_get(node->in[1], row * width + i);
        }
        for (int64_t i = 0; i < width; i++) {
            double x = pc_tensor_get(node->in[0], row * width + i);
            double dy = pc_tensor_get(node->in[1], row * width + i);
            pc_tensor_set(node->out[0], row * width + i, (dy - x * along / (norm * norm)) / norm);
        }
    }
}

const pc_op pc_op_l2_norm_grad = {
    .name = "l2_norm_grad",
    .params_size = sizeof(pc_norm_params),
    .shape = pc_shape_same,
    .cost = cost,
    .reference = l2_grad_reference,
};
