/* Mixture of experts: dispatch, the experts' linear layers, combination.
 *
 * logits [T,E] -> pc_router (router.h) -> chosen experts and weights [T,k] -> pc_expert_dispatch: R = T k pairs (token, choice)
 * in order of their experts -> pc_take_rows(x, token) [R,D] -> pc_expert_linear ... [R,D] -> pc_expert_combine [T,D].
 * R is fixed by T and k, so that time and memory follow the active parameters exactly, whatever the router decides:
 * nothing is padded and no token is dropped.
 */
#ifndef PC_OPS_EXPERTS_H
#define PC_OPS_EXPERTS_H

#include "tensor/graph.h"

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
