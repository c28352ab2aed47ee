/* One step of stochastic gradient descent, with or without momentum, as torch.optim.SGD computes it. */
#ifndef PC_OPS_SGD_H
#define PC_OPS_SGD_H

#include "tensor/graph.h"

/* Shared by all nodes of an update graph; the trainer changes it before each run. */
typedef struct pc_sgd_step {
    double momentum;
    double gradient_scale; /* clipping and averaging: g = grad * gradient_scale */
    double scale_rate;     /* schedule factor: lr = params.rate * scale_rate */
} pc_sgd_step;

typedef struct pc_sgd_params {
    const pc_sgd_step *step; /* outlives the graph */
    double rate;             /* base learning rate of this parameter */
    double decay;            /* weight decay, added to the gradient: g += decay * p */
} pc_sgd_params;

/* in[0] p, in[1] grad, in[2] velocity v or NULL: f32, same shape; p and v changed in place (p through out[0], which is in[0]'s
 * memory). g = grad * scale + decay p; v = momentum v + g; p -= lr v (p -= lr g without v). writes_input. */
extern const pc_op pc_op_sgd;
pc_tensor *pc_sgd(pc_graph *graph, pc_tensor *p, pc_tensor *grad, pc_tensor *v, pc_sgd_params params);

#endif
