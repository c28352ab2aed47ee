/* A step of stages ppo and grpo: prompts -> written answers -> rewards -> advantages -> updates of the learner.
 *
 * Policy, reference, reward model and values are instances of shared weights where adapters allow it (model/adapter.h); the
 * answers are written by the decoder of this process.
 */
#ifndef PC_TRAIN_ROLLOUT_H
#define PC_TRAIN_ROLLOUT_H

#include "train/assess.h"
#include "train/generate.h"
#include "train/learner.h"
#include "train/reward.h"

typedef struct pc_rollout_options {
    pc_generate_options generate;
    pc_advantage_params advantage; /* kl_weight: at the start */
    pc_advantages *advantages;     /* the stage's */
    pc_reward reward;
    int64_t accumulation;   /* micro-batches of prompts in a step */
    int64_t epochs;         /* times that a step's answers are learned from */
    int64_t mini_batches;   /* updates in each; divides accumulation */
    double kl_target;       /* kl_weight follows so that the KL of an answer stays there; 0 = kl_weight is fixed */
} pc_rollout_options;

typedef struct pc_rollout pc_rollout;

/* What answered batches need of a learner, for prompts within `prompts`. */
pc_batch_limits pc_rollout_limits(const pc_batch_limits *prompts, int64_t each, int64_t most);

/* The options and those of the assessment are copied, what they point to is borrowed; limits and answers are set here. */
pc_status pc_rollout_new(pc_rollout **out, const pc_backend *backend, const pc_rollout_options *options,
                         const pc_assess_options *assess, const pc_batch_limits *prompts);
void pc_rollout_free(pc_rollout *rollout);

/* Numbers of the log behind those of pc_policy_metric. */
typedef enum pc_rollout_metric {
    PC_ROLLOUT_SCORE = PC_POLICY_METRICS, /* mean reward of an answer, penalties included */
    PC_ROLLOUT_KL,     /* mean over answers of sum log p - log p_ref */
    PC_ROLLOUT_LENGTH, /* mean tokens */
    PC_ROLLOUT_ENDED,  /* share that ended */
} pc_rollout_metric;

/* One step of training: over batches of prompts when there is a rollout, over batches of data (rollout NULL) else. */
pc_status pc_rollout_step(pc_rollout *rollout, pc_learner *learner, const pc_batch *batches, int64_t count, int64_t step,
                          double scale_rate, pc_step_result *out);

/* The parts of a step. */
pc_status pc_rollout_write(pc_rollout *rollout, const pc_batch *prompts, int64_t step);
/* Rewards and advantages of the answers; *batches = [accumulation], valid until the next step. */
pc_status pc_rollout_judge(pc_rollout *rollout, const pc_batch *prompts, const pc_batch **batches, pc_step_result *out);
pc_answers *pc_rollout_answers(pc_rollout *rollout, int64_t micro_batch);

/* The state beside weights and step: what distance to the reference costs now. */
double *pc_rollout_kl_weight(pc_rollout *rollout);
size_t pc_rollout_bytes(const pc_rollout *rollout);

#endif
