/* y = sum over the chosen experts e of w_e down_e(act(gate_e x) * up_e x), or of w_e (down_e act(up_e x + b_e) + c_e).
 *
 * Source: Jiang et al. 2024 (arXiv:2401.04088), section 2.1; transformers models/mixtral. Side losses: Fedus et al. 2021
 * (arXiv:2101.03961), eq. 4; Zoph et al. 2022 (arXiv:2202.08906), eq. 5; DeepSpeed moe/sharded_moe.py.
 * Easy to get wrong: Mixtral's files call gate w1, up w3, down w2; transformers balances the choices of all layers
 * together, DeepSpeed the first choices of each layer, and adds the layers' losses.
 */
#include "nn/moe.h"

#include "ops/add.h"
#include "ops/concat.h"
#include "ops/experts.h"
#include "ops/router.h"
#include "ops/rows.h"

#include <stdio.h>

pc_status pc_moe_check(const pc_moe_config *config, const char *where)
{
    if (config->experts > PC_ROUTER_MOST_EXPERTS) {
        return pc_fail(PC_ERR_DATA, "%s: %lld experts, at most %d are possible", where, (long long)config->experts,
                       PC_ROUTER_MOST_EXPERTS);
    }
    if (config->top_k < 1 || config->top_k > config->experts) {
        return pc_fail(PC_ERR_DATA, "%s: %lld experts for each token, expected 1 to %lld", where,
                       (long long)config->top_k, (long long)config->experts);
    }
    return PC_OK;
}

pc_status pc_moe_layers(bool *sparse, int64_t layers, const pc_moe_config *config, const pc_json *json, const char *where)
{
    const pc_json *list = pc_json_get(json, "moe_layers_idx");
    bool all = pc_json_is_null(list);
    if (!all && !pc_json_is_array(list)) {
        return pc_fail(PC_ERR_DATA, "%s: moe_layers_idx must be a list of layers", where);
    }
    for (int64_t i = 0; i < layers; i++) {
        sparse[i] = config->experts > 0 && all;
    }
    for (size_t i = 0; i < pc_json_length(list); i++) {
        int64_t layer = pc_json_integer(pc_json_at(list, i), -1);
        if (layer < 0 || layer >= layers) {
            return pc_fail(PC_ERR_DATA, "%s: moe_layers_idx[%zu]: expected a layer from 0 to %lld", where, i, (long long)layers - 1);
        }
        sparse[layer] = config->experts > 0;
    }
    return PC_OK;
}

void pc_moe_declare(pc_scope *scope, pc_moe_weights *weights, const pc_moe_config *config, int64_t layers,
                    const char *name)
{
    char router[320];
    double std = pc_scope_std(scope, config->width), out = pc_residual_gain(layers) * pc_scope_std(scope, config->hidden);
    pc_shape wide = pc_dims(3, config->experts, config->hidden, config->width);
    pc_shape back = pc_dims(3, config->experts, config->width, config->hidden);
    snprintf(router, sizeof router, "%s.gate", name);
    pc_linear_declare(scope, &weights->router, config->experts, config->width, false, 1, router);
    weights->gate = config->plain ? NULL : pc_declare(scope, PC_NORMAL(std), wide, "%s.experts.gate_proj", name);
    weights->up = pc_declare(scope, PC_NORMAL(std), wide, "%s.experts.up_proj", name);
    weights->down = pc_declare(scope, PC_NORMAL(out), back, "%s.experts.down_proj", name);
    if (config->plain) {
        weights->up_bias = pc_declare(scope, PC_ZEROS, pc_dims(2, config->experts, config->hidden), "%s.experts.up_bias", name);
        weights->down_bias = pc_declare(scope, PC_ZEROS, pc_dims(2, config->experts, config->width), "%s.experts.down_bias", name);
    }
}

/* x [R,K] times the weights of each row's expert, and its bias where there is one -> [R,N] */
static pc_tensor *of_experts(const pc_build *build, pc_tensor *x, pc_param *weights, pc_param *bias, const pc_dispatch *to)
{
    pc_tensor *y = pc_expert_linear(build->graph, x, pc_use(build, weights), to->offsets, build->compute);
    return bias ? pc_add(build->graph, y, pc_take_rows(build->graph, pc_use(build, bias), to->expert)) : y;
}

static pc_router_params choice_of(const pc_build *build, const pc_moe_config *config)
{
    pc_router_params choice = {.top_k = config->top_k, .renormalise = config->renormalise};
    choice.balance_first = config->balance_layers;
    if (build->side) {
        choice.capacity = config->capacity;
        choice.min_capacity = config->min_capacity;
    }
    return choice;
}

pc_tensor *pc_moe_forward(const pc_build *build, const pc_moe_weights *weights, const pc_moe_config *config,
                          pc_tensor *x, pc_tensor *residual, pc_tensor **logits)
{
    pc_graph *graph = build->graph;
    /* The choice is discrete: the router's products stay in f32 also where the others are rounded. */
    pc_build exact = {.graph = graph, .compute = PC_F32};
    pc_tensor *scores = pc_linear_forward(&exact, &weights->router, x, NULL);               /* [T,E] */
    pc_routing routing = pc_router(graph, scores, choice_of(build, config)); /* [T,k] */
    pc_dispatch to = pc_expert_dispatch(graph, routing.chosen, config->experts);
    pc_tensor *rows = pc_take_rows(graph, x, to.token); /* [R,D], R = T k */
    pc_tensor *up = of_experts(build, rows, weights->up, weights->up_bias, &to); /* [R,F] */
    pc_tensor *y = weights->gate ? pc_glu(graph, of_experts(build, rows, weights->gate, NULL, &to), up, config->activation)
                                 : pc_activate(graph, up, config->activation);
    y = of_experts(build, y, weights->down, weights->down_bias, &to); /* [R,D] */
    if (logits) {
        *logits = scores;
    }
    return pc_expert_combine(graph, y, routing.weights, to.place, residual); /* [T,D] */
}

static void add_losses(const pc_build *build, const pc_moe_config *config, pc_tensor *logits)
{
    pc_router_params choice = {.top_k = config->top_k, .balance_first = config->balance_layers};
    if (config->balance > 0) {
        pc_side_add(build, pc_router(build->graph, logits, choice).aux, config->balance);
    }
    if (config->z > 0) {
        pc_side_add(build, pc_router_z(build->graph, logits), config->z);
    }
}

void pc_moe_note(const pc_build *build, const pc_moe_config *config, pc_tensor *logits, pc_tensor **seen)
{
    if (!build->side || (config->balance <= 0 && config->z <= 0)) {
        return;
    }
    if (config->balance_layers) {
        add_losses(build, config, logits);
        return;
    }
    /* Side by side: widths are fixed, the number of tokens is not. */
    *seen = *seen ? pc_concat_features(build->graph, *seen, logits) : logits; /* [T,L E] */
}

void pc_moe_balance(const pc_build *build, const pc_moe_config *config, pc_tensor *seen)
{
    if (seen) {
        add_losses(build, config, pc_reshape(build->graph, seen, pc_dims(2, -1, config->experts)));
    }
}
