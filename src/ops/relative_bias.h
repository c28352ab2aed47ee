/* Relative position bias of T5 (Raffel et al. 2020). */
#ifndef PC_OPS_RELATIVE_BIAS_H
#define PC_OPS_RELATIVE_BIAS_H

#include "tensor/graph.h"

typedef struct pc_relative_bias_params {
    bool bidirectional;   /* half of the buckets for keys behind the query (encoder); false: those share bucket 0 */
    int64_t max_distance; /* 128 in T5; from here on the last bucket */
} pc_relative_bias_params;

/* The bucket, in [0, buckets), of a key that stands at `distance` = key position - query position. */
int64_t pc_relative_bucket(int64_t distance, int64_t buckets, pc_relative_bias_params params);

/* in[0] table f32 [buckets,H]; out f32 [H,2M+1], M = pc_relative_reach: table[bucket(d - M), h] at [h, d]: what pc_attention
 * takes as bias; all distances beyond M share the bucket of M. */
extern const pc_op pc_op_relative_bias;
/* in dy, like table; out dtable [buckets,H], distances in order. can_accumulate. */
extern const pc_op pc_op_relative_bias_grad;
pc_tensor *pc_relative_bias(pc_graph *graph, pc_tensor *table, pc_relative_bias_params params);
int64_t pc_relative_reach(int64_t buckets, pc_relative_bias_params params); /* M */

#endif
