/* Hard sigmoid and hard swish. Source: Howard et al. 2019 (arXiv:1905.02244), section 5.2. */
#include "ops/hard.h"

#include "ops/common.h"
#include "ops/multiply.h"

static void hard_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t count = pc_count(node->out[0]);
    for (int64_t i = 0; i < count; i++) {
        double x = pc_tensor_get(node->in[0], i) + 3;
        pc_tensor_set(node->out[0], i, x <= 0 ? 0 : x >= 6 ? 1 : x / 6);
    }
}

static void hard_grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    pc_tensor *in[] = {node->in[0], dout[0]};
    din[0] = pc_graph_add(graph, &pc_op_hard_sigmoid_grad, in, 2, 1, NULL);
}

static pc_cost hard_cost(const pc_node *node)
{
    return pc_cost_elementwise(node, 4);
}

const pc_op pc_op_hard_sigmoid = {
    .name = "hard_sigmoid",
    .shape = pc_shape_same,
    .grad = hard_grad,
    .cost = hard_cost,
    .reference = hard_reference,
};

static void hard_grad_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t count = pc_count(node->out[0]);
    for (int64_t i = 0; i < count; i++) {
        double x = pc_tensor_get(node->in[0], i);
        pc_tensor_set(node->out[0], i, x > -3 && x < 3 ? pc_tensor_get(node->in[1], i) / 6 : 0);
    }
}

const pc_op pc_op_hard_sigmoid_grad = {
    .name = "hard_sigmoid_grad",
    .shape = pc_shape_same,
    .cost = hard_cost,
    .reference = hard_grad_reference,
};

pc_tensor *pc_hard_sigmoid(pc_graph *graph, pc_tensor *x)
{
    return pc_graph_add(graph, &pc_op_hard_sigmoid, &x, 1, 1, NULL);
}

pc_tensor *pc_hard_swish(pc_graph *graph, pc_tensor *x)
{
    return pc_multiply(graph, x, pc_hard_sigmoid(graph, x));
}
