/* The two operations that the graph itself needs: views, and the sum of gradients. */
#ifndef PC_TENSOR_BUILTIN_H
#define PC_TENSOR_BUILTIN_H

#include "tensor/op.h"

/* out is in[0]'s memory with the shape of params (-1 computed, 0 copied), or of in[1] when there is one. Has no kernel. */
extern const pc_op pc_op_reshape;

/* out = in[0] + in[1], same element count; may run in place. */
extern const pc_op pc_op_accumulate;

/* in[0] += in[1]; out is in[0]'s memory (a parameter's gradient). */
extern const pc_op pc_op_accumulate_into;

#endif
