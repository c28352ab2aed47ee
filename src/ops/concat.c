/* Rows of one group behind those of another; the gradients are slices. */
#include "ops/concat.h"

#include "ops/common.h"
#include "ops/rows.h"

static pc_status concat_shape(pc_node *node)
{
    const pc_shape *x = &node->in[0]->shape, *y = &node->in[1]->shape;
    if (x->ndim != 3) {
        return pc_op_shape_error(node, node->in[0], "[N,P,D]");
    }
    if (y->ndim != 3 || y->dim[0] != x->dim[0] || y->dim[2] != x->dim[2]) {
        return pc_op_shape_error(node, node->in[1], "[N,Q,D] with the groups and the width of the first");
    }
    node->out[0]->shape = pc_dims(3, x->dim[0], x->dim[1] + y->dim[1], x->dim[2]);
    node->out[0]->dtype = node->in[0]->dtype;
    return PC_OK;
}

/* Copy the group n of `from`, whose rows begin at `first` in the result. */
static void copy_group(pc_tensor *out, const pc_tensor *from, int64_t n, int64_t first)
{
    int64_t rows = from->shape.dim[1], all = out->shape.dim[1], width = out->shape.dim[2];
    for (int64_t i = 0; i < rows * width; i++) {
        pc_tensor_set(out, (n * all + first) * width + i, pc_tensor_get(from, n * rows * width + i));
    }
}

static void concat_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    for (int64_t n = 0; n < node->out[0]->shape.dim[0]; n++) {
        copy_group(node->out[0], node->in[0], n, 0);
        copy_group(node->out[0], node->in[1], n, node->in[0]->shape.dim[1]);
    }
}

static void concat_grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    int64_t first = node->in[0]->max.dim[1];
    if (node->in[0]->needs_grad) {
        din[0] = pc_slice(graph, dout[0], 0, first);
    }
    if (node->in[1]->needs_grad) {
        din[1] = pc_slice(graph, dout[0], first, 0);
    }
}

static pc_cost concat_cost(const pc_node *node)
{
    return (pc_cost){0, 2 * (double)pc_tensor_bytes(node->out[0])};
}

const pc_op pc_op_concat = {
    .name = "concat",
    .shape = concat_shape,
    .grad = concat_grad,
    .cost = concat_cost,
    .reference = concat_reference,
};

pc_tensor *pc_concat(pc_graph *graph, pc_tensor *x, pc_tensor *y)
{
    pc_tensor *in[] = {x, y};
    return pc_graph_add(graph, &pc_op_concat, in, 2, 1, NULL);
}

pc_tensor *pc_concat_features(pc_graph *graph, pc_tensor *x, pc_tensor *y)
{
    int64_t width = pc_shape_last(&x->max) + pc_shape_last(&y->max);
    pc_shape shape = x->max;
    if (pc_graph_failed(graph)) {
        return x; /* its shape may be empty */
    }
    pc_tensor *a = pc_reshape(graph, x, pc_dims(3, -1, pc_shape_last(&x->max), 1));
    pc_tensor *b = pc_reshape(graph, y, pc_dims(3, -1, pc_shape_last(&y->max), 1));
    shape.dim[0] = -1;
    shape.dim[shape.ndim - 1] = width;
    return pc_reshape(graph, pc_concat(graph, a, b), shape);
}
