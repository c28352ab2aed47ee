/* Rewards. The penalties are those of LLaVA-RLHF (Sun et al. 2023, arXiv:2309.14525): -8 for an answer that does not end,
 * -10 times its length as a share of the longest. */
#include "train/reward.h"

#include "base/file.h"

#include <string.h>

#define PC_REWARD_RULE(name) extern const pc_reward_rule pc_reward_rule_##name;
#include "train/reward/list.h"
#undef PC_REWARD_RULE

#define PC_REWARD_RULE(name) &pc_reward_rule_##name,
static const pc_reward_rule *const rules[] = {
#include "train/reward/list.h"
};
#undef PC_REWARD_RULE

#define PC_REWARD_RULE(name) " " #name
static const char names[] =
#include "train/reward/list.h"
    ;
#undef PC_REWARD_RULE

const pc_reward_rule *pc_reward_rule_find(const char *name)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (strcmp(rules[i]->name, name) == 0) {
            return rules[i];
        }
    }
    return NULL;
}

const char *pc_reward_rule_names(void)
{
    return names + 1;
}

pc_status pc_reward_of(const pc_reward *reward, double judged, const char *answer, const char *truth, int64_t tokens,
                       bool ended, double *out)
{
    double ruled = 0;
    if (reward->rule) {
        PC_TRY(reward->rule->score(answer, truth, &ruled));
    }
    *out = judged + reward->rule_weight * ruled - (ended ? 0 : reward->missing_end) -
           reward->length * (double)tokens / (double)reward->most;
    return PC_OK;
}

/* What the other model reads and writes can be read by this one. */
static pc_status check_inputs(const pc_model *model, const pc_model *base, const char *folder)
{
    PC_TRY(model->llm.type ? PC_OK : pc_fail(PC_ERR_DATA, "%s: a reward model needs a language model", folder));
    bool pictures = model->connector.type && base->connector.type;
    bool same = model->llm.info.vocabulary == base->llm.info.vocabulary && !model->connector.type == !base->connector.type &&
                (!pictures || (model->encoder.info.image_size == base->encoder.info.image_size &&
                               model->connector.tokens == base->connector.tokens));
    return same ? PC_OK
                : pc_fail(PC_ERR_DATA, "%s: a reward model must read the tokens and pictures of the model that is trained "
                                       "(its vocabulary has %lld, the model's %lld)",
                          folder, (long long)model->llm.info.vocabulary, (long long)base->llm.info.vocabulary);
}

static pc_status open_weights(pc_judge *judge, const pc_model *base, const char *folder)
{
    char *path = pc_path_join(folder, "adapter_config.json");
    bool adapter = path && pc_path_exists(path);
    pc_free(path);
    if (!path) {
        return pc_fail_memory(0, "a path");
    }
    if (adapter) {
        judge->instance.model = base;
        return pc_adapter_load(&judge->adapter, base, folder);
    }
    PC_TRY(pc_model_load(&judge->model, folder));
    judge->instance.model = judge->model;
    return check_inputs(judge->model, base, folder);
}

pc_status pc_judge_open(pc_judge *out, const pc_model *base, const char *folder)
{
    *out = (pc_judge){0};
    PC_TRY(open_weights(out, base, folder));
    PC_TRY(pc_head_new(&out->head, out->instance.model, 0));
    PC_TRY(pc_head_load_values(out->head, folder));
    out->instance.adapter = out->adapter;
    out->instance.head = &out->head->weights;
    return PC_OK;
}

void pc_judge_clear(pc_judge *judge)
{
    pc_head_free(judge->head);
    pc_adapter_free(judge->adapter);
    pc_model_free(judge->model);
    *judge = (pc_judge){0};
}
