/* Stage ppo: written answers with a value head. See policy.c. */
#include "train/stage/language.h"
#include "train/stage/policy.h"

const pc_stage pc_stage_ppo = {
    .name = "ppo",
    .help = "answers that the model writes get a reward; values and advantages by a head",
    .batches = PC_BATCH_PROMPTS,
    .has_head = true,
    .has_reference = true,
    .advantages = pc_advantages_of_values,
    .metrics = pc_stage_policy_metrics,
    .loss = pc_stage_policy_loss,
    .check = pc_stage_check_language,
};
