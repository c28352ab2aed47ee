/* What DoRA needs beside products: one over the length of each row of an adapted weight. */
#ifndef PC_OPS_DORA_H
#define PC_OPS_DORA_H

#include "tensor/graph.h"

/* in[0] W [N,K] in f32, bf16 or f16; in[1] delta f32 [N,K]. out f32 [N] = 1 / |W_n + factor delta_n|_2 (0 for a row of zeros).
 * Counts as a constant in the gradient (Liu et al. 2024, section 4.3). */
typedef struct pc_inverse_lengths_params { double factor; } pc_inverse_lengths_params;
extern const pc_op pc_op_inverse_lengths;
pc_tensor *pc_inverse_lengths(pc_graph *graph, pc_tensor *weight, pc_tensor *delta, double factor);

#endif
