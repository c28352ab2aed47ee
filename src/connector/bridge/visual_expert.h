/* The visual expert's weights and its hook, for bridges that do more beside it (cogagent.c). */
#ifndef PC_CONNECTOR_BRIDGE_VISUAL_EXPERT_H
#define PC_CONNECTOR_BRIDGE_VISUAL_EXPERT_H

#include "connector/bridge/bridge.h"

typedef struct pc_expert_layer {
    pc_linear_weights linears[PC_PROJECT_DOWN + 1]; /* by pc_projection */
} pc_expert_layer;

typedef struct pc_expert_weights {
    pc_expert_layer layers[PC_BRIDGE_MAX_BLOCKS];
} pc_expert_weights;

/* PC_ERR_DATA unless the language model's MLP is LLaMA's. `bridge` for the message. */
pc_status pc_expert_check(const pc_bridge_dims *dims, const char *bridge, const char *where);
void pc_expert_declare(pc_scope *scope, const pc_bridge_dims *dims, pc_expert_weights *weights);
/* pc_hook.project; user is a pc_bridge whose weights begin with a pc_expert_weights. */
pc_tensor *pc_expert_project(void *user, const pc_build *build, int layer, pc_projection which, const pc_linear_weights *weights,
                             pc_tensor *x, pc_tensor *residual);

#endif
