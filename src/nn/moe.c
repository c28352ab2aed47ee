/* y = sum over the chosen experts e of w_e down_e(act(gate_e x) * up_e x).
 *
 * Source: Jiang et al. 2024 (arXiv:2401.04088), section 2.1; transformers models/mixtral.
 * Easy to get wrong: Mixtral's files call gate w1, up w3, down w2; transformers balances the choices of all layers
 * together, here each layer has a loss of its own.
 */
#include "nn/moe.h"

#include "ops/experts.h"
#include "ops/rows.h"

#include <stdio.h>

pc_status pc_moe_check(const pc_moe_config *config, const char *where)
{
    if (config->top_k < 1 || config->top_k > config->experts) {
        return pc_fail(PC_ERR_DATA, "%s: %lld experts for each token, expected 1 to %lld", where,
                       (long long)config->top_k, (long long)config->experts);
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
    weights->gate = pc_declare(scope, PC_NORMAL(std), wide, "%s.experts.gate_proj", name);
    weights->up = pc_declare(scope, PC_NORMAL(std), wide, "%s.experts.up_proj", name);
    weights->down = pc_declare(scope, PC_NORMAL(out), back, "%s.experts.down_proj", name);
}

pc_tensor *pc_moe_forward(const pc_build *build, const pc_moe_weights *weights, const pc_moe_config *config,
                          pc_tensor *x, pc_tensor *residual, pc_tensor **aux)
{
    pc_graph *graph = build->graph;
    pc_router_params choice = {.top_k = config->top_k, .renormalise = config->renormalise};
    /* The choice is discrete: the router's products stay in f32 also where the others are rounded. */
    pc_build exact = {.graph = graph, .compute = PC_F32};
    pc_routing routing = pc_router(graph, pc_linear_forward(&exact, &weights->router, x, NULL), choice); /* [T,k] */
    pc_dispatch to = pc_expert_dispatch(graph, routing.chosen, config->experts);
    pc_tensor *rows = pc_take_rows(graph, x, to.token); /* [R,D], R = T k */
    pc_tensor *gate = pc_expert_linear(graph, rows, pc_use(build, weights->gate), to.offsets, build->compute); /* [R,F] */
    pc_tensor *up = pc_expert_linear(graph, rows, pc_use(build, weights->up), to.offsets, build->compute);
    pc_tensor *y = pc_glu(graph, gate, up, config->activation);
    y = pc_expert_linear(graph, y, pc_use(build, weights->down), to.offsets, build->compute); /* [R,D] */
    if (aux) {
        *aux = routing.aux;
    }
    return pc_expert_combine(graph, y, routing.weights, to.place, residual); /* [T,D] */
}
