/* The router of a mixture of experts.
 *
 *   p = softmax(l);  w_c = p of the c-th largest (/ sum over the chosen);  aux = E sum_e f_e mean_t p_te
 *   dp_c = (dw_c - sum_j dw_j w_j) / sum of chosen p, or dw_c;  dp_te += daux E f_e / T;  dl = p (dp - sum dp p)
 *
 * Source: Shazeer et al. 2017 (arXiv:1701.06538); Fedus et al. 2021 (arXiv:2101.03961), eq. 4-6; Mixtral, Jiang et
 * al. 2024; transformers models/mixtral (load_balancing_loss_func).
 * Easy to get wrong: the softmax is over all experts, before the choice; f_e counts every choice, so that aux of a
 * balanced router is k, and no gradient goes through f_e.
 */
#include "ops/router.h"

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
