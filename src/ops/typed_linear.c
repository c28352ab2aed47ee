/* Rows of two types.
 *
 *   y_t = W_{type t} x_t (+ residual_t);  dx_t = W_{type t}^T dy_t;  dW_k = sum over t of type k: dy_t x_t^T
 *
 * Source: Wang et al. 2023 (arXiv:2311.03079), section 2.1, eq. 2 and 3.
 */
#include "ops/typed_linear.h"

#include "ops/common.h"

static pc_status shape(pc_node *node)
{
    const pc_typed_linear_params *params = node->params;
    const pc_shape *x = &node->in[0]->shape, *w = &node->in[2]->shape;
    if (w->ndim != 2 || !pc_shape_equal(w, &node->in[3]->shape)) {
        return pc_op_shape_error(node, node->in[3], "[N,K], as the weights of the other type");
    }
    if (x->ndim != 2 || x->dim[1] != w->dim[params->back ? 0 : 1]) {
        return pc_op_shape_error(node, node->in[0], "rows as wide as the layer");
    }
    if (node->in[1]->dtype != PC_I32 || pc_count(node->in[1]) != x->dim[0]) {
        return pc_op_shape_error(node, node->in[1], "i32 [T], a type for each row");
    }
    node->out[0]->shape = pc_dims(2, x->dim[0], w->dim[params->back ? 1 : 0]);
    node->out[0]->dtype = pc_float_type(node->in[0]);
    if (node->in[4] && pc_count(node->in[4]) != pc_count(node->out[0])) {
        return pc_op_shape_error(node, node->in[4], "a residual of the result's shape");
    }
    return PC_OK;
}

static double rounded(double value, pc_dtype compute)
{
    return compute == PC_BF16 ? pc_bf16_to_f32(pc_f32_to_bf16((float)value)) : value;
}

static void reference(const pc_call *call)
{
    const pc_node *node = call->node;
    const pc_typed_linear_params *params = node->params;
    int64_t rows = node->in[0]->shape.dim[0], inner = node->in[0]->shape.dim[1], width = node->out[0]->shape.dim[1];
    for (int64_t i = 0; i < rows * width; i++) {
        int64_t t = i / width, column = i % width;
        const pc_tensor *w = node->in[2 + (pc_i32(node->in[1])[t] != 0)];
        double sum = 0;
        for (int64_t j = 0; j < inner; j++) {
            int64_t at = params->back ? j * width + column : column * inner + j;
            sum += rounded(pc_tensor_get(node->in[0], t * inner + j), params->compute) * rounded(pc_tensor_get(w, at), params->compute);
        }
        pc_tensor_set(node->out[0], i, sum + (node->in[4] ? pc_tensor_get(node->in[4], i) : 0));
    }
}

static void grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    pc_typed_linear_params params = *(const pc_typed_linear_params *)node->params;
    for (int k = 0; k < 2; k++) {
        if (node->in[2 + k]->needs_grad) {
            pc_tensor *in[] = {dout[0], node->in[0], node->in[1], node->in[2 + k]};
            params.which = k;
            din[2 + k] = pc_graph_add(graph, &pc_op_typed_linear_grad, in, 4, 1, &params);
        }
    }
    if (node->in[0]->needs_grad) {
        pc_tensor *in[] = {dout[0], node->in[1], node->in[2], node->in[3], NULL};
        params.back = true;
        din[0] = pc_graph_add(graph, &pc_op_typed_linear, in, 5, 1, &params);
    }
    din[4] = dout[0];
}

static pc_cost cost(const pc_node *node)
{
    pc_cost result = pc_cost_elementwise(node, 0);
    result.flops = 2.0 * (double)pc_count(node->in[0]) * (double)pc_shape_last(&node->out[0]->shape);
    return result;
}

const pc_op pc_op_typed_linear = {
    .name = "typed_linear",
    .params_size = sizeof(pc_typed_linear_params),
    .shape = shape,
    .grad = grad,
    .cost = cost,
    .reference = reference,
};

pc_tensor *pc_typed_linear(pc_graph *graph, pc_tensor *x, pc_tensor *types, pc_tensor *zero, pc_tensor *one, pc_tensor *residual,
                           pc_dtype compute)
{
    pc_typed_linear_params params = {.compute = compute};
    pc_tensor *in[] = {x, types, zero, one, residual};
    return pc_graph_add(graph, &pc_op_typed_linear, in, 5, 1, &params);
}

/* in: dy x types like */
static pc_status grad_shape(pc_node *node)
{
    if (node->in[0]->shape.dim[0] != node->in[1]->shape.dim[0]) {
        return pc_op_shape_error(node, node->in[0], "a row for each row of x");
    }
    node->out[0]->shape = node->in[3]->shape;
    node->out[0]->dtype = node->in[0]->dtype;
    return PC_OK;
}

static void grad_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    const pc_typed_linear_params *params = node->params;
    int64_t rows = node->in[0]->shape.dim[0], n = node->in[0]->shape.dim[1], k = node->in[1]->shape.dim[1];
    for (int64_t i = 0; i < n * k; i++) {
        double sum = node->accumulate ? pc_tensor_get(node->out[0], i) : 0;
        for (int64_t t = 0; t < rows; t++) {
            if ((pc_i32(node->in[2])[t] != 0) == params->which) {
                sum += rounded(pc_tensor_get(node->in[0], t * n + i / k), params->compute) *
                       rounded(pc_tensor_get(node->in[1], t * k + i % k), params->compute);
            }
        }
        pc_tensor_set(node->out[0], i, sum);
    }
}

static pc_cost grad_cost(const pc_node *node)
{
    pc_cost result = pc_cost_elementwise(node, 0);
    result.flops = 2.0 * (double)pc_count(node->in[0]) * (double)pc_shape_last(&node->in[1]->shape);
    return result;
}

const pc_op pc_op_typed_linear_grad = {
    .name = "typed_linear_grad",
    .params_size = sizeof(pc_typed_linear_params),
    .can_accumulate = true,
    .shape = grad_shape,
    .cost = grad_cost,
    .reference = grad_reference,
};
