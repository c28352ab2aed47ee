/* CogVLM's visual expert: weights of their own for the rows of pictures in every layer.
 *
 *   q, k, v, o, gate, up, down of a row = those of the language model, or, where the row is a picture's, the expert's;
 *   attention, norms and the order of everything stay as they are
 *
 * Source: Wang et al. 2023 (arXiv:2311.03079), section 2.1; modeling_cogvlm.py (names).
 * Easy to get wrong: a row is a picture's when the next one is, too, so that the token that closes a picture goes the way of the
 * text.
 */
#include "connector/bridge/visual_expert.h"

#include "nn/adapter.h"
#include "ops/typed_linear.h"

#include <stdio.h>

typedef struct expert_config {
    char none; /* there is nothing to choose */
} expert_config;

pc_status pc_expert_check(const pc_bridge_dims *dims, const char *bridge, const char *where)
{
    return dims->hidden < 1 || dims->layers > PC_BRIDGE_MAX_BLOCKS
               ? pc_fail(PC_ERR_DATA, "%s: the bridge '%s' needs a language model like LLaMA of at most %d layers", where, bridge,
                         PC_BRIDGE_MAX_BLOCKS)
               : PC_OK;
}

void pc_expert_declare(pc_scope *scope, const pc_bridge_dims *dims, pc_expert_weights *weights)
{
    int64_t rows = dims->heads * dims->head_size, keys = dims->key_heads * dims->head_size;
    const struct {
        int64_t out, in;
        const char *name;
    } linears[] = {
        [PC_PROJECT_Q] = {rows, dims->width, "self_attn.vision_q_proj"},
        [PC_PROJECT_K] = {keys, dims->width, "self_attn.vision_k_proj"},
        [PC_PROJECT_V] = {keys, dims->width, "self_attn.vision_v_proj"},
        [PC_PROJECT_O] = {dims->width, rows, "self_attn.vision_expert_dense"},
        [PC_PROJECT_GATE] = {dims->hidden, dims->width, "mlp.vision_mlp.gate_proj"},
        [PC_PROJECT_UP] = {dims->hidden, dims->width, "mlp.vision_mlp.up_proj"},
        [PC_PROJECT_DOWN] = {dims->width, dims->hidden, "mlp.vision_mlp.down_proj"},
    };
    char name[96];
    for (int64_t i = 0; i < dims->layers; i++) {
        for (int p = PC_PROJECT_Q; p <= PC_PROJECT_DOWN; p++) {
            snprintf(name, sizeof name, "layers.%d.%s", (int)i, linears[p].name);
            pc_linear_declare(scope, &weights->layers[i].linears[p], linears[p].out, linears[p].in, false, 1, name);
        }
    }
}

pc_tensor *pc_expert_project(void *user, const pc_build *build, int layer, pc_projection which, const pc_linear_weights *weights,
                             pc_tensor *x, pc_tensor *residual)
{
    const pc_bridge *bridge = user;
    const pc_expert_weights *experts = bridge->weights;
    const pc_param *own = experts->layers[layer].linears[which].weight;
    if (!bridge->in.types || weights->bias) {
        return pc_linear_forward(build, weights, x, residual);
    }
    if (pc_adapter_find(build->adapter, weights->weight) || pc_adapter_find(build->adapter, own)) {
        return pc_graph_poison(build->graph, pc_fail(PC_ERR_USAGE, "low-rank adapters of a language model with a visual expert are not "
                                                                   "supported"));
    }
    return pc_typed_linear(build->graph, x, bridge->in.types, pc_use(build, weights->weight), pc_use(build, (pc_param *)own), residual,
                           build->compute);
}

static pc_status check(const void *any, const pc_bridge_dims *dims, const char *where)
{
    (void)any;
    return pc_expert_check(dims, "visual_expert", where);
}

static void declare(pc_scope *scope, const void *any, const pc_bridge_dims *dims, void *weights)
{
    (void)any;
    pc_expert_declare(scope, dims, weights);
}

static pc_hook hook(const pc_bridge *bridge)
{
    return (pc_hook){.user = (void *)bridge, .project = pc_expert_project};
}

const pc_bridge_type pc_bridge_visual_expert = {
    .name = "visual_expert",
    .config_size = sizeof(expert_config),
    .weights_size = sizeof(pc_expert_weights),
    .check = check,
    .declare = declare,
    .hook = hook,
};
