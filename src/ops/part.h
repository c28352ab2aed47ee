/* A part of a list: the rows that a loss works on at a time. */
#ifndef PC_OPS_PART_H
#define PC_OPS_PART_H

#include "tensor/graph.h"

/* x [R] of i32, f32 or f64 -> its elements begin .. begin + count - 1, or as many of them as there are at run time, [0] when x
 * ends before. No gradient. */
typedef struct pc_part_params { int64_t begin, count; } pc_part_params;
extern const pc_op pc_op_part;
pc_tensor *pc_part_of(pc_graph *graph, pc_tensor *x, int64_t begin, int64_t count);

#endif
