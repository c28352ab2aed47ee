/* Merging alike tokens of a picture between the attention and the MLP of a block: Token Merging (ToMe).
 *
 *   k [T,H,E] -> mean over heads, length 1 -> even rows A [ceil(T/2),E], odd rows B [T/2,E] -> scores A B^T
 *   -> each row of A chooses the row of B most like it; the r surest choices are merged, A's other rows stay
 */
#ifndef PC_OPS_TOKEN_MERGE_H
#define PC_OPS_TOKEN_MERGE_H

#include "tensor/graph.h"

/* k [T,H,E] -> out[0] [ceil(T/2),E], out[1] [T/2,E]: even and odd rows, the mean of the heads, of length 1. */
extern const pc_op pc_op_halves;
void pc_halves(pc_graph *graph, pc_tensor *k, pc_tensor *out[2]);

typedef struct pc_token_merge_params {
    int64_t merged;   /* r: tokens that join another; at most pc_mergeable */
    bool class_token; /* row 0 joins none */
} pc_token_merge_params;

/* in[0] x [1,T,D]; in[1] scores [ceil(T/2),T/2]; in[2] sizes f32 [T] and in[3] places i32 [T], or both NULL: of size 1, in order.
 * out[0] [1,T-r,D]: A's rows that stay, by falling score, or in their order with a class token, then B's, each the mean of what it
 * is made of, weighted by sizes; out[1] f32 [T-r] their sizes; out[2] i32 [T-r]: the place where each began. No gradient. */
extern const pc_op pc_op_token_merge;
void pc_token_merge(pc_graph *graph, pc_tensor *const in[4], pc_token_merge_params params, pc_tensor *out[3]);

/* Tokens of T that can be merged at once when `wanted` shall be. */
int64_t pc_mergeable(int64_t tokens, bool class_token, int64_t wanted);
/* ToMe's schedule: how many tokens block `layer` of `layers` merges; inflect from -1 (falling) over 0 to 1 (rising). */
int64_t pc_merged_in(int64_t layer, int64_t layers, int64_t merged, double inflect);

/* Attention in which a key counts as often as its token is large: q, k, v [T,H,E] and sizes f32 [T] -> out[0..2] [T,H,E+PC_PROPORTION],
 * whose scaled products are those of q and k plus ln(size); what attention makes of out[2] has zeros behind the first E. No gradient. */
enum { PC_PROPORTION = 8 }; /* one would do; eight are a whole vector */
typedef struct pc_proportion_params {
    double scale; /* of the attention */
} pc_proportion_params;
extern const pc_op pc_op_proportion;
void pc_proportion(pc_graph *graph, pc_tensor *const qkv[3], pc_tensor *sizes, pc_proportion_params params, pc_tensor *out[3]);
/* x [T,H,E+8] -> [T,H,E]. */

/* places i32 [T], all different -> i32 [T]: the rows by rising place. */
extern const pc_op pc_op_by_place;
pc_tensor *pc_by_place(pc_graph *graph, pc_tensor *places);

#endif
