/* A linear layer with two sets of weights: each row takes the one of its type (CogVLM's visual expert). */
#ifndef PC_OPS_TYPED_LINEAR_H
#define PC_OPS_TYPED_LINEAR_H

#include "tensor/graph.h"

typedef struct pc_typed_linear_params {
    bool back;         /* out [T,K] = x [T,N] W instead, the way of the gradient */
    int32_t which;     /* of the gradient of weights: the rows of this type */
    pc_dtype compute;  /* as in pc_matmul_params */
} pc_typed_linear_params;

/* out [T,N]: row t of x [T,K] times W^T of its type; in x, types i32 [T] in {0, 1}, weights [N,K] of type 0 and of type 1, residual
 * [T,N] or NULL. Time is that of one linear layer. */
extern const pc_op pc_op_typed_linear;
/* in dy [T,N], x [T,K], types, like [N,K]; out dweights [N,K] of params.which. can_accumulate. */
extern const pc_op pc_op_typed_linear_grad;
pc_tensor *pc_typed_linear(pc_graph *graph, pc_tensor *x, pc_tensor *types, pc_tensor *zero, pc_tensor *one, pc_tensor *residual,
                           pc_dtype compute);

#endif
