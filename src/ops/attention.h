/* Scaled dot-product attention with grouped heads, by tiles: no [T,S] matrix in memory. */
#ifndef PC_OPS_ATTENTION_H
#define PC_OPS_ATTENTION_H

#include "tensor/graph.h"

/* Which keys a query sees: two half-open ranges of key rows, [prefix_begin, prefix_end) and [begin, end). They don't
 * overlap. This one description serves causal (end = i + 1), bidirectional, packed, shared-prefix (turns that see the
 * image and themselves), sliding-window and prefix-LM masks, and a KV cache (rows of the cache). A query whose ranges
 * are empty gives zeros. */
typedef struct pc_attention_range {
    int32_t prefix_begin, prefix_end, begin, end;
} pc_attention_range;

/* Which key row a query stands at, for a bias that goes by distance. */
typedef enum pc_attention_place {
    PC_PLACE_ROW,  /* queries and keys are the same rows: query t at key t */
    PC_PLACE_LAST, /* at the last key of its main range: causal rows, a cache */
} pc_attention_place;

typedef struct pc_attention_params {
    double scale;      /* of the dot products, 1/sqrt(E) as a rule; > 0 */
    int64_t page_rows; /* with in[5]: key rows of a page */
    pc_attention_place place; /* with in[4] */
} pc_attention_params;

/* in[0] q [T,H,E]; in[1] k [S,K,E]; in[2] v [S,K,E]; H a multiple of K (query head h reads key head h / (H/K));
 * in[3] ranges i32 [T,4]; in[4] bias f32 [H,2M+1] or NULL, added to the scaled products: of key row s and a query at
 * key row p, bias[h, M + s - p], distances beyond M counting as M; in[5] pages i32 [P] or NULL: key row r of the ranges is
 * then row pages[r / page_rows] * page_rows + r % page_rows of k and v. k and v may lie in a cache's types
 * (store_rows), each in its own: a row of all heads is whole blocks, a head need not be; in[6] q [T,H,E] or NULL: the queries
 * that keys of the prefix range meet, in place of in[0]. So a query may stand nearer to its sinks than it does to itself.
 * out[0] [T,H,E]; out[1] log-sum-exp of each row f32 [T,H] (for the gradient). */
extern const pc_op pc_op_attention;
/* in q, k, v, ranges, bias or NULL, out, lse, dout; out dq, dk, dv, and dbias when there is a bias. */
extern const pc_op pc_op_attention_grad;
pc_tensor *pc_attention(pc_graph *graph, pc_tensor *q, pc_tensor *k, pc_tensor *v, pc_tensor *ranges, pc_tensor *bias,
                        double scale);
/* Over a cache that lies in pages; without a gradient. */
pc_tensor *pc_attention_paged(pc_graph *graph, pc_tensor *q, pc_tensor *k, pc_tensor *v, pc_tensor *ranges,
                              pc_tensor *pages, pc_attention_params params);
/* Either, with a bias (or NULL) and every parameter; pages NULL = k and v as they are. */
pc_tensor *pc_attention_biased(pc_graph *graph, pc_tensor *const qkv[3], pc_tensor *ranges, pc_tensor *bias, pc_tensor *pages,
                               pc_attention_params params);
/* The same over a cache, where keys of the prefix range meet `sinks` [T,H,E] in place of qkv[0]; without a gradient. */
pc_tensor *pc_attention_sinks(pc_graph *graph, pc_tensor *const qkv[3], pc_tensor *sinks, pc_tensor *ranges, pc_tensor *pages,
                              pc_attention_params params);
/* Where in its row of the bias a key at `row` stands for query t. */
int64_t pc_attention_distance(const pc_attention_params *params, const pc_attention_range *range, int64_t t, int64_t row,
                              int64_t most);

/* x [N,G,..] -> ranges i32 [N*G,4] in which every row sees the G rows of its own group: the bidirectional attention of
 * a batch of pictures. Looks at x's shape alone. */
extern const pc_op pc_op_group_ranges;
pc_tensor *pc_group_ranges(pc_graph *graph, pc_tensor *x);

#endif
