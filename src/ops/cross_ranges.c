/* Ranges of attention between two tensors in groups. */
#include "ops/cross_ranges.h"

#include "ops/common.h"

static pc_status cross_shape(pc_node *node)
{
    const pc_shape *queries = &node->in[0]->shape, *keys = &node->in[1]->shape;
    if (queries->ndim < 2) {
        return pc_op_shape_error(node, node->in[0], "[N,Q,..]");
    }
    if (keys->ndim < 2 || keys->dim[0] != queries->dim[0]) {
        return pc_op_shape_error(node, node->in[1], "[N,P,..] with as many groups as there are of queries");
    }
    if (node->in[2] && pc_count(node->in[2]) != queries->dim[0]) {
        return pc_op_shape_error(node, node->in[2], "a length for each group");
    }
    node->out[0]->shape = pc_dims(2, queries->dim[0] * queries->dim[1], 4);
    node->out[0]->dtype = PC_I32;
    return PC_OK;
}

static void cross_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t rows = node->in[0]->shape.dim[1], keys = node->in[1]->shape.dim[1];
    int64_t head = ((const pc_cross_ranges_params *)node->params)->head;
    int32_t *out = node->out[0]->data;
    for (int64_t r = 0; r < node->out[0]->shape.dim[0]; r++) {
        int64_t n = r / rows, seen = node->in[2] ? head + pc_i32(node->in[2])[n] : keys;
        seen = seen < keys ? seen : keys;
        out[4 * r] = out[4 * r + 1] = 0;
        out[4 * r + 2] = (int32_t)(n * keys);
        out[4 * r + 3] = (int32_t)(n * keys + seen);
    }
}

static pc_cost cross_cost(const pc_node *node)
{
    return (pc_cost){0, (double)pc_tensor_bytes(node->out[0])};
}

const pc_op pc_op_cross_ranges = {
    .name = "cross_ranges",
    .params_size = sizeof(pc_cross_ranges_params),
    .shape = cross_shape,
    .cost = cross_cost,
    .reference = cross_reference,
};

pc_tensor *pc_cross_ranges(pc_graph *graph, pc_tensor *queries, pc_tensor *keys, pc_tensor *lengths, int64_t head)
{
    pc_cross_ranges_params params = {head};
    pc_tensor *in[] = {queries, keys, lengths};
    return pc_graph_add(graph, &pc_op_cross_ranges, in, lengths ? 3 : 2, 1, &params);
}
