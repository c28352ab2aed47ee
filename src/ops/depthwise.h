/* Convolutions that keep channels apart, and scaling of channels: what MobileNet's blocks are made of. */
#ifndef PC_OPS_DEPTHWISE_H
#define PC_OPS_DEPTHWISE_H

#include "ops/resample.h"

/* x [N,R*S,D] (a grid, row by row), w [D,1,k,k], b [D] or NULL -> [N,R'*S',D] with R' = ceil(R / stride): padding k/2. */
typedef struct pc_depthwise_params {
    pc_grid_size from;
    int64_t stride;
} pc_depthwise_params;
extern const pc_op pc_op_depthwise;
extern const pc_op pc_op_depthwise_grad; /* in x, w, dy; out dx, dw, db */
pc_tensor *pc_depthwise(pc_graph *graph, pc_tensor *x, pc_tensor *w, pc_tensor *b, pc_depthwise_params params);

/* out = x * s: x [N,P,D], s [N,1,D] (or any shape of N*D elements), the same for all rows of a group. */
extern const pc_op pc_op_channel_scale;
pc_tensor *pc_channel_scale(pc_graph *graph, pc_tensor *x, pc_tensor *s);

#endif
