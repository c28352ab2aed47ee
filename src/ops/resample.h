/* Features that lie in a grid [N, rows * columns, D], row by row: resizing and pooling. */
#ifndef PC_OPS_RESAMPLE_H
#define PC_OPS_RESAMPLE_H

#include "tensor/graph.h"

typedef struct pc_grid_size { int64_t rows, columns; } pc_grid_size;

/* Bicubic resize of a table [C + R*S, D] -> [C + R'*S', D]: the first `prefix` = C rows as they are, the others as a grid.
 * As torch's interpolate(mode="bicubic", align_corners=False): Keys' kernel with a = -0.75, borders repeated, no
 * antialiasing. Position embeddings at another resolution. */
typedef struct pc_resize_params {
    pc_grid_size from, to;
    int64_t prefix;
} pc_resize_params;
extern const pc_op pc_op_resize_grid;
extern const pc_op pc_op_resize_grid_grad; /* in dy, like; out dx */
pc_tensor *pc_resize_grid(pc_graph *graph, pc_tensor *x, pc_resize_params params);

/* Mean over cells: x [N,R*S,D] -> [N,R'*S',D]; cell (i, j) covers rows floor(i R/R') to ceil((i+1) R/R'), columns alike
 * (adaptive average pooling). */
typedef struct pc_pool_params { pc_grid_size from, to; } pc_pool_params;
extern const pc_op pc_op_pool_grid;
extern const pc_op pc_op_pool_grid_grad; /* in dy, like; out dx */
pc_tensor *pc_pool_grid(pc_graph *graph, pc_tensor *x, pc_pool_params params);

#endif
