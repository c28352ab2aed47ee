/* Rows of one group behind those of another. */
#ifndef PC_OPS_CONCAT_H
#define PC_OPS_CONCAT_H

#include "tensor/graph.h"

/* out [N,P+Q,D]: for each of the N groups the rows of x [N,P,D], then those of y [N,Q,D]. */
extern const pc_op pc_op_concat;
pc_tensor *pc_concat(pc_graph *graph, pc_tensor *x, pc_tensor *y);

/* The same across features: x [..,D] and y [..,E] -> [..,D+E], as [R,D+E] when x has two dims or as x's rows else. */
pc_tensor *pc_concat_features(pc_graph *graph, pc_tensor *x, pc_tensor *y);

#endif
