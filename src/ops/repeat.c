/* Rows repeated for every group; the gradient sums over the groups. */
#include "ops/repeat.h"

#include "ops/add.h"
#include "ops/common.h"

static pc_status repeat_shape(pc_node *node)
{
    const pc_shape *rows = &node->in[0]->shape, *like = &node->in[1]->shape;
    if (rows->ndim != 2) {
        return pc_op_shape_error(node, node->in[0], "[Q,D]");
    }
    if (like->ndim < 1) {
        return pc_op_shape_error(node, node->in[1], "[N,..]");
    }
    node->out[0]->shape = pc_dims(3, like->dim[0], rows->dim[0], rows->dim[1]);
    node->out[0]->dtype = node->in[0]->dtype;
    return PC_OK;
}

static void repeat_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t period = pc_count(node->in[0]), count = pc_count(node->out[0]);
    for (int64_t i = 0; i < count; i++) {
        pc_tensor_set(node->out[0], i, pc_tensor_get(node->in[0], i % period));
    }
}

static void repeat_grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    din[0] = pc_sum_to(graph, dout[0], node->in[0]);
}

static pc_cost repeat_cost(const pc_node *node)
{
    return (pc_cost){0, (double)pc_tensor_bytes(node->out[0])};
}

const pc_op pc_op_repeat = {
    .name = "repeat",
    .shape = repeat_shape,
    .grad = repeat_grad,
    .cost = repeat_cost,
    .reference = repeat_reference,
};

pc_tensor *pc_repeat(pc_graph *graph, pc_tensor *rows, pc_tensor *like)
{
    pc_tensor *in[] = {rows, like};
    return pc_graph_add(graph, &pc_op_repeat, in, 2, 1, NULL);
}
