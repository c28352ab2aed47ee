/* Mixture of experts: which experts a token goes to, and the losses that keep the choice balanced. */
#ifndef PC_OPS_ROUTER_H
#define PC_OPS_ROUTER_H

#include "tensor/graph.h"

typedef struct pc_router_params {
    int64_t top_k;    /* k: experts a token goes to, 1..E */
    bool renormalise; /* chosen weights sum to 1 (Mixtral); false keeps the softmax values (Switch) */
    bool balance_first; /* aux counts the first choice alone (GShard) */
    double capacity;  /* an expert takes at most ceil(k T / E * capacity) tokens; those beyond weigh 0, all first choices go
                       * before the second ones; 0 = no limit */
    int64_t min_capacity; /* at least so many */
} pc_router_params;

typedef struct pc_routing {
    pc_tensor *weights; /* f32 [T,k]: softmax over E of the chosen */
    pc_tensor *chosen;  /* i32 [T,k]: experts, the largest weight first; ties: lowest index */
    pc_tensor *aux;     /* f32 [1]: balancing loss E sum_e f_e P_e, f_e = pairs that chose e / T, P_e = mean softmax */
} pc_routing;

/* Experts of one node: memory of the reference's counts. */
enum { PC_ROUTER_MOST_EXPERTS = 1024 };

/* in logits [T,E]; out[0] weights, out[1] aux, out[2] softmax [T,E], out[3] chosen. */
extern const pc_op pc_op_router;
/* in softmax, weights, chosen, dweights or NULL, daux or NULL; out dlogits. */
extern const pc_op pc_op_router_grad;
pc_routing pc_router(pc_graph *graph, pc_tensor *logits, pc_router_params params);

/* f32 [1]: mean over the rows of (log sum exp logits)^2, which keeps router logits small (ST-MoE). */
extern const pc_op pc_op_router_z;
extern const pc_op pc_op_router_z_grad; /* in logits, dz; out dlogits */
pc_tensor *pc_router_z(pc_graph *graph, pc_tensor *logits);

#endif
