/* What attention looks at: its weights, which attention itself never keeps. */
#ifndef PC_OPS_LOOK_H
#define PC_OPS_LOOK_H

#include "tensor/graph.h"

/* How the heads of a row become one row. */
typedef enum pc_look_heads {
    PC_LOOK_MOST, /* the largest of them for each key */
    PC_LOOK_MEAN,
} pc_look_heads;

typedef struct pc_look_params {
    double scale;      /* as in attention.h, with page_rows */
    int64_t page_rows;
    int64_t columns;   /* C: no row sees more keys */
    pc_look_heads heads;
} pc_look_params;

/* in[0] q [R,H,E]; in[1] k [S,K,E]; in[2] ranges i32 [R,4]; in[3] pages i32 [P] or NULL: as those of attention, without a
 * bias. out [R,C]: out[r,i] = the weight of the i-th key that row r sees, in the order of its ranges, over the heads; 0 behind
 * the last. Without a gradient. */
extern const pc_op pc_op_look;
pc_tensor *pc_look(pc_graph *graph, pc_tensor *q, pc_tensor *k, pc_tensor *ranges, pc_tensor *pages, pc_look_params params);

#endif
