/* A sliding window over attention ranges: each row sees the last keys before it only (Mistral). */
#ifndef PC_OPS_WINDOW_H
#define PC_OPS_WINDOW_H

#include "tensor/graph.h"

/* ranges i32 [T,4] of causal rows (ops/attention.h: the row's own key is the last of its second range) -> ranges [T,4] in
 * which only the `window` >= 1 newest keys remain, the row's own among them. Keys of the first range come before all of the
 * second. No gradient. */
typedef struct pc_window_params { int64_t window; } pc_window_params;
extern const pc_op pc_op_window_ranges;
pc_tensor *pc_window_ranges(pc_graph *graph, pc_tensor *ranges, int64_t window);

#endif
