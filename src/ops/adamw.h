/* One step of AdamW (Loshchilov & Hutter 2019), as torch.optim.AdamW computes it. */
#ifndef PC_OPS_ADAMW_H
#define PC_OPS_ADAMW_H

#include "tensor/graph.h"

/* Shared by all nodes of an update graph; the trainer changes it before each run. */
typedef struct pc_adamw_step {
    double beta1, beta2, eps;
    double correction1, correction2; /* 1 - beta^t */
    double gradient_scale;           /* clipping and averaging: g = grad * gradient_scale */
    double scale_rate;               /* schedule factor: lr = params.rate * scale_rate */
} pc_adamw_step;

typedef struct pc_adamw_params {
    const pc_adamw_step *step; /* outlives the graph */
    double rate;               /* base learning rate of this parameter */
    double decay;              /* weight decay: p -= lr * decay * p, before the moment step */
} pc_adamw_params;

/* in[0] p, in[1] grad, in[2] m, in[3] v: f32, same shape, all but grad changed in place (p through out[0], which is in[0]'s
 * memory). m = m + (1-b1)(g-m); v = b2 v + (1-b2) g^2; p -= lr/c1 * m / (sqrt(v)/sqrt(c2) + eps). writes_input. */
extern const pc_op pc_op_adamw;
pc_tensor *pc_adamw(pc_graph *graph, pc_tensor *p, pc_tensor *grad, pc_tensor *m, pc_tensor *v, pc_adamw_params params);

#endif
