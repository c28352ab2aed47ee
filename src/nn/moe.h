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
    /* In training alone. */
    double capacity;      /* as in pc_router_params; 0 = no token is dropped */
    int64_t min_capacity;
    double balance;       /* coefficient of the balancing loss */
    double z;             /* coefficient of the router's z-loss */
    bool balance_layers;  /* a loss for each layer, over first choices (GShard, DeepSpeed); false: one over the choices of all
                           * layers (Mixtral and Switch in transformers) */
} pc_moe_config;

/* One array for all experts, as GGUF keeps them; files with one array for each expert are joined at load. */
typedef struct pc_moe_weights {
    pc_linear_weights router; /* [E,D] */
    pc_param *gate, *up;      /* [E,F,D] */
    pc_param *down;           /* [E,D,F] */
} pc_moe_weights;

/* PC_ERR_DATA with `where` in front unless 1 <= top_k <= experts <= PC_ROUTER_MOST_EXPERTS. */
pc_status pc_moe_check(const pc_moe_config *config, const char *where);

/* Names <name>.gate.weight (the router) and <name>.experts.{gate,up,down}_proj; layers: of the stack, for the initial
 * values of down. */
void pc_moe_declare(pc_scope *scope, pc_moe_weights *weights, const pc_moe_config *config, int64_t layers,
                    const char *name);

/* x [T,D] (normed) -> [T,D] + residual (or NULL). *logits (may be NULL) = what the router says, [T,E]. */
pc_tensor *pc_moe_forward(const pc_build *build, const pc_moe_weights *weights, const pc_moe_config *config,
                          pc_tensor *x, pc_tensor *residual, pc_tensor **logits);

/* The side losses of a stack: pc_moe_note for the logits of each layer, *seen NULL before the first; pc_moe_balance behind the
 * last. Nothing happens unless they are wanted. */
void pc_moe_note(const pc_build *build, const pc_moe_config *config, pc_tensor *logits, pc_tensor **seen);
void pc_moe_balance(const pc_build *build, const pc_moe_config *config, pc_tensor *seen);

#endif
