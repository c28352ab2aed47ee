/* Which keys the queries of a group see, when queries and keys are different tensors. */
#ifndef PC_OPS_CROSS_RANGES_H
#define PC_OPS_CROSS_RANGES_H

#include "tensor/graph.h"

/* queries [N,Q,..], keys [N,P,..] -> ranges i32 [N*Q,4] (ops/attention.h): a query of group n sees the first `head` +
 * lengths[n] of the P keys of group n (at most P), or all of them without lengths (i32 [N]). Looks at shapes alone. */
typedef struct pc_cross_ranges_params { int64_t head; } pc_cross_ranges_params;
extern const pc_op pc_op_cross_ranges;
pc_tensor *pc_cross_ranges(pc_graph *graph, pc_tensor *queries, pc_tensor *keys, pc_tensor *lengths, int64_t head);

#endif
