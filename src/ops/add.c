/* x + y with y repeated over leading dims, and the sum that is its gradient. */
#include "ops/add.h"

#include "ops/common.h"

static pc_status add_shape(pc_node *node)
{
    if (!pc_is_suffix(node->in[0], node->in[1])) {
        return pc_op_shape_error(node, node->in[1], "a suffix of the first operand's shape");
    }
    return pc_shape_same(node);
}

static void add_grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    din[0] = dout[0];
    if (node->in[1]->needs_grad) {
        bool same = node->in[0]->max.ndim == node->in[1]->max.ndim;
        din[1] = same ? dout[0] : pc_sum_to(graph, dout[0], node->in[1]);
    }
}

static void add_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t count = pc_count(node->out[0]), period = pc_count(node->in[1]);
    for (int64_t i = 0; i < count; i++) {
        pc_tensor_set(node->out[0], i, pc_tensor_get(node->in[0], i) + pc_tensor_get(node->in[1], i % period));
    }
}

static pc_cost add_cost(const pc_node *node)
{
    return pc_cost_elementwise(node, 1);
}

const pc_op pc_op_add = {
    .name = "add",
    .in_place = true,
    .shape = add_shape,
    .grad = add_grad,
    .cost = add_cost,
    .reference = add_reference,
};

pc_tensor *pc_add(pc_graph *graph, pc_tensor *x, pc_tensor *y)
{
    pc_tensor *in[] = {x, y};
    return pc_graph_add(graph, &pc_op_add, in, 2, 1, NULL);
}

static pc_status sum_shape(pc_node *node)
{
    int64_t period = pc_count(node->in[1]), count = pc_count(node->in[0]);
    if (period ? count % period != 0 : count != 0) {
        return pc_op_shape_error(node, node->in[0], "a repetition of the wanted shape");
    }
    node->out[0]->shape = node->in[1]->shape;
    node->out[0]->dtype = node->in[0]->dtype;
    return PC_OK;
}

static void sum_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t period = pc_count(node->out[0]), repeats = period ? pc_count(node->in[0]) / period : 0;
    for (int64_t i = 0; i < period; i++) {
        double sum = node->accumulate ? pc_tensor_get(node->out[0], i) : 0;
        for (int64_t r = 0; r < repeats; r++) {
            sum += pc_tensor_get(node->in[0], r * period + i);
        }
        pc_tensor_set(node->out[0], i, sum);
    }
}

static pc_cost sum_cost(const pc_node *node)
{
    double count = (double)pc_count(node->in[0]);
    return (pc_cost){count, (double)pc_tensor_bytes(node->in[0])};
}

const pc_op pc_op_sum_to = {
    .name = "sum_to",
    .can_accumulate = true,
    .shape = sum_shape,
    .cost = sum_cost,
    .reference = sum_reference,
};

pc_tensor *pc_sum_to(pc_graph *graph, pc_tensor *x, pc_tensor *like)
{
    pc_tensor *in[] = {x, like};
    return pc_graph_add(graph, &pc_op_sum_to, in, 2, 1, NULL);
}
