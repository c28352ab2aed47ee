/* Relative position bias of T5 (Raffel et al. 2020). */
#ifndef PC_OPS_RELATIVE_BIAS_H
#define PC_OPS_RELATIVE_BIAS_H

#include "tensor/graph.h"

typedef struct pc_relative_bias_params {
    bool bidirectional;
    int64_t max_distance; /* 128 in T5 */
} pc_relative_bias_params;

/* in[0] table f32 [buckets,H]; in[1] query positions i32 [T]; in[2] key positions i32 [S]; out f32 [H,T,S]:
 * table[bucket(key - query), h]. Buckets as in T5: half exact, half logarithmic. */
extern const pc_op pc_op_relative_bias;
extern const pc_op pc_op_relative_bias_grad; /* in dy, query positions, key positions, like table; out dtable */
pc_tensor *pc_relative_bias(pc_graph *graph, pc_tensor *table, pc_tensor *query_positions, pc_tensor *key_positions,
                            pc_relative_bias_params params);

#endif
