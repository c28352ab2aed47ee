/* Mixture of experts: choice, dispatch, the experts' linear layers, combination.
 *
 * logits [T,E] -> pc_router -> chosen experts and weights [T,k] -> pc_expert_dispatch: R = T k pairs (token, choice)
 * in order of their experts -> pc_take_rows(x, token) [R,D] -> pc_expert_linear ... [R,D] -> pc_expert_combine [T,D].
 * R is fixed by T and k, so that time and memory follow the active parameters exactly, whatever the router decides:
 * nothing is padded and no token is dropped.
 */
#ifndef PC_OPS_EXPERTS_H
#define PC_OPS_EXPERTS_H

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

typedef struct pc_dispatch {
    pc_tensor *token;   /* i32 [R]: the token of each row; rows of one expert lie together, in the tokens' order */
    pc_tensor *place;   /* i32 [T,k]: the row of each pair, the inverse */
    pc_tensor *offsets; /* i32 [E+1]: expert e has rows [offsets[e], offsets[e+1]) */
    pc_tensor *expert;  /* i32 [R]: the expert of each row */
} pc_dispatch;

typedef struct pc_dispatch_params { int64_t experts; } pc_dispatch_params;

/* in chosen i32 [T,k], each in [0,E); out[0] token, out[1] place, out[2] offsets, out[3] expert. */
extern const pc_op pc_op_expert_dispatch;
pc_dispatch pc_expert_dispatch(pc_graph *graph, pc_tensor *chosen, int64_t experts);

/* back: out [R,K] = x [R,N] W_e instead, the way of the gradient. */
typedef struct pc_expert_linear_params {
    bool back;
    pc_dtype compute; /* as in pc_matmul_params */
} pc_expert_linear_params;

/* out [R,N]: row r of x [R,K] times W_e^T, e its expert; in x, weights [E,N,K], offsets. Sums over K in order. */
extern const pc_op pc_op_expert_linear;
/* in dy [R,N], x [R,K], offsets, like weights; out dweights [E,N,K], rows in order. can_accumulate. */
extern const pc_op pc_op_expert_linear_grad;
pc_tensor *pc_expert_linear(pc_graph *graph, pc_tensor *x, pc_tensor *weights, pc_tensor *offsets, pc_dtype compute);

/* out [T,D] = residual + sum_c weights[t,c] y[place[t,c]]; in y [R,D], weights, place, residual [T,D] or NULL. */
extern const pc_op pc_op_expert_combine;
extern const pc_op pc_op_expert_combine_grad; /* in y, weights, place, dout; out dy [R,D], dweights [T,k] */
pc_tensor *pc_expert_combine(pc_graph *graph, pc_tensor *y, pc_tensor *weights, pc_tensor *place, pc_tensor *residual);

#endif
