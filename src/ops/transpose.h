/* Transpose of a matrix. */
#ifndef PC_OPS_TRANSPOSE_H
#define PC_OPS_TRANSPOSE_H

#include "tensor/graph.h"

/* out [N,M] = x^T of x [M,N]. */
extern const pc_op pc_op_transpose;
pc_tensor *pc_transpose(pc_graph *graph, pc_tensor *x);

#endif
