/* Softmax cross-entropy, and SigLIP's pairwise sigmoid loss.
 *
 *   loss = sum over rows u, over their targets t:  w_t ((1-s) (lse_u - l_u[y_t]) + s mean_v (lse_u - l_u[v]))
 *   dl_u[v] = dloss sum_t w_t (softmax(l_u)[v] - (1-s) [v = y_t] - s/V)
 * Source: SigLIP, Zhai et al. 2023 (arXiv:2303.15343), algorithm 1.
 */
#include "ops/loss.h"

#include "ops/common.h"

#include <math.h>

static double smoothing_of(const pc_node *node)
{
    return ((const pc_cross_entropy_params *)node->params)->label_smoothing;
}

/* The targets of a row; starts may be NULL: one a row. */
typedef struct group { int64_t begin, end; } group;
static group targets_of(const pc_tensor *starts, int64_t row)
{
    return starts ? (group){pc_i32(starts)[row], pc_i32(starts)[row + 1]} : (group){row, row + 1};
}

static pc_status check(const pc_node *node, const pc_tensor *starts)
{
    int64_t rows = pc_shape_rows(&node->in[0]->shape), targets = pc_count(node->in[1]);
    if (starts && rows > 0 && pc_count(starts) != rows + 1) {
        return pc_op_shape_error(node, starts, "where the targets of each row of logits start, and their end");
    }
    if (!starts && targets != rows) {
        return pc_op_shape_error(node, node->in[1], "one target for each row of logits");
    }
    return pc_count(node->in[2]) == targets ? PC_OK : pc_op_shape_error(node, node->in[2], "one weight for each target");
}

static pc_status ce_shape(pc_node *node)
{
    PC_TRY(check(node, node->in[3]));
    node->out[0]->shape = pc_dims(1, 1);
    node->out[1]->shape = pc_dims(1, pc_shape_rows(&node->in[0]->shape));
    node->out[0]->dtype = node->out[1]->dtype = node->in[0]->dtype;
    return PC_OK;
}

static double row_lse(const pc_tensor *logits, int64_t row, int64_t width)
{
    double top = -INFINITY, sum = 0;
    for (int64_t v = 0; v < width; v++) {
        top = fmax(top, pc_tensor_get(logits, row * width + v));
    }
    for (int64_t v = 0; v < width; v++) {
        sum += exp(pc_tensor_get(logits, row * width + v) - top);
    }
    return top + log(sum);
}

static void ce_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t width = pc_shape_last(&node->in[0]->shape), rows = pc_shape_rows(&node->in[0]->shape);
    double smoothing = smoothing_of(node), loss = 0;
    for (int64_t r = 0; r < rows; r++) {
        double lse = row_lse(node->in[0], r, width), mean = 0;
        for (int64_t v = 0; smoothing > 0 && v < width; v++) {
            mean += pc_tensor_get(node->in[0], r * width + v) / (double)width;
        }
        pc_tensor_set(node->out[1], r, lse);
        group own = targets_of(node->in[3], r);
        for (int64_t t = own.begin; t < own.end; t++) {
            double target = pc_tensor_get(node->in[0], r * width + pc_i32(node->in[1])[t]);
            loss += pc_tensor_get(node->in[2], t) * (lse - (1 - smoothing) * target - smoothing * mean);
        }
    }
    pc_tensor_set(node->out[0], 0, loss);
}

static void ce_grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    pc_tensor *in[] = {node->in[0], node->in[1], node->in[2], node->out[1], dout[0], node->in[3]};
    if (!dout[0] || dout[1]) {
        pc_graph_poison(graph, pc_fail(PC_ERR_USAGE, "cross_entropy: the log-sum-exp has no gradient"));
        return;
    }
    din[0] = pc_graph_add(graph, &pc_op_cross_entropy_grad, in, 6, 1, node->params);
}

static pc_cost ce_cost(const pc_node *node)
{
    double count = (double)pc_count(node->in[0]);
    return (pc_cost){4 * count, (double)pc_tensor_bytes(node->in[0])};
}

const pc_op pc_op_cross_entropy = {
    .name = "cross_entropy",
    .params_size = sizeof(pc_cross_entropy_params),
    .shape = ce_shape,
    .grad = ce_grad,
    .cost = ce_cost,
    .reference = ce_reference,
};

pc_tensor *pc_cross_entropy(pc_graph *graph, pc_tensor *logits, pc_tensor *targets, pc_tensor *weights)
{
    return pc_cross_entropy_grouped(graph, logits, targets, weights, NULL);
}

pc_tensor *pc_cross_entropy_grouped(pc_graph *graph, pc_tensor *logits, pc_tensor *targets, pc_tensor *weights,
                                    pc_tensor *starts)
{
    pc_cross_entropy_params params = {0};
    pc_tensor *in[] = {logits, targets, weights, starts};
    return pc_graph_add(graph, &pc_op_cross_entropy, in, 4, 2, &params);
}

static pc_status ce_grad_shape(pc_node *node)
{
    PC_TRY(check(node, node->in[5]));
    return pc_shape_same(node);
}

static void ce_grad_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t width = pc_shape_last(&node->in[0]->shape), rows = pc_shape_rows(&node->in[0]->shape);
    double smoothing = smoothing_of(node), dloss = node->in[4] ? pc_tensor_get(node->in[4], 0) : 1;
    for (int64_t r = 0; r < rows; r++) {
        double lse = pc_tensor_get(node->in[3], r), weight = 0;
        group own = targets_of(node->in[5], r);
        for (int64_t t = own.begin; t < own.end; t++) {
            weight += dloss * pc_tensor_get(node->in[2], t);
        }
        for (int64_t v = 0; v < width; v++) {
            double p = exp(pc_tensor_get(node->in[0], r * width + v) - lse), hot = 0;
            for (int64_t t = own.begin; t < own.end; t++) {
                hot += v == pc_i32(node->in[1])[t] ? dloss * pc_tensor_get(node->in[2], t) * (1 - smoothing) : 0;
            }
            pc_tensor_set(node->out[0], r * width + v, weight * (p - smoothing / (double)width) - hot);
        }
    }
}

const pc_op pc_op_cross_entropy_grad = {
    .name = "cross_entropy_grad",
    .params_size = sizeof(pc_cross_entropy_params),
    .in_place = true,
    .shape = ce_grad_shape,
    .cost = ce_cost,
    .reference = ce_grad_reference,
};

/* --- SigLIP --- */

static pc_status sigmoid_shape(pc_node *node)
{
    const pc_shape *x = &node->in[0]->shape;
    if (x->ndim != 2 || x->dim[0] != x->dim[1]) {
        return pc_op_shape_error(node, node->in[0], "[B,B]");
    }
    node->out[0]->shape = pc_dims(1, 1);
    node->out[0]->dtype = node->in[0]->dtype;
    return PC_OK;
}

static double pair_sign(int64_t i, int64_t batch)
{
    return i / batch == i % batch ? 1 : -1;
}

/* log(1 + exp(x)) without overflow. */
static double softplus(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static void sigmoid_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t batch = node->in[0]->shape.dim[0];
    double loss = 0;
    for (int64_t i = 0; i < batch * batch; i++) {
        loss += softplus(-pair_sign(i, batch) * pc_tensor_get(node->in[0], i));
    }
    pc_tensor_set(node->out[0], 0, batch ? loss / (double)batch : 0);
}

static void sigmoid_grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    pc_tensor *in[] = {node->in[0], dout[0]};
    din[0] = pc_graph_add(graph, &pc_op_sigmoid_loss_grad, in, 2, 1, NULL);
}

const pc_op pc_op_sigmoid_loss = {
    .name = "sigmoid_loss",
    .shape = sigmoid_shape,
    .grad = sigmoid_grad,
    .cost = ce_cost,
    .reference = sigmoid_reference,
};

pc_tensor *pc_sigmoid_loss(pc_graph *graph, pc_tensor *logits)
{
    return pc_graph_add(graph, &pc_op_sigmoid_loss, &logits, 1, 1, NULL);
}

static void sigmoid_grad_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t batch = node->in[0]->shape.dim[0];
    double dloss = pc_tensor_get(node->in[1], 0) / (double)(batch ? batch : 1);
    for (int64_t i = 0; i < batch * batch; i++) {
        double z = pair_sign(i, batch), x = z * pc_tensor_get(node->in[0], i);
        pc_tensor_set(node->out[0], i, -dloss * z / (1 + exp(x)));
    }
}

const pc_op pc_op_sigmoid_loss_grad = {
    .name = "sigmoid_loss_grad",
    .in_place = true,
    .shape = pc_shape_same,
    .cost = ce_cost,
    .reference = sigmoid_grad_reference,
};
