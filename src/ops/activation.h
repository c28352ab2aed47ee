/* Activations and gated units. */
#ifndef PC_OPS_ACTIVATION_H
#define PC_OPS_ACTIVATION_H

#include "tensor/graph.h"

typedef enum pc_activation {
    PC_ACT_GELU,       /* x * Phi(x), by erf */
    PC_ACT_GELU_TANH,  /* 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) */
    PC_ACT_QUICK_GELU, /* x * sigmoid(1.702 x) */
    PC_ACT_SILU,       /* x * sigmoid(x) */
    PC_ACT_RELU,
    PC_ACT_TANH,
    PC_ACT_SIGMOID,
    PC_ACT_EXP,
} pc_activation;

typedef struct pc_activation_params { pc_activation kind; } pc_activation_params;

extern const pc_op pc_op_activation;      /* in x; out f(x); in place */
extern const pc_op pc_op_activation_grad; /* in x, dy; out dy * f'(x) */
pc_tensor *pc_activate(pc_graph *graph, pc_tensor *x, pc_activation kind);

/* out = f(gate) * up, all [..,F]. */
extern const pc_op pc_op_glu;
/* in gate, up, dy; out[0] dgate, out[1] dup. */
extern const pc_op pc_op_glu_grad;
pc_tensor *pc_glu(pc_graph *graph, pc_tensor *gate, pc_tensor *up, pc_activation kind);

/* By the config names of transformers: "gelu", "gelu_new", "gelu_pytorch_tanh", "quick_gelu", "silu", "swish", "relu",
 * "tanh", "sigmoid". Returns -1 when unknown. */
int pc_activation_from_name(const char *name);
const char *pc_activation_name(pc_activation kind); /* the name that transformers' configs use */

#endif
