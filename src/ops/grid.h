/* The patches of pictures in another order than the raster: blocks that merge into one token, windows of attention. */
#ifndef PC_OPS_GRID_H
#define PC_OPS_GRID_H

#include "tensor/graph.h"

typedef struct pc_grid_params {
    int64_t rows, columns; /* of one picture, in patches */
    int64_t block;         /* side of the blocks whose patches lie together, row-major; divides rows and columns */
    int64_t window;        /* side of the windows whose blocks lie together, a multiple of block; 0 = one window */
    int64_t prefix;        /* tokens before the patches of each picture, which `positions` counts in, at 0, 0 */
} pc_grid_params;

/* All i32, P = rows * columns, places numbered through the N pictures. */
typedef struct pc_grid {
    pc_tensor *order;     /* [N*P]: the raster row that stands at each place */
    pc_tensor *inverse;   /* [N*P]: the place of each raster row */
    pc_tensor *positions; /* [N*(prefix+P),2]: row and column of the patch at each place, in its picture */
    pc_tensor *ranges;    /* [N*P,4] (ops/attention.h): places of its own window */
} pc_grid;

/* Looks at dim 0 of `like` alone: N pictures. No gradient. */
extern const pc_op pc_op_grid;
pc_grid pc_grid_layout(pc_graph *graph, pc_tensor *like, pc_grid_params params);

/* x [N,P,D] -> [N,P/(s*s),s*s*D]: the patches of each block of s x s side by side, row-major (space to depth, "pixel
 * shuffle"). */
pc_tensor *pc_merge_blocks(pc_graph *graph, pc_tensor *x, int64_t rows, int64_t columns, int64_t side);

#endif
