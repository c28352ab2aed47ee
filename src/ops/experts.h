/* Mixture of experts: choice of experts, dispatch and combination. */
#ifndef PC_OPS_EXPERTS_H
#define PC_OPS_EXPERTS_H

#include "tensor/graph.h"

typedef struct pc_router_params {
    int64_t top_k;      /* experts a token goes to, 1..E */
    bool renormalise;   /* chosen weights sum to 1 (Mixtral); false keeps the softmax values (Switch) */
} pc_router_params;

/* in logits f32 [T,E]; out[0] weights f32 [T,E]: softmax over E, zero outside the top k (ties: lowest index);
 * out[1] load-balancing loss f32 [1]: E * sum_e f_e P_e, f_e = share of (token, choice) pairs that chose e times k as
 * transformers' load_balancing_loss_func, P_e = mean softmax probability; out[2] softmax f32 [T,E]. */
extern const pc_op pc_op_router;
/* in logits, weights, softmax, dweights or NULL, daux or NULL; out dlogits. */
extern const pc_op pc_op_router_grad;
/* *aux (may be NULL) = the load-balancing loss. */
pc_tensor *pc_router(pc_graph *graph, pc_tensor *logits, pc_router_params params, pc_tensor **aux);

/* out [T,D] = sum_e weights[t,e] * y_e[t], where y holds only what was routed: see pc_expert_rows. */
/* The rows of x that go to expert e, packed to the front: in x [T,D], weights [T,E]; out[0] rows [T,D] (first `count` valid,
 * the rest zero), out[1] index i32 [T] (row of x, -1 behind the valid ones). */
typedef struct pc_expert_params { int64_t expert; } pc_expert_params;
extern const pc_op pc_op_expert_rows;
extern const pc_op pc_op_expert_rows_grad; /* in dy, index, like x; out dx */
pc_tensor *pc_expert_rows(pc_graph *graph, pc_tensor *x, pc_tensor *weights, int64_t expert, pc_tensor **index);
/* out = base + scatter of weights[index[r], e] * y[r]; in base [T,D], y [T,D], index, weights [T,E]. */
extern const pc_op pc_op_expert_add;
extern const pc_op pc_op_expert_add_grad; /* in y, index, weights, dout; out dy, dweights */
pc_tensor *pc_expert_add(pc_graph *graph, pc_tensor *base, pc_tensor *y, pc_tensor *index, pc_tensor *weights,
                         int64_t expert);

#endif
