/* Rows in and out: embedding tables, splicing, selection, caches. */
#ifndef PC_OPS_ROWS_H
#define PC_OPS_ROWS_H

#include "tensor/graph.h"

/* out [T,D] (f32) = table[ids]; table [V,D] in f32, bf16 or f16 (a parameter or a value), or i32 (out is i32 then), ids i32 [T] in [0,V): an id
 * outside is a broken promise of the caller. Serves token embeddings and gathering (`take rows`). Tables with more dims
 * count as [V, the rest]; out is then [T, the rest...]. */
extern const pc_op pc_op_take_rows;
pc_tensor *pc_take_rows(pc_graph *graph, pc_tensor *table, pc_tensor *ids);

/* Gradient of the above: out (shape of `like`: [V,D]) = zeros, then out[ids[t]] += dy[t], t in order. can_accumulate. */
extern const pc_op pc_op_add_rows;
pc_tensor *pc_add_rows(pc_graph *graph, pc_tensor *dy, pc_tensor *ids, pc_tensor *like);

/* out [T,D] = base, with row ids[q] replaced by rows[q]; ids i32 [Q] distinct. The splice of soft tokens. In place. */
extern const pc_op pc_op_put_rows;
pc_tensor *pc_put_rows(pc_graph *graph, pc_tensor *base, pc_tensor *rows, pc_tensor *ids);

/* Write x [T,..] to cache[ids[t]] (i32 [T]) and give the cache on: cache [S,..] f32/bf16/f16, or q8_0/q4_0 whose rows
 * are whole blocks (base/block_store.h). writes_input. */
extern const pc_op pc_op_store_rows;
pc_tensor *pc_store_rows(pc_graph *graph, pc_tensor *cache, pc_tensor *x, pc_tensor *ids);

/* out [N,C+P,D]: the C rows of tokens [C,D] (or [D]: C = 1) before each of the N groups of x [N,P,D]. */
extern const pc_op pc_op_prepend;
pc_tensor *pc_prepend(pc_graph *graph, pc_tensor *x, pc_tensor *tokens);

/* out [N,end-begin,D] = x[:, begin:end, :] of x [N,P,D]; end 0 = P. */
typedef struct pc_slice_params { int64_t begin, end; } pc_slice_params;
extern const pc_op pc_op_slice;
/* in dy [N,Q,D], like [N,P,D]; out [N,P,D], zeros outside. */
extern const pc_op pc_op_slice_grad;
pc_tensor *pc_slice(pc_graph *graph, pc_tensor *x, int64_t begin, int64_t end);

#endif
