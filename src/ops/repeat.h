/* The same rows for every group: learned queries beside a batch of pictures. */
#ifndef PC_OPS_REPEAT_H
#define PC_OPS_REPEAT_H

#include "tensor/graph.h"

/* out [N,Q,D] = rows [Q,D] for each of the N groups of like [N,..], of which only dim 0 counts. */
extern const pc_op pc_op_repeat;
pc_tensor *pc_repeat(pc_graph *graph, pc_tensor *rows, pc_tensor *like);

#endif
