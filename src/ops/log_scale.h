/* Queries grow with the logarithm of their position, so that attention over longer texts stays as sharp (Qwen's log-n). */
#ifndef PC_OPS_LOG_SCALE_H
#define PC_OPS_LOG_SCALE_H

#include "tensor/graph.h"

/* out [T,..] = x [T,..] times max(1, log(p + 1) / log(length)) of the row's position p; positions i32 [T] or [T,A], of which the
 * first number counts; length > 1. */
typedef struct pc_log_scale_params { int64_t length; } pc_log_scale_params;
extern const pc_op pc_op_log_scale;
pc_tensor *pc_log_scale(pc_graph *graph, pc_tensor *x, pc_tensor *positions, int64_t length);

/* The factor of one position. */
double pc_log_factor(int32_t position, int64_t length);

#endif
