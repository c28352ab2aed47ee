/* Nesterov's look ahead: the direction of a step with momentum, as torch.optim.Muon takes it. */
#ifndef PC_OPS_NESTEROV_H
#define PC_OPS_NESTEROV_H

#include "tensor/graph.h"

/* Shared by all nodes of an update graph; the trainer changes it before each run. */
typedef struct pc_nesterov_step {
    double momentum;
    double gradient_scale; /* clipping and averaging: g = grad * gradient_scale */
} pc_nesterov_step;

typedef struct pc_nesterov_params {
    const pc_nesterov_step *step; /* outlives the graph */
} pc_nesterov_params;

/* in[0] grad, in[1] velocity v: f32, same shape; both changed in place. v += (1 - momentum)(g - v); out[0], which is grad's
 * memory, = g + momentum (v - g). writes_input. */
extern const pc_op pc_op_nesterov;
pc_tensor *pc_nesterov(pc_graph *graph, pc_tensor *grad, pc_tensor *v, pc_nesterov_params params);

#endif
