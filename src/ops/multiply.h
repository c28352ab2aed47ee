/* Products element by element, and with a scalar. */
#ifndef PC_OPS_MULTIPLY_H
#define PC_OPS_MULTIPLY_H

#include "tensor/graph.h"

/* out = x * y, y repeated over leading dims: its shape is a suffix of x's, or has as many elements. Gradient of a repeated y:
 * pc_sum_to. */
extern const pc_op pc_op_multiply;
pc_tensor *pc_multiply(pc_graph *graph, pc_tensor *x, pc_tensor *y);

/* out = x * s, s one element ([1]): tanh gates, temperatures. Gradient of s: pc_dot. */
extern const pc_op pc_op_scale_by;
pc_tensor *pc_scale_by(pc_graph *graph, pc_tensor *x, pc_tensor *s);

/* out = x * factor, a constant. */
typedef struct pc_scale_params { double factor; } pc_scale_params;
extern const pc_op pc_op_scale;
pc_tensor *pc_scale(pc_graph *graph, pc_tensor *x, double factor);

/* out [1] = sum of x * y over all elements, fixed order. pc_dot(x, x) is the squared norm. */
extern const pc_op pc_op_dot;
pc_tensor *pc_dot(pc_graph *graph, pc_tensor *x, pc_tensor *y);

#endif
