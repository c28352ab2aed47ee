/* Stages ppo and grpo: the model writes answers (rollout.h), and those that got more than expected become more probable.
 *
 *   pictures, question | answer 1 | answer 2 ...     rows of each answer see the question and itself (data/batch.h)
 *   hidden [T,D'] -> rows that predict an answer's token [R,D'] -> logits / temperature -> -log p [R]
 *                                                               -> value head (ppo)     -> V [R]
 *   clipped losses (ops/policy.h) against what was found out when the answers were written
 *
 * Sources: PPO, Schulman et al. 2017 (arXiv:1707.06347); for language models Ouyang et al. 2022 (arXiv:2203.02155), section
 * 3.5; LLaVA-RLHF, Sun et al. 2023 (arXiv:2309.14525); GRPO, Shao et al. 2024 (arXiv:2402.03300).
 * Easy to get wrong: the value of a token is read from the row that predicts it, not from its own.
 */
#include "train/stage/policy.h"

#include "ops/multiply.h"
#include "train/stage/language.h"

const char *const pc_stage_policy_metrics[PC_STAGE_METRICS] = {
    "loss/policy_avg",   "loss/value_avg", "policy/approxkl_avg",     "policy/clipfrac_avg",
    "objective/scores", "objective/kl",   "completions/mean_length", "completions/ended",
};

void pc_stage_written_inputs(const pc_build *build, const pc_stage_setting *setting, pc_stage_inputs *in)
{
    pc_stage_reading_inputs(build, setting, in);
    in->target_rows = pc_graph_input(build->graph, "target_rows", PC_I32, pc_dims(1, setting->limits->targets));
    in->target_ids = pc_graph_input(build->graph, "target_ids", PC_I32, pc_dims(1, setting->limits->targets));
}

pc_policy_reading pc_stage_read_written(const pc_build *build, const pc_stage_setting *setting, const pc_stage_inputs *in,
                                        pc_tensor *soft)
{
    pc_graph *graph = build->graph;
    pc_policy_reading out = {0};
    pc_tensor *hidden = pc_stage_hidden(build, setting->model, in, soft, in->target_rows); /* [R,D'] */
    pc_tensor *logits = pc_model_logits(build, setting->model, hidden);                         /* [R,V] */
    if (setting->temperature > 0 && setting->temperature != 1) {
        logits = pc_scale(graph, logits, 1 / setting->temperature);
    }
    out.losses = pc_token_losses(graph, logits, in->target_ids);
    if (setting->head) {
        out.values = pc_reshape(graph, pc_linear_forward(build, setting->head, hidden, NULL), pc_dims(1, -1)); /* [R] */
    }
    return out;
}

pc_stage_loss pc_stage_policy_loss(const pc_build *build, const pc_stage_setting *setting, pc_stage_inputs *in)
{
    pc_graph *graph = build->graph;
    int64_t rows = setting->limits->targets;
    pc_stage_written_inputs(build, setting, in);
    in->weights = pc_graph_input(graph, "weights", PC_F32, pc_dims(1, rows));
    in->experience = pc_graph_input(graph, "experience", PC_F32, pc_dims(2, rows, PC_EXPERIENCE));
    pc_policy_reading read = pc_stage_read_written(build, setting, in, pc_stage_soft_tokens(build, setting, in));
    pc_policy_io io = {.losses = read.losses, .values = read.values, .experience = in->experience, .weights = in->weights};
    pc_tensor *value = pc_policy(graph, &io, &setting->policy);
    return (pc_stage_loss){.value = value, .metrics = pc_graph_failed(graph) ? NULL : value->node->out[1]};
}
