/* The blocks that encoders, connectors and language models are made of: each a weights struct, `declare`, `forward`. */
#ifndef PC_NN_LAYERS_H
#define PC_NN_LAYERS_H

#include "nn/build.h"
#include "nn/params.h"
#include "ops/activation.h"

/* y = x W^T + b. The place where adapters attach. */
typedef struct pc_linear_weights {
    pc_param *weight; /* [N,K] */
    pc_param *bias;   /* [N] or NULL */
} pc_linear_weights;

/* Names <name>.weight and <name>.bias, or weight and bias for ""; weight ~ N(0, gain * pc_scope_std), bias 0. */
void pc_linear_declare(pc_scope *scope, pc_linear_weights *weights, int64_t out, int64_t in, bool bias, double gain,
                       const char *name);
/* x [..,K] -> [..,N]; residual (same shape as the result) is added when given. */
pc_tensor *pc_linear_forward(const pc_build *build, const pc_linear_weights *weights, pc_tensor *x,
                             pc_tensor *residual);

/* stream + y, y less what is dropped (pc_drops_stream) where something trains: the end of a block. */
pc_tensor *pc_add_to_stream(const pc_build *build, pc_tensor *y, pc_tensor *stream);

/* LayerNorm when there is a bias, RMSNorm when there is none, unless it is centred all the same (MPT). */
typedef struct pc_norm_weights {
    pc_param *weight, *bias; /* [D] */
    bool centred;
} pc_norm_weights;

void pc_norm_declare(pc_scope *scope, pc_norm_weights *weights, int64_t width, bool bias, const char *name);
pc_tensor *pc_norm_forward(const pc_build *build, const pc_norm_weights *weights, pc_tensor *x, double eps);

/* y = down(act(up x)), the MLP of ViT and of LLaVA's projector. */
typedef struct pc_mlp_weights {
    pc_linear_weights up, down;
} pc_mlp_weights;

pc_tensor *pc_mlp_forward(const pc_build *build, const pc_mlp_weights *weights, pc_tensor *x, pc_activation kind,
                          pc_tensor *residual);

/* y = down(act(gate x) * up x), the MLP of LLaMA. */
typedef struct pc_glu_weights {
    pc_linear_weights gate, up, down;
} pc_glu_weights;

pc_tensor *pc_glu_forward(const pc_build *build, const pc_glu_weights *weights, pc_tensor *x, pc_activation kind,
                          pc_tensor *residual);

/* Gain of a projection that writes into the residual stream of a stack of `layers` blocks: GPT-2's 1/sqrt(2 layers)
 * keeps the sum's variance. */
double pc_residual_gain(int64_t layers);

#endif
