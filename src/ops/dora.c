/* out_n = 1 / sqrt(sum_k (W_nk + factor delta_nk)^2).
 *
 * Source: DoRA, Liu et al. 2024 (arXiv:2402.09353), equation 5; no gradient flows through the length (section 4.3, equation 11).
 */
#include "ops/dora.h"

#include "ops/common.h"

#include <math.h>

static pc_status shape(pc_node *node)
{
    const pc_shape *w = &node->in[0]->shape;
    if (w->ndim != 2 || !pc_shape_equal(w, &node->in[1]->shape)) {
        return pc_op_shape_error(node, node->in[1], "the weight's shape [N,K]");
    }
    node->out[0]->shape = pc_dims(1, w->dim[0]);
    node->out[0]->dtype = pc_float_type(node->in[0]);
    return PC_OK;
}

static void no_gradient(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    (void)graph;
    (void)node;
    (void)dout;
    (void)din;
}

static void reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t rows = node->in[0]->shape.dim[0], width = node->in[0]->shape.dim[1];
    double factor = ((const pc_inverse_lengths_params *)node->params)->factor;
    for (int64_t n = 0; n < rows; n++) {
        double sum = 0;
        for (int64_t k = 0; k < width; k++) {
            double w = pc_tensor_get(node->in[0], n * width + k) + factor * pc_tensor_get(node->in[1], n * width + k);
            sum += w * w;
        }
        pc_tensor_set(node->out[0], n, sum > 0 ? 1 / sqrt(sum) : 0);
    }
}

static pc_cost cost(const pc_node *node)
{
    return pc_cost_elementwise(node, 4 * (double)pc_shape_last(&node->in[0]->shape));
}

const pc_op pc_op_inverse_lengths = {
    .name = "inverse_lengths",
    .params_size = sizeof(pc_inverse_lengths_params),
    .shape = shape,
    .grad = no_gradient,
    .cost = cost,
    .reference = reference,
};

pc_tensor *pc_inverse_lengths(pc_graph *graph, pc_tensor *weight, pc_tensor *delta, double factor)
{
    pc_inverse_lengths_params params = {factor};
    pc_tensor *in[] = {weight, delta};
    return pc_graph_add(graph, &pc_op_inverse_lengths, in, 2, 1, &params);
}
