/* For drawn scenes (data/scenes_claims.h): a description gets the share of the scene's objects that it names less the objects
 * that it makes up, an answer to a question 1 when it is the expected one.
 */
#include "data/scenes_claims.h"
#include "prompt/match.h"
#include "train/reward.h"

static pc_status score(const char *answer, const char *truth, double *out)
{
    pc_scene_claims said, there;
    bool same;
    pc_scene_claims_read(&there, truth);
    if (!there.caption || there.count == 0) {
        PC_TRY(pc_match_exact(answer, truth, &same));
        *out = same;
        return PC_OK;
    }
    pc_scene_claims_read(&said, answer);
    pc_scene_agreement a = pc_scene_claims_compare(&said, &there);
    *out = (double)(a.found - a.wrong) / (double)a.there;
    return PC_OK;
}

const pc_reward_rule pc_reward_rule_scene = {
    .name = "scene",
    .help = "descriptions of drawn scenes: objects found less objects made up, of those that are there; questions: as match",
    .score = score,
};
