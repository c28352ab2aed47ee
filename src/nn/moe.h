/* A mixture of gated MLPs in place of one (Mixtral and kin): each token goes to the k experts that a linear router
 * scores highest. Time follows the active parameters: ops/experts.h.
 */
#ifndef PC_NN_MOE_H
#define PC_NN_MOE_H

#include "nn/layers.h"

typedef struct pc_moe_config {
    int64_t width;    /* D */
    int64_t hidden;   /* F, of one expert */
    int64_t experts;  /* E */
    int64_t top_k;    /* 1..E */
    bool renormalise; /* the chosen weights sum to 1 */
    pc_activation activation;
} pc_moe_config;

/* One array for all experts, as GGUF keeps them; files with one array for each expert are stacked at load. */
typedef struct pc_moe_weights {
    pc_linear_weights router; /* [E,D] */
    pc_param *gate, *up;      /* [E,F,D] */
    pc_param *down;           /* [E,D,F] */
} pc_moe_weights;

/* PC_ERR_DATA with `where` in front unless 1 <= top_k <= experts. */
pc_status pc_moe_check(const pc_moe_config *config, const char *where);

/* Names <name>.gate.weight (the router) and <name>.experts.{gate,up,down}_proj; layers: of the stack, for the initial
 * values of down. */
void pc_moe_declare(pc_scope *scope, pc_moe_weights *weights, const pc_moe_config *config, int64_t layers,
                    const char *name);

/* x [T,D] (normed) -> [T,D] + residual (or NULL). *aux (may be NULL) = f32 [1], this layer's load-balancing loss: a loss
 * that trains adds it times a small coefficient. */
pc_tensor *pc_moe_forward(const pc_build *build, const pc_moe_weights *weights, const pc_moe_config *config,
                          pc_tensor *x, pc_tensor *residual, pc_tensor **aux);

#endif
