/* Matrix products: linear layers, their gradients, similarities. */
#ifndef PC_OPS_MATMUL_H
#define PC_OPS_MATMUL_H

#include "tensor/graph.h"

/* C = op(A) op(B) (+ bias) (+ residual), sums over K in order.
 * in[0] A: [..,K] rows (leading dims flattened), or [K,M] with transpose_a; f32, bf16, f16.
 * in[1] B: [N,K] with transpose_b (the layout of a linear layer's weight), or [K,N]; f32, bf16, f16 or blocks; may be a
 *          parameter with a packed form. B with more than two dims counts as [dim[0], the rest].
 * in[2] bias [N] or NULL.  in[3] residual, C's shape, or NULL.
 * out[0] C: A's leading dims + [N] (or [M,N] with transpose_a), f32 (f64 when A is).
 * compute: PC_F32, or PC_BF16: both factors are rounded to bf16 (nearest even), products summed in f32. B in blocks is read as
 *          it lies; then PC_BF16 rounds A alone, and to 8 bits (pc_block_round_eight), if B is transposed and A is not.
 * The sum over K depends on K and compute alone: never on M, N, other rows or threads. */
typedef struct pc_matmul_params {
    bool transpose_a, transpose_b;
    pc_dtype compute;
} pc_matmul_params;

extern const pc_op pc_op_matmul; /* can_accumulate */

/* True when A is rounded to 8 bits. */
bool pc_matmul_in_eight_bits(const pc_node *node);

pc_tensor *pc_matmul(pc_graph *graph, pc_tensor *a, pc_tensor *b, pc_matmul_params params);
/* x W^T + b + residual; bias and residual may be NULL. */
pc_tensor *pc_linear(pc_graph *graph, pc_tensor *x, pc_tensor *weight, pc_tensor *bias, pc_tensor *residual,
                     pc_dtype compute);

#endif
