#include "ops/common.h"

pc_status pc_op_shape_error(const pc_node *node, const pc_tensor *x, const char *expected)
{
    char text[96];
    return pc_fail(PC_ERR_DATA, "%s: '%s' has shape %s, expected %s", node->op->name, x->name,
                   pc_shape_text(&x->shape, text), expected);
}

pc_status pc_shape_same(pc_node *node)
{
    node->out[0]->shape = node->in[0]->shape;
    node->out[0]->dtype = node->in[0]->dtype;
    return PC_OK;
}

pc_dtype pc_float_type(const pc_tensor *x)
{
    return x->dtype == PC_F64 ? PC_F64 : PC_F32;
}

pc_cost pc_cost_elementwise(const pc_node *node, double flops)
{
    pc_cost cost = {flops * (double)pc_count(node->out[0]), 0};
    for (int i = 0; i < node->inputs; i++) {
        cost.bytes += node->in[i] ? (double)pc_tensor_bytes(node->in[i]) : 0;
    }
    for (int i = 0; i < node->outputs; i++) {
        cost.bytes += (double)pc_tensor_bytes(node->out[i]);
    }
    return cost;
}

bool pc_is_suffix(const pc_tensor *x, const pc_tensor *y)
{
    int offset = x->shape.ndim - y->shape.ndim;
    if (offset < 0) {
        return false;
    }
    for (int i = 0; i < y->shape.ndim; i++) {
        if (x->shape.dim[offset + i] != y->shape.dim[i]) {
            return false;
        }
    }
    return true;
}
