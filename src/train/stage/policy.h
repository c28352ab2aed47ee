/* What stages that learn from written answers share: the model's own reading of the answers, and the clipped loss. */
#ifndef PC_TRAIN_STAGE_POLICY_H
#define PC_TRAIN_STAGE_POLICY_H

#include "train/stage.h"

/* Of every token of the answers. */
typedef struct pc_policy_reading {
    pc_tensor *losses; /* [R]: -log p at the setting's temperature */
    pc_tensor *values; /* [R]: of the setting's head; NULL without one */
} pc_policy_reading;

/* Inputs of rows and targets but their weights; creates no input for pictures. */
void pc_stage_written_inputs(const pc_build *build, const pc_stage_setting *setting, pc_stage_inputs *in);
/* soft may be NULL. */
pc_policy_reading pc_stage_read_written(const pc_build *build, const pc_stage_setting *setting, const pc_stage_inputs *in,
                                        pc_tensor *soft);
pc_stage_loss pc_stage_policy_loss(const pc_build *build, const pc_stage_setting *setting, pc_stage_inputs *in);

/* Names of the log: those of pc_policy_metric, then those of pc_rollout_metric (rollout.h). */
extern const char *const pc_stage_policy_metrics[PC_STAGE_METRICS];

#endif
