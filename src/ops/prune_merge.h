/* Choosing the tokens of a picture that its class token looks at, each with a share of those alike: LLaVA-PruMerge. */
#ifndef PC_OPS_PRUNE_MERGE_H
#define PC_OPS_PRUNE_MERGE_H

#include "tensor/graph.h"

typedef struct pc_prune_merge_params {
    double keep;   /* share of the tokens that is chosen; 0 = as many as are outliers of attention */
    int64_t near;  /* tokens that join each chosen one */
    bool spread;   /* tokens at even distances are chosen, too ("PruMerge+") */
} pc_prune_merge_params;

/* in[0] features [1,P,D]; in[1] q [1+P,C] and in[2] k [1+P,C], the class token first; in[3] alike [P,P]: cosines of the keys.
 * out[0] [1,P+1,D]: the chosen tokens by falling attention, then those at even distances, then one for all others; zeros behind;
 * out[1] i32 [1]: how many count. No gradient. */
extern const pc_op pc_op_prune_merge;
pc_tensor *pc_prune_merge(pc_graph *graph, pc_tensor *const in[4], pc_prune_merge_params params, pc_tensor **count);

#endif
