/* Pictures to rows of patches (the im2col of a stride = kernel convolution). */
#ifndef PC_OPS_PATCHES_H
#define PC_OPS_PATCHES_H

#include "tensor/graph.h"

/* pixels f32 [N,C,Y,X] -> [N,P,C*p*p], P = (Y/p)*(X/p), row-major over the grid, features ordered (channel, row, column)
 * as a convolution weight [D,C,p,p] flattens. Divisions round down: pixels behind the last whole patch are left out, as a
 * convolution without padding leaves them (384 pixels in patches of 14: 27 x 27). */
typedef struct pc_patches_params { int64_t patch; } pc_patches_params;
extern const pc_op pc_op_patches;
extern const pc_op pc_op_patches_grad; /* in dy, like pixels; out dpixels */
pc_tensor *pc_patches(pc_graph *graph, pc_tensor *pixels, int64_t patch);

#endif
