/* Mixture of experts.
 *
 *   p = softmax(l);  w_c = p of the c-th largest (/ sum over the chosen);  aux = E sum_e f_e mean_t p_te
 *   dp_c = (dw_c - sum_j dw_j w_j) / sum of chosen p, or dw_c;  dp_te += daux E f_e / T;  dl = p (dp - sum dp p)
 *
 * Source: Shazeer et al. 2017 (arXiv:1701.06538); Fedus et al. 2021 (arXiv:2101.03961), eq. 4-6; Mixtral, Jiang et
 * al. 2024; transformers models/mixtral (load_balancing_loss_func). Products by group: MegaBlocks, Gale et al. 2022.
 * Easy to get wrong: the softmax is over all experts, before the choice; f_e counts every choice, so that aux of a
 * balanced router is k, and no gradient goes through f_e.
 */
#include "ops/experts.h"

#include "ops/common.h"

#include <math.h>

static void add_to(pc_tensor *x, int64_t i, double value)
{
    pc_tensor_set(x, i, pc_tensor_get(x, i) + value);
}

static pc_cost per_element(const pc_node *node)
{
    return pc_cost_elementwise(node, 2);
}

/* --- router --- */

static pc_status router_shape(pc_node *node)
{
    const pc_router_params *params = node->params;
    int64_t tokens = pc_shape_rows(&node->in[0]->shape), experts = pc_shape_last(&node->in[0]->shape);
    if (node->in[0]->shape.ndim != 2 || params->top_k < 1 || params->top_k > experts || experts > PC_ROUTER_MOST_EXPERTS) {
        return pc_op_shape_error(node, node->in[0], "[T,E] with at least as many experts as choices");
    }
    node->out[0]->shape = node->out[3]->shape = pc_dims(2, tokens, params->top_k);
    node->out[1]->shape = pc_dims(1, 1);
    node->out[2]->shape = node->in[0]->shape;
    node->out[0]->dtype = node->out[1]->dtype = node->out[2]->dtype = pc_float_type(node->in[0]);
    node->out[3]->dtype = PC_I32;
    return PC_OK;
}

static void softmax_row(const pc_node *node, int64_t t, int64_t experts)
{
    double top = -INFINITY, sum = 0;
    for (int64_t e = 0; e < experts; e++) {
        top = fmax(top, pc_tensor_get(node->in[0], t * experts + e));
    }
    for (int64_t e = 0; e < experts; e++) {
        sum += exp(pc_tensor_get(node->in[0], t * experts + e) - top);
    }
    for (int64_t e = 0; e < experts; e++) {
        pc_tensor_set(node->out[2], t * experts + e, exp(pc_tensor_get(node->in[0], t * experts + e) - top) / sum);
    }
}

static bool is_chosen(const int32_t *chosen, int64_t count, int64_t expert)
{
    for (int64_t c = 0; c < count; c++) {
        if (chosen[c] == expert) {
            return true;
        }
    }
    return false;
}

/* Always k different experts, also where the softmax is not a number. */
static void choose(const pc_node *node, int64_t t, int64_t experts)
{
    const pc_router_params *params = node->params;
    const pc_tensor *p = node->out[2];
    int32_t *chosen = (int32_t *)node->out[3]->data + t * params->top_k;
    for (int64_t c = 0; c < params->top_k; c++) {
        int64_t best = -1;
        for (int64_t e = 0; e < experts; e++) {
            if (!is_chosen(chosen, c, e) &&
                (best < 0 || pc_tensor_get(p, t * experts + e) > pc_tensor_get(p, t * experts + best))) {
                best = e;
            }
        }
        chosen[c] = (int32_t)best;
        pc_tensor_set(node->out[0], t * params->top_k + c, pc_tensor_get(p, t * experts + best));
    }
}

/* Pairs that find their expert full weigh nothing. */
static void drop_beyond_capacity(const pc_node *node, int64_t tokens, int64_t experts)
{
    const pc_router_params *params = node->params;
    const int32_t *chosen = pc_i32(node->out[3]);
    int64_t taken[PC_ROUTER_MOST_EXPERTS] = {0};
    double room = ceil((double)(params->top_k * tokens) / (double)experts * params->capacity);
    for (int64_t c = 0; c < params->top_k; c++) {
        for (int64_t t = 0; t < tokens; t++) {
            int64_t at = t * params->top_k + c;
            if (taken[chosen[at]]++ >= fmax(room, (double)params->min_capacity)) {
                pc_tensor_set(node->out[0], at, 0);
            }
        }
    }
}

static void renormalise(const pc_node *node, int64_t t)
{
    const pc_router_params *params = node->params;
    double sum = 0;
    for (int64_t at = t * params->top_k; at < (t + 1) * params->top_k; at++) {
        sum += pc_tensor_get(node->out[0], at);
    }
    for (int64_t at = t * params->top_k; at < (t + 1) * params->top_k && sum != 0; at++) {
        pc_tensor_set(node->out[0], at, pc_tensor_get(node->out[0], at) / sum);
    }
}

static double share_of(const pc_router_params *params, const pc_tensor *chosen, int64_t tokens, int64_t expert)
{
    int64_t count = 0, pairs = pc_count(chosen), step = params->balance_first ? params->top_k : 1;
    for (int64_t i = 0; i < pairs; i += step) {
        count += pc_i32(chosen)[i] == expert;
    }
    return tokens ? (double)count / (double)tokens : 0;
}

static void router_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t tokens = node->in[0]->shape.dim[0], experts = node->in[0]->shape.dim[1];
    const pc_router_params *params = node->params;
    double aux = 0;
    for (int64_t t = 0; t < tokens; t++) {
        softmax_row(node, t, experts);
        choose(node, t, experts);
    }
    if (params->capacity > 0) {
        drop_beyond_capacity(node, tokens, experts);
    }
    for (int64_t t = 0; params->renormalise && t < tokens; t++) {
        renormalise(node, t);
    }
    for (int64_t e = 0; e < experts; e++) {
        double mean = 0;
        for (int64_t t = 0; t < tokens; t++) {
            mean += pc_tensor_get(node->out[2], t * experts + e) / (double)tokens;
        }
        aux += (double)experts * share_of(params, node->out[3], tokens, e) * mean;
    }
    pc_tensor_set(node->out[1], 0, aux);
}

static void router_grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    pc_tensor *in[] = {node->out[2], node->out[0], node->out[3], dout[0], dout[1]};
    din[0] = pc_graph_add(graph, &pc_op_router_grad, in, 5, 1, node->params);
}

const pc_op pc_op_router = {
    .name = "router",
    .params_size = sizeof(pc_router_params),
    .shape = router_shape,
    .grad = router_grad,
    .cost = per_element,
    .reference = router_reference,
};

pc_routing pc_router(pc_graph *graph, pc_tensor *logits, pc_router_params params)
{
    pc_tensor *weights = pc_graph_add(graph, &pc_op_router, &logits, 1, 4, &params);
    if (pc_graph_failed(graph)) {
        return (pc_routing){weights, weights, weights};
    }
    return (pc_routing){.weights = weights, .chosen = weights->node->out[3], .aux = weights->node->out[1]};
}

/* in: softmax weights chosen dweights daux */
static void router_grad_row(const pc_node *node, int64_t t, int64_t experts)
{
    const pc_router_params *params = node->params;
    const pc_tensor *p = node->in[0], *weights = node->in[1], *dweights = node->in[3];
    const int32_t *chosen = pc_i32(node->in[2]) + t * params->top_k;
    int64_t at = t * params->top_k;
    double sum = 1, along = 0, mean = 0;
    if (dweights && params->renormalise) {
        sum = 0;
        for (int64_t c = 0; c < params->top_k; c++) {
            double weight = pc_tensor_get(weights, at + c);
            sum += weight != 0 ? pc_tensor_get(p, t * experts + chosen[c]) : 0;
            along += pc_tensor_get(dweights, at + c) * weight;
        }
    }
    /* out holds dp, then dl. A pair that weighs nothing was dropped. */
    for (int64_t c = 0; dweights && c < params->top_k; c++) {
        if (pc_tensor_get(weights, at + c) != 0) {
            add_to(node->out[0], t * experts + chosen[c], (pc_tensor_get(dweights, at + c) - along) / sum);
        }
    }
    for (int64_t e = 0; e < experts; e++) {
        mean += pc_tensor_get(node->out[0], t * experts + e) * pc_tensor_get(p, t * experts + e);
    }
    for (int64_t e = 0; e < experts; e++) {
        double dp = pc_tensor_get(node->out[0], t * experts + e);
        pc_tensor_set(node->out[0], t * experts + e, pc_tensor_get(p, t * experts + e) * (dp - mean));
    }
}

static void router_grad_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t tokens = node->in[0]->shape.dim[0], experts = node->in[0]->shape.dim[1];
    double daux = node->in[4] ? pc_tensor_get(node->in[4], 0) : 0;
    for (int64_t e = 0; e < experts; e++) {
        double share = share_of(node->params, node->in[2], tokens, e);
        for (int64_t t = 0; t < tokens; t++) {
            pc_tensor_set(node->out[0], t * experts + e, daux * (double)experts * share / (double)tokens);
        }
    }
    for (int64_t t = 0; t < tokens; t++) {
        router_grad_row(node, t, experts);
    }
}

const pc_op pc_op_router_grad = {
    .name = "router_grad",
    .params_size = sizeof(pc_router_params),
    .shape = pc_shape_same,
    .cost = per_element,
    .reference = router_grad_reference,
};

/* --- the size of router logits --- */

static pc_status z_shape(pc_node *node)
{
    if (node->in[0]->shape.ndim != 2) {
        return pc_op_shape_error(node, node->in[0], "[T,E]");
    }
    node->out[0]->shape = pc_dims(1, 1);
    node->out[0]->dtype = pc_float_type(node->in[0]);
    return PC_OK;
}

static double log_sum_exp(const pc_tensor *x, int64_t t, int64_t experts)
{
    double top = -INFINITY, sum = 0;
    for (int64_t e = 0; e < experts; e++) {
        top = fmax(top, pc_tensor_get(x, t * experts + e));
    }
    for (int64_t e = 0; e < experts; e++) {
        sum += exp(pc_tensor_get(x, t * experts + e) - top);
    }
    return top + log(sum);
}

static void z_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t tokens = node->in[0]->shape.dim[0], experts = node->in[0]->shape.dim[1];
    double sum = 0;
    for (int64_t t = 0; t < tokens; t++) {
        double z = log_sum_exp(node->in[0], t, experts);
        sum += z * z;
    }
    pc_tensor_set(node->out[0], 0, tokens ? sum / (double)tokens : 0);
}

static void z_grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    pc_tensor *in[] = {node->in[0], dout[0]};
    din[0] = pc_graph_add(graph, &pc_op_router_z_grad, in, 2, 1, NULL);
}

const pc_op pc_op_router_z = {
    .name = "router_z",
    .shape = z_shape,
    .grad = z_grad,
    .cost = per_element,
    .reference = z_reference,
};

pc_tensor *pc_router_z(pc_graph *graph, pc_tensor *logits)
{
    return pc_graph_add(graph, &pc_op_router_z, &logits, 1, 1, NULL);
}

static void z_grad_reference(const pc_call *call)
{
    const pc_node *node = call->node;
    int64_t tokens = node->in[0]->shape.dim[0], experts = node->in[0]->shape.dim[1];
    double dz = pc_tensor_get(node->in[1], 0);
    for (int64_t t = 0; t < tokens; t++) {
        double z = log_sum_exp(node->in[0], t, experts);
        for (int64_t e = 0; e < experts; e++) {
            double p = exp(pc_tensor_get(node->in[0], t * experts + e) - z);
            pc_tensor_set(node->out[0], t * experts + e, 2 * dz * z * p / (double)tokens);
        }
    }
}

const pc_op pc_op_router_z_grad = {
    .name = "router_z_grad",
    .shape = pc_shape_same,
    .cost = per_element,
    .reference = z_grad_reference,
};

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
