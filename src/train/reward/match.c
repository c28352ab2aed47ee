/* 1 for the answer that was expected, 0 for any other. */
#include "prompt/match.h"
#include "train/reward.h"

static pc_status score(const char *answer, const char *truth, double *out)
{
    bool same;
    PC_TRY(pc_match_exact(answer, truth, &same));
    *out = same;
    return PC_OK;
}

const pc_reward_rule pc_reward_rule_match = {
    .name = "match",
    .help = "1 for the expected answer, 0 for any other",
    .score = score,
};
