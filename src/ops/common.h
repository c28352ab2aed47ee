/* Small helpers that the operation files share: shape checks with one wording, and costs. */
#ifndef PC_OPS_COMMON_H
#define PC_OPS_COMMON_H

#include "tensor/graph.h"

/* PC_ERR_DATA "<op> '<name>': <what>: expected <expected>, found <shape of x>". */
pc_status pc_op_shape_error(const pc_node *node, const pc_tensor *x, const char *expected);

/* out[0] takes in[0]'s shape and type. */
pc_status pc_shape_same(pc_node *node);

/* Floating-point type of values computed from x: F64 stays, anything else gives F32. */
pc_dtype pc_float_type(const pc_tensor *x);

/* `flops` operations for each element of out[0]; bytes of all inputs and outputs. */
pc_cost pc_cost_elementwise(const pc_node *node, double flops);

static inline int64_t pc_count(const pc_tensor *x) { return pc_shape_count(&x->shape); }

/* True when y's shape is a suffix of x's, so that y repeats over x's leading dims. */
bool pc_is_suffix(const pc_tensor *x, const pc_tensor *y);

#endif
