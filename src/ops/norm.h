/* LayerNorm, RMSNorm and L2 normalisation over the last dim. */
#ifndef PC_OPS_NORM_H
#define PC_OPS_NORM_H

#include "tensor/graph.h"

typedef struct pc_norm_params {
    double eps;
} pc_norm_params;

/* (x - mean) / sqrt(var + eps) * w + b; population variance; x [..,D], w [D], b [D] (f32) or NULL. With w and b [G,D] the row
 * r = g (mod G) has those of group g: of x [..,G,D] each head its own. The same for pc_rms_norm. */
extern const pc_op pc_op_layer_norm;
extern const pc_op pc_op_layer_norm_grad; /* in x, w, dy; out dx [..,D], dw, db as w */
pc_tensor *pc_layer_norm(pc_graph *graph, pc_tensor *x, pc_tensor *w, pc_tensor *b, double eps);

/* x / sqrt(mean(x^2) + eps) * w. */
extern const pc_op pc_op_rms_norm;
extern const pc_op pc_op_rms_norm_grad; /* in x, w, dy; out dx, dw */
pc_tensor *pc_rms_norm(pc_graph *graph, pc_tensor *x, pc_tensor *w, double eps);

/* x / max(|x|_2, eps) for each row. */
extern const pc_op pc_op_l2_norm;
extern const pc_op pc_op_l2_norm_grad; /* in x, dy; out dx */
pc_tensor *pc_l2_norm(pc_graph *graph, pc_tensor *x, double eps);

#endif
