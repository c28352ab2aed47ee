/* Transpose of a matrix; its gradient is the transpose. */
#include "ops/transpose.h"

#include "ops/common.h"

static pc_status shape(pc_node *node)
{
    const pc_shape *x = &node->in[0]->shape;
    if (x->ndim != 2) {
        return pc_op_shape_error(node, node->in[0], "a matrix");
    }
    node->out[0]->shape = pc_dims(2, x->dim[1], x->dim[0]);
    node->out[0]->dtype = node->in[0]->dtype;
    return PC_OK;
}

static void reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t rows = node->in[0]->shape.dim[0], columns = node->in[0]->shape.dim[1];
    for (int64_t i = 0; i < rows * columns; i++) {
        pc_tensor_set(node->out[0], i % columns * rows + i / columns, pc_tensor_get(node->in[0], i));
    }
}

static void grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    (void)node;
    din[0] = pc_transpose(graph, dout[0]);
}

static pc_cost cost(const pc_node *node)
{
    return (pc_cost){0, 2 * (double)pc_tensor_bytes(node->out[0])};
}

const pc_op pc_op_transpose = {
    .name = "transpose",
    .shape = shape,
    .grad = grad,
    .cost = cost,
    .reference = reference,
};

pc_tensor *pc_transpose(pc_graph *graph, pc_tensor *x)
{
    return pc_graph_add(graph, &pc_op_transpose, &x, 1, 1, NULL);
}
