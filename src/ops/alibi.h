/* Attention with linear biases (ALiBi): what pc_attention takes as bias. */
#ifndef PC_OPS_ALIBI_H
#define PC_OPS_ALIBI_H

#include "tensor/graph.h"

typedef struct pc_alibi_params {
    int64_t heads;  /* H */
    int64_t most;   /* M: the longest distance that occurs */
    double highest; /* exponent of the last slope: 8 in the paper, alibi_bias_max of MPT */
} pc_alibi_params;

/* out f32 [H,2M+1]: at [h, M + d] slope_h d, for a key that stands d before (d < 0) or behind its query; with H a power of two
 * slope_h = 2^(-highest (h + 1) / H), else every other one of the next power's. Looks at nothing of in[0], `like`. No gradient. */
extern const pc_op pc_op_alibi;
pc_tensor *pc_alibi(pc_graph *graph, pc_tensor *like, pc_alibi_params params);

#endif
