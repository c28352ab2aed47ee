/* Log-n attention.
 *
 *   y_t = x_t max(1, log_L(p_t + 1));  dx_t = dy_t times the same
 *
 * Source: Su 2021 (kexue.fm, entropy invariance of attention); Qwen's modeling_qwen.py (logn_list). Easy to get wrong: positions
 * count from 1 there, and begin to grow behind L, not at it.
 */
#include "ops/log_scale.h"

#include "ops/common.h"

#include <math.h>

double pc_log_factor(int32_t position, int64_t length)
{
    double number = (double)position + 1;
    return number > (double)length ? log(number) / log((double)length) : 1;
}

static pc_status shape(pc_node *node)
{
    const pc_shape *x = &node->in[0]->shape, *positions = &node->in[1]->shape;
    if (node->in[1]->dtype != PC_I32 || positions->ndim < 1 || x->ndim < 1 || positions->dim[0] != x->dim[0]) {
        return pc_op_shape_error(node, node->in[1], "i32, a position for each row");
    }
    if (((const pc_log_scale_params *)node->params)->length < 2) {
        return pc_fail(PC_ERR_USAGE, "log_scale: a length of %lld, expected at least 2",
                       (long long)((const pc_log_scale_params *)node->params)->length);
    }
    return pc_shape_same(node);
}

static void reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t rows = node->in[0]->shape.dim[0], count = pc_count(node->in[0]), width = rows ? count / rows : 0;
    int64_t axes = rows ? pc_count(node->in[1]) / rows : 1;
    for (int64_t i = 0; i < count; i++) {
        double factor = pc_log_factor(pc_i32(node->in[1])[i / width * axes], ((const pc_log_scale_params *)node->params)->length);
        pc_tensor_set(node->out[0], i, pc_tensor_get(node->in[0], i) * factor);
    }
}

static void grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    pc_tensor *in[] = {dout[0], node->in[1]};
    din[0] = pc_graph_add(graph, &pc_op_log_scale, in, 2, 1, node->params);
}

static pc_cost cost(const pc_node *node)
{
    return pc_cost_elementwise(node, 1);
}

const pc_op pc_op_log_scale = {
    .name = "log_scale",
    .params_size = sizeof(pc_log_scale_params),
    .in_place = true,
    .shape = shape,
    .grad = grad,
    .cost = cost,
    .reference = reference,
};

pc_tensor *pc_log_scale(pc_graph *graph, pc_tensor *x, pc_tensor *positions, int64_t length)
{
    pc_log_scale_params params = {length};
    pc_tensor *in[] = {x, positions};
    return pc_graph_add(graph, &pc_op_log_scale, in, 2, 1, &params);
}
