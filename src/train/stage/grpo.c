/* Stage grpo: several written answers to each prompt, judged against each other; no value head. See policy.c. */
#include "train/stage/language.h"
#include "train/stage/policy.h"

const pc_stage pc_stage_grpo = {
    .name = "grpo",
    .help = "several answers that the model writes to a prompt are rewarded against each other",
    .batches = PC_BATCH_PROMPTS,
    .has_reference = true,
    .advantages = pc_advantages_of_group,
    .grouped = true,
    .metrics = pc_stage_policy_metrics,
    .loss = pc_stage_policy_loss,
    .check = pc_stage_check_language,
};
