/* MobileNetV3's gate without an exponential. */
#ifndef PC_OPS_HARD_H
#define PC_OPS_HARD_H

#include "tensor/graph.h"

/* out = min(max(x + 3, 0), 6) / 6. */
extern const pc_op pc_op_hard_sigmoid;
extern const pc_op pc_op_hard_sigmoid_grad; /* in x, dy; out dx */
pc_tensor *pc_hard_sigmoid(pc_graph *graph, pc_tensor *x);
/* x * hard_sigmoid(x) */
pc_tensor *pc_hard_swish(pc_graph *graph, pc_tensor *x);

#endif
