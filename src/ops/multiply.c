/* Products element by element, with a learned scalar, with a constant; and the dot product. */
#include "ops/multiply.h"

#include "ops/add.h"
#include "ops/common.h"

static pc_cost one_flop(const pc_node *node)
{
    return pc_cost_elementwise(node, 1);
}

static pc_status multiply_shape(pc_node *node)
{
    if (pc_count(node->in[0]) != pc_count(node->in[1]) && !pc_is_suffix(node->in[0], node->in[1])) {
        return pc_op_shape_error(node, node->in[1], "the first operand's shape, or a suffix of it");
    }
    return pc_shape_same(node);
}

static void multiply_grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    if (node->in[0]->needs_grad) {
        din[0] = pc_multiply(graph, dout[0], node->in[1]);
    }
    if (node->in[1]->needs_grad) {
        bool whole = node->in[0]->max.ndim <= node->in[1]->max.ndim;
        din[1] = pc_multiply(graph, dout[0], node->in[0]);
        din[1] = whole ? din[1] : pc_sum_to(graph, din[1], node->in[1]);
    }
}

static void multiply_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t count = pc_count(node->out[0]), period = pc_count(node->in[1]);
    for (int64_t i = 0; i < count; i++) {
        pc_tensor_set(node->out[0], i, pc_tensor_get(node->in[0], i) * pc_tensor_get(node->in[1], i % period));
    }
}

const pc_op pc_op_multiply = {
    .name = "multiply",
    .in_place = true,
    .shape = multiply_shape,
    .grad = multiply_grad,
    .cost = one_flop,
    .reference = multiply_reference,
};

pc_tensor *pc_multiply(pc_graph *graph, pc_tensor *x, pc_tensor *y)
{
    pc_tensor *in[] = {x, y};
    return pc_graph_add(graph, &pc_op_multiply, in, 2, 1, NULL);
}

static pc_status scale_by_shape(pc_node *node)
{
    if (pc_count(node->in[1]) != 1) {
        return pc_op_shape_error(node, node->in[1], "one element");
    }
    return pc_shape_same(node);
}

static void scale_by_grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    if (node->in[0]->needs_grad) {
        din[0] = pc_scale_by(graph, dout[0], node->in[1]);
    }
    if (node->in[1]->needs_grad) {
        din[1] = pc_dot(graph, dout[0], node->in[0]);
    }
}

static void scale_by_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t count = pc_count(node->out[0]);
    double factor = pc_tensor_get(node->in[1], 0);
    for (int64_t i = 0; i < count; i++) {
        pc_tensor_set(node->out[0], i, pc_tensor_get(node->in[0], i) * factor);
    }
}

const pc_op pc_op_scale_by = {
    .name = "scale_by",
    .in_place = true,
    .shape = scale_by_shape,
    .grad = scale_by_grad,
    .cost = one_flop,
    .reference = scale_by_reference,
};

pc_tensor *pc_scale_by(pc_graph *graph, pc_tensor *x, pc_tensor *s)
{
    pc_tensor *in[] = {x, s};
    return pc_graph_add(graph, &pc_op_scale_by, in, 2, 1, NULL);
}

static void scale_grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    din[0] = pc_scale(graph, dout[0], ((const pc_scale_params *)node->params)->factor);
}

static void scale_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t count = pc_count(node->out[0]);
    double factor = ((const pc_scale_params *)node->params)->factor;
    for (int64_t i = 0; i < count; i++) {
        pc_tensor_set(node->out[0], i, pc_tensor_get(node->in[0], i) * factor);
    }
}

const pc_op pc_op_scale = {
    .name = "scale",
    .params_size = sizeof(pc_scale_params),
    .in_place = true,
    .shape = pc_shape_same,
    .grad = scale_grad,
    .cost = one_flop,
    .reference = scale_reference,
};

pc_tensor *pc_scale(pc_graph *graph, pc_tensor *x, double factor)
{
    pc_scale_params params = {factor};
    return pc_graph_add(graph, &pc_op_scale, &x, 1, 1, &params);
}

static pc_status dot_shape(pc_node *node)
{
    if (pc_count(node->in[0]) != pc_count(node->in[1])) {
        return pc_op_shape_error(node, node->in[1], "the first operand's shape");
    }
    node->out[0]->shape = pc_dims(1, 1);
    node->out[0]->dtype = node->in[0]->dtype;
    return PC_OK;
}

static void dot_grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    if (node->in[0]->needs_grad) {
        din[0] = pc_scale_by(graph, node->in[1], dout[0]);
    }
    if (node->in[1]->needs_grad) {
        din[1] = pc_scale_by(graph, node->in[0], dout[0]);
    }
}

static void dot_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t count = pc_count(node->in[0]);
    double sum = 0;
    for (int64_t i = 0; i < count; i++) {
        sum += pc_tensor_get(node->in[0], i) * pc_tensor_get(node->in[1], i);
    }
    pc_tensor_set(node->out[0], 0, sum);
}

static pc_cost dot_cost(const pc_node *node)
{
    double count = (double)pc_count(node->in[0]);
    return (pc_cost){2 * count, 8 * count};
}

const pc_op pc_op_dot = {
    .name = "dot",
    .shape = dot_shape,
    .grad = dot_grad,
    .cost = dot_cost,
    .reference = dot_reference,
};

pc_tensor *pc_dot(pc_graph *graph, pc_tensor *x, pc_tensor *y)
{
    pc_tensor *in[] = {x, y};
    return pc_graph_add(graph, &pc_op_dot, in, 2, 1, NULL);
}
