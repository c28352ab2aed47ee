/* A mixture of MLPs in place of one (Mixtral and kin; plain ones: MoE-LLaVA over Phi): each token goes to the k experts that a linear router
 * scores highest. Time follows the active parameters: ops/experts.h.
 */
#ifndef PC_NN_MOE_H
#define PC_NN_MOE_H

#include "base/field.h"
#include "nn/layers.h"

typedef struct pc_moe_config {
    int64_t width;    /* D */
    int64_t hidden;   /* F, of one expert */
    int64_t experts;  /* E */
    int64_t top_k;    /* 1..E */
    bool renormalise; /* the chosen weights sum to 1 */
    bool plain;       /* down(act(up x)) with biases; false: down(act(gate x) * up x) without */
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
    pc_param *gate, *up;      /* [E,F,D]; no gate in plain ones */
    pc_param *down;           /* [E,D,F] */
    pc_param *up_bias, *down_bias; /* [E,F], [E,D] of plain ones */
} pc_moe_weights;

/* Keys of a configuration with a `pc_moe_config moe`; they are Mixtral's where Mixtral has them. moe_layers_idx, read beside
 * these, is the list of layers that have experts, null = all. */
#define PC_MOE_KEY(config, spelling, key, kind, def, lo, hi, text)                                                  \
    {.name = spelling, .type = kind, .offset = offsetof(config, moe.key), .fallback = def, .low = lo, .high = hi, .help = text, \
     .only_with = "num_local_experts"}
#define PC_MOE_FIELDS(config, number, chosen, coefficient)                                                          \
    PC_MOE_KEY(config, "num_local_experts", experts, PC_FIELD_INT, number, 0, 1024, "experts of a sparse layer; 0 = none"), \
    PC_MOE_KEY(config, "num_experts_per_tok", top_k, PC_FIELD_INT, chosen, 1, 1024, "experts that a token goes to"), \
    PC_MOE_KEY(config, "norm_topk_prob", renormalise, PC_FIELD_BOOL, "true", 0, 0,                                  \
               "the chosen experts' weights sum to 1"),                                                            \
    PC_MOE_KEY(config, "router_aux_loss_coef", balance, PC_FIELD_FLOAT, coefficient, 0, 1e3,                        \
               "training: weight of the loss that balances the experts"),                                          \
    PC_MOE_KEY(config, "router_z_loss_coef", z, PC_FIELD_FLOAT, "0", 0, 1e3,                                        \
               "training: weight of the loss that keeps router logits small"),                                     \
    PC_MOE_KEY(config, "moe_balance_layers", balance_layers, PC_FIELD_BOOL, "false", 0, 0,                          \
               "training: balance the first choices of each layer, not all choices of all together"),              \
    PC_MOE_KEY(config, "moe_capacity_factor", capacity, PC_FIELD_FLOAT, "0", 0, 1e6,                                \
               "training: tokens that an expert takes, in even shares; 0 = all that choose it"),                   \
    PC_MOE_KEY(config, "moe_min_capacity", min_capacity, PC_FIELD_INT, "0", 0, 1 << 30, "at least so many tokens")

/* sparse [layers]: those of moe_layers_idx, or all; none without experts. */
pc_status pc_moe_layers(bool *sparse, int64_t layers, const pc_moe_config *config, const pc_json *json, const char *where);

/* PC_ERR_DATA with `where` in front unless 1 <= top_k <= experts <= PC_ROUTER_MOST_EXPERTS. */
pc_status pc_moe_check(const pc_moe_config *config, const char *where);

/* Names <name>.gate.weight (the router), <name>.experts.{gate,up,down}_proj, <name>.experts.{up,down}_bias; layers: of the stack, for the initial
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
