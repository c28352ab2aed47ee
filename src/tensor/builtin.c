#include "tensor/builtin.h"

#include "tensor/graph.h"

/* literal: a dim of 0 is meant as such. */
static pc_status resolve_dims(pc_shape *out, const pc_shape *wanted, const pc_shape *from, bool literal)
{
    int64_t known = 1;
    int open = -1;
    *out = *wanted;
    for (int i = 0; i < wanted->ndim; i++) {
        if (!literal && wanted->dim[i] == 0 && i < from->ndim) {
            out->dim[i] = from->dim[i];
        }
        if (wanted->dim[i] < 0) {
            open = i;
        } else {
            known *= out->dim[i];
        }
    }
    int64_t count = pc_shape_count(from);
    if (open >= 0) {
        out->dim[open] = known ? count / known : 0;
        known *= out->dim[open];
    }
    if (known != count) {
        char a[96], b[96];
        return pc_fail(PC_ERR_DATA, "reshape: %s does not fit %s", pc_shape_text(from, a), pc_shape_text(wanted, b));
    }
    return PC_OK;
}

static pc_status reshape_shape(pc_node *node)
{
    node->out[0]->dtype = node->in[0]->dtype;
    if (node->inputs > 1 && node->in[1]) {
        return resolve_dims(&node->out[0]->shape, &node->in[1]->shape, &node->in[0]->shape, true);
    }
    return resolve_dims(&node->out[0]->shape, (const pc_shape *)node->params, &node->in[0]->shape, false);
}

static void reshape_grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    pc_tensor *in[] = {dout[0], node->in[0]};
    pc_shape unused = {0};
    din[0] = pc_graph_add(graph, &pc_op_reshape, in, 2, 1, &unused);
}

static pc_cost no_cost(const pc_node *node)
{
    (void)node;
    return (pc_cost){0, 0};
}

const pc_op pc_op_reshape = {
    .name = "reshape",
    .params_size = sizeof(pc_shape),
    .writes_input = true, /* out is in[0]'s memory; nothing is written */
    .shape = reshape_shape,
    .grad = reshape_grad,
    .cost = no_cost,
};

pc_tensor *pc_reshape(pc_graph *graph, pc_tensor *x, pc_shape shape)
{
    pc_tensor *in[] = {x};
    return pc_graph_add(graph, &pc_op_reshape, in, 1, 1, &shape);
}

static pc_status accumulate_shape(pc_node *node)
{
    node->out[0]->dtype = node->in[0]->dtype;
    node->out[0]->shape = node->in[0]->shape;
    if (pc_shape_count(&node->in[0]->shape) != pc_shape_count(&node->in[1]->shape)) {
        char a[96], b[96];
        return pc_fail(PC_ERR_DATA, "accumulate: %s and %s differ", pc_shape_text(&node->in[0]->shape, a),
                       pc_shape_text(&node->in[1]->shape, b));
    }
    return PC_OK;
}

static void accumulate_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t count = pc_shape_count(&node->out[0]->shape);
    for (int64_t i = 0; i < count; i++) {
        pc_tensor_set(node->out[0], i, pc_tensor_get(node->in[0], i) + pc_tensor_get(node->in[1], i));
    }
}

static pc_cost accumulate_cost(const pc_node *node)
{
    double count = (double)pc_shape_count(&node->out[0]->shape);
    return (pc_cost){count, 12 * count};
}

const pc_op pc_op_accumulate = {
    .name = "accumulate",
    .in_place = true,
    .shape = accumulate_shape,
    .cost = accumulate_cost,
    .reference = accumulate_reference,
};

const pc_op pc_op_accumulate_into = {
    .name = "accumulate_into",
    .writes_input = true,
    .shape = accumulate_shape,
    .cost = accumulate_cost,
    .reference = accumulate_reference,
};
