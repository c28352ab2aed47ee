#include "ops/part.h"

#include "ops/common.h"

#include <string.h>

static pc_status part_shape(pc_node *node)
{
    const pc_part_params *params = node->params;
    const pc_tensor *x = node->in[0];
    if (x->shape.ndim != 1 || (x->dtype != PC_I32 && x->dtype != PC_F32 && x->dtype != PC_F64) || params->begin < 0 || params->count < 0) {
        return pc_op_shape_error(node, x, "a list [R] of numbers");
    }
    int64_t left = x->shape.dim[0] - params->begin;
    left = left < 0 ? 0 : left;
    node->out[0]->dtype = x->dtype;
    node->out[0]->shape = pc_dims(1, left < params->count ? left : params->count);
    return PC_OK;
}

static void part_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    const pc_part_params *params = node->params;
    size_t size = pc_dtype_size(node->in[0]->dtype), count = (size_t)pc_count(node->out[0]);
    if (count > 0) {
        memcpy(node->out[0]->data, (const char *)node->in[0]->data + (size_t)params->begin * size, count * size);
    }
}

static pc_cost part_cost(const pc_node *node)
{
    return (pc_cost){0, 2 * (double)pc_tensor_bytes(node->out[0])};
}

const pc_op pc_op_part = {
    .name = "part",
    .params_size = sizeof(pc_part_params),
    .shape = part_shape,
    .cost = part_cost,
    .reference = part_reference,
};

pc_tensor *pc_part_of(pc_graph *graph, pc_tensor *x, int64_t begin, int64_t count)
{
    pc_part_params params = {begin, count};
    return pc_graph_add(graph, &pc_op_part, &x, 1, 1, &params);
}
