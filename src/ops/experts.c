/* Mixture of experts: rows by their experts, their linear layers, and back.
 *
 * Source: Shazeer et al. 2017 (arXiv:1701.06538); products by group: MegaBlocks, Gale et al. 2022 (arXiv:2211.15841).
 */
#include "ops/experts.h"

#include "ops/common.h"

#include <math.h>

static pc_cost per_element(const pc_node *node)
{
    return pc_cost_elementwise(node, 2);
}

/* --- dispatch --- */

static pc_status dispatch_shape(pc_node *node)
{
    int64_t experts = ((const pc_dispatch_params *)node->params)->experts;
    if (node->in[0]->shape.ndim != 2 || node->in[0]->dtype != PC_I32) {
        return pc_op_shape_error(node, node->in[0], "[T,k] of i32");
    }
    node->out[0]->shape = pc_dims(1, pc_count(node->in[0]));
    node->out[1]->shape = node->in[0]->shape;
    node->out[2]->shape = pc_dims(1, experts + 1);
    node->out[3]->shape = node->out[0]->shape;
    for (int i = 0; i < node->outputs; i++) {
        node->out[i]->dtype = PC_I32;
    }
    return PC_OK;
}

/* A counting sort. */
static void dispatch_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t pairs = pc_count(node->in[0]), top_k = node->in[0]->shape.dim[1];
    int64_t experts = ((const pc_dispatch_params *)node->params)->experts;
    const int32_t *chosen = pc_i32(node->in[0]);
    int32_t *token = node->out[0]->data, *place = node->out[1]->data, *offsets = node->out[2]->data, row = 0;
    int32_t *expert = node->out[3]->data;
    for (int64_t e = 0; e < experts; e++) {
        offsets[e] = row;
        for (int64_t i = 0; i < pairs; i++) {
            if (chosen[i] == e) {
                token[row] = (int32_t)(i / top_k);
                expert[row] = (int32_t)e;
                place[i] = row++;
            }
        }
    }
    offsets[experts] = row;
}

const pc_op pc_op_expert_dispatch = {
    .name = "expert_dispatch",
    .params_size = sizeof(pc_dispatch_params),
    .shape = dispatch_shape,
    .cost = per_element,
    .reference = dispatch_reference,
};

pc_dispatch pc_expert_dispatch(pc_graph *graph, pc_tensor *chosen, int64_t experts)
{
    pc_dispatch_params params = {experts};
    pc_tensor *token = pc_graph_add(graph, &pc_op_expert_dispatch, &chosen, 1, 4, &params);
    if (pc_graph_failed(graph)) {
        return (pc_dispatch){token, token, token, token};
    }
    pc_tensor *const *out = token->node->out;
    return (pc_dispatch){.token = token, .place = out[1], .offsets = out[2], .expert = out[3]};
}

/* --- the experts' linear layers --- */

typedef struct dims {
    int64_t rows, experts, n, k;
} dims;

static dims dims_of(const pc_tensor *x, const pc_tensor *weights)
{
    const pc_shape *w = &weights->shape;
    return (dims){x->shape.dim[0], w->dim[0], w->dim[1], w->dim[2]};
}

static pc_status linear_shape(pc_node *node)
{
    const pc_expert_linear_params *params = node->params;
    const pc_shape *x = &node->in[0]->shape, *w = &node->in[1]->shape;
    if (w->ndim != 3) {
        return pc_op_shape_error(node, node->in[1], "[E,N,K]");
    }
    if (x->ndim != 2 || x->dim[1] != w->dim[params->back ? 1 : 2]) {
        return pc_op_shape_error(node, node->in[0], "rows as wide as the experts' layers");
    }
    if (pc_count(node->in[2]) != w->dim[0] + 1) {
        return pc_op_shape_error(node, node->in[2], "[E+1]");
    }
    node->out[0]->shape = pc_dims(2, x->dim[0], w->dim[params->back ? 2 : 1]);
    node->out[0]->dtype = pc_float_type(node->in[0]);
    return PC_OK;
}

static double rounded(double value, pc_dtype compute)
{
    return compute == PC_BF16 ? pc_bf16_to_f32(pc_f32_to_bf16((float)value)) : value;
}

static void linear_row(const pc_node *node, dims d, int64_t r, int64_t e)
{
    const pc_expert_linear_params *params = node->params;
    int64_t width = params->back ? d.k : d.n, inner = params->back ? d.n : d.k;
    for (int64_t i = 0; i < width; i++) {
        double sum = 0;
        for (int64_t j = 0; j < inner; j++) {
            int64_t at = (e * d.n + (params->back ? j : i)) * d.k + (params->back ? i : j);
            sum += rounded(pc_tensor_get(node->in[0], r * inner + j), params->compute) *
                   rounded(pc_tensor_get(node->in[1], at), params->compute);
        }
        pc_tensor_set(node->out[0], r * width + i, sum);
    }
}

static void linear_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    const int32_t *offsets = pc_i32(node->in[2]);
    dims d = dims_of(node->in[0], node->in[1]);
    for (int64_t e = 0; e < d.experts; e++) {
        for (int64_t r = offsets[e]; r < offsets[e + 1]; r++) {
            linear_row(node, d, r, e);
        }
    }
}

static void linear_grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    pc_expert_linear_params params = *(const pc_expert_linear_params *)node->params;
    if (node->in[1]->needs_grad) {
        pc_tensor *in[] = {dout[0], node->in[0], node->in[2], node->in[1]};
        din[1] = pc_graph_add(graph, &pc_op_expert_linear_grad, in, 4, 1, &params);
    }
    if (node->in[0]->needs_grad) {
        pc_tensor *in[] = {dout[0], node->in[1], node->in[2]};
        params.back = true;
        din[0] = pc_graph_add(graph, &pc_op_expert_linear, in, 3, 1, &params);
    }
}

static pc_cost linear_cost(const pc_node *node)
{
    dims d = dims_of(node->in[0], node->in[1]);
    pc_cost result = pc_cost_elementwise(node, 0);
    result.flops = 2.0 * (double)d.rows * (double)d.n * (double)d.k;
    return result;
}

const pc_op pc_op_expert_linear = {
    .name = "expert_linear",
    .params_size = sizeof(pc_expert_linear_params),
    .shape = linear_shape,
    .grad = linear_grad,
    .cost = linear_cost,
    .reference = linear_reference,
};

pc_tensor *pc_expert_linear(pc_graph *graph, pc_tensor *x, pc_tensor *weights, pc_tensor *offsets, pc_dtype compute)
{
    pc_expert_linear_params params = {.compute = compute};
    pc_tensor *in[] = {x, weights, offsets};
    return pc_graph_add(graph, &pc_op_expert_linear, in, 3, 1, &params);
}

/* in: dy x offsets like */
static pc_status linear_grad_shape(pc_node *node)
{
    if (node->in[0]->shape.dim[0] != node->in[1]->shape.dim[0]) {
        return pc_op_shape_error(node, node->in[0], "a row for each row of x");
    }
    node->out[0]->shape = node->in[3]->shape;
    node->out[0]->dtype = node->in[0]->dtype;
    return PC_OK;
}

static void linear_grad_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    pc_dtype compute = ((const pc_expert_linear_params *)node->params)->compute;
    const int32_t *offsets = pc_i32(node->in[2]);
    dims d = dims_of(node->in[1], node->out[0]);
    for (int64_t i = 0; i < d.experts * d.n * d.k; i++) {
        int64_t e = i / (d.n * d.k), n = i / d.k % d.n, k = i % d.k;
        double sum = node->accumulate ? pc_tensor_get(node->out[0], i) : 0;
        for (int64_t r = offsets[e]; r < offsets[e + 1]; r++) {
            sum += rounded(pc_tensor_get(node->in[0], r * d.n + n), compute) *
                   rounded(pc_tensor_get(node->in[1], r * d.k + k), compute);
        }
        pc_tensor_set(node->out[0], i, sum);
    }
}

static pc_cost linear_grad_cost(const pc_node *node)
{
    dims d = dims_of(node->in[1], node->out[0]);
    pc_cost result = pc_cost_elementwise(node, 0);
    result.flops = 2.0 * (double)d.rows * (double)d.n * (double)d.k;
    return result;
}

const pc_op pc_op_expert_linear_grad = {
    .name = "expert_linear_grad",
    .params_size = sizeof(pc_expert_linear_params),
    .can_accumulate = true,
    .shape = linear_grad_shape,
    .cost = linear_grad_cost,
    .reference = linear_grad_reference,
};

/* --- combination --- */

static pc_status check_combination(const pc_node *node)
{
    const pc_shape *y = &node->in[0]->shape, *weights = &node->in[1]->shape;
    if (weights->ndim != 2 || pc_count(node->in[2]) != pc_count(node->in[1])) {
        return pc_op_shape_error(node, node->in[1], "[T,k], as the places");
    }
    if (y->ndim != 2 || y->dim[0] != pc_count(node->in[1])) {
        return pc_op_shape_error(node, node->in[0], "[R,D] with a row for each pair");
    }
    return PC_OK;
}

static pc_status combine_shape(pc_node *node)
{
    PC_TRY(check_combination(node));
    int64_t tokens = node->in[1]->shape.dim[0], width = node->in[0]->shape.dim[1];
    node->out[0]->shape = pc_dims(2, tokens, width);
    node->out[0]->dtype = pc_float_type(node->in[0]);
    if (node->in[3] && pc_count(node->in[3]) != tokens * width) {
        return pc_op_shape_error(node, node->in[3], "a residual of the result's shape");
    }
    return PC_OK;
}

static void combine_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t top_k = node->in[1]->shape.dim[1], width = node->in[0]->shape.dim[1], count = pc_count(node->out[0]);
    for (int64_t i = 0; i < count; i++) {
        int64_t t = i / width, d = i % width;
        double sum = node->in[3] ? pc_tensor_get(node->in[3], i) : 0;
        for (int64_t pair = t * top_k; pair < (t + 1) * top_k; pair++) {
            sum += pc_tensor_get(node->in[1], pair) * pc_tensor_get(node->in[0], pc_i32(node->in[2])[pair] * width + d);
        }
        pc_tensor_set(node->out[0], i, sum);
    }
}

static void combine_grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    pc_tensor *in[] = {node->in[0], node->in[1], node->in[2], dout[0]};
    if (node->in[0]->needs_grad || node->in[1]->needs_grad) {
        din[0] = pc_graph_add(graph, &pc_op_expert_combine_grad, in, 4, 2, NULL);
        din[1] = pc_graph_failed(graph) ? din[0] : din[0]->node->out[1];
    }
    din[3] = dout[0];
}

const pc_op pc_op_expert_combine = {
    .name = "expert_combine",
    .shape = combine_shape,
    .grad = combine_grad,
    .cost = per_element,
    .reference = combine_reference,
};

pc_tensor *pc_expert_combine(pc_graph *graph, pc_tensor *y, pc_tensor *weights, pc_tensor *place, pc_tensor *residual)
{
    pc_tensor *in[] = {y, weights, place, residual};
    return pc_graph_add(graph, &pc_op_expert_combine, in, 4, 1, NULL);
}

/* in: y weights place dout */
static pc_status combine_grad_shape(pc_node *node)
{
    PC_TRY(check_combination(node));
    for (int i = 0; i < 2; i++) {
        node->out[i]->shape = node->in[i]->shape;
        node->out[i]->dtype = node->in[3]->dtype;
    }
    return PC_OK;
}

static void combine_grad_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t pairs = pc_count(node->in[1]), top_k = node->in[1]->shape.dim[1], width = node->in[0]->shape.dim[1];
    for (int64_t pair = 0; pair < pairs; pair++) {
        int64_t row = pc_i32(node->in[2])[pair] * width, at = pair / top_k * width;
        double weight = pc_tensor_get(node->in[1], pair), sum = 0;
        for (int64_t d = 0; d < width; d++) {
            double dout = pc_tensor_get(node->in[3], at + d);
            pc_tensor_set(node->out[0], row + d, weight * dout);
            sum += dout * pc_tensor_get(node->in[0], row + d);
        }
        pc_tensor_set(node->out[1], pair, sum);
    }
}

const pc_op pc_op_expert_combine_grad = {
    .name = "expert_combine_grad",
    .shape = combine_grad_shape,
    .cost = per_element,
    .reference = combine_grad_reference,
};
