/* The clipped losses of PPO and its kin, over the tokens of answers that the model itself has written. */
#ifndef PC_OPS_POLICY_H
#define PC_OPS_POLICY_H

#include "tensor/graph.h"

typedef struct pc_policy_params {
    double clip;         /* epsilon: how far a token's probability may leave the old one, as a ratio */
    double value_clip;   /* how far a value may leave the old one; 0 = as far as it likes */
    double value_weight; /* of the values' loss in the sum */
    double kl_weight;    /* of the distance to the reference in the loss itself (GRPO); 0 = none */
} pc_policy_params;

/* What was found out about each token when it was written; a row of pc_policy_io.experience. */
typedef enum pc_experience {
    PC_OLD_LOG_PROBABILITY,
    PC_REFERENCE_LOG_PROBABILITY,
    PC_ADVANTAGE,
    PC_RETURN,
    PC_OLD_VALUE,
    PC_EXPERIENCE /* columns */
} pc_experience;

typedef struct pc_policy_io {
    pc_tensor *losses;     /* f32 [R]: pc_token_losses of the model that trains */
    pc_tensor *values;     /* f32 [R]: what it expects to get from each token on; NULL = nobody asks */
    pc_tensor *experience; /* f32 [R,PC_EXPERIENCE] */
    pc_tensor *weights;    /* f32 [R]: weight of each token; of all of a step together 1 gives a mean */
} pc_policy_io;

/* Weighted sums over the tokens, in out[1]. */
typedef enum pc_policy_metric {
    PC_POLICY_LOSS, /* of the policy, without the others */
    PC_VALUE_LOSS,
    PC_APPROXIMATE_KL, /* to the model that wrote the answers: (log p - log p_old)^2 / 2 */
    PC_CLIPPED,        /* 1 where the clipped side counts */
    PC_POLICY_METRICS
} pc_policy_metric;

/* The loss [1], a sum over the tokens in their order. out[1] f32 [PC_POLICY_METRICS], without a gradient. */
extern const pc_op pc_op_policy;
extern const pc_op pc_op_policy_grad; /* in as pc_op_policy, then dloss [1]; out dlosses [R], dvalues [R] */
pc_tensor *pc_policy(pc_graph *graph, const pc_policy_io *io, const pc_policy_params *params);

#endif
