/* Sum of two tensors, with the second repeated over leading dims. */
#ifndef PC_OPS_ADD_H
#define PC_OPS_ADD_H

#include "tensor/graph.h"

/* out = x + y. y's shape is a suffix of x's (same shape, [D] on [..,D], [P,D] on [N,P,D]); f32. can run in place.
 * Gradient of a repeated y: pc_sum_to. */
extern const pc_op pc_op_add;
pc_tensor *pc_add(pc_graph *graph, pc_tensor *x, pc_tensor *y);

/* out = sum of x over leading dims so that the shape `like` (a suffix of x's) remains; fixed order. can_accumulate. */
extern const pc_op pc_op_sum_to;
pc_tensor *pc_sum_to(pc_graph *graph, pc_tensor *x, pc_tensor *like);

#endif
