/* Stage rm: a reward model. A linear head reads the hidden state of an answer's last token; the chosen answer's reward is
 * to be above the rejected one's.
 *
 *   rows as in stage dpo -> hidden [T,D'] -> last rows [2B,D'] -> head [2B] -> -log sigma(r_w - r_l) + c (r_w + r_l)^2
 *
 * Source: Bradley and Terry 1952; Ouyang et al. 2022 (arXiv:2203.02155), equation 1; c keeps rewards round 0 (trl's
 * center_rewards_coefficient). LLaVA-RLHF trains its reward model the same way.
 */
#include "ops/multiply.h"
#include "train/stage/language.h"

static pc_stage_loss loss(const pc_build *build, const pc_stage_setting *setting, pc_stage_inputs *in)
{
    pc_graph *graph = build->graph;
    int64_t pairs = setting->limits->samples;
    pc_stage_reading_inputs(build, setting, in);
    in->answer_rows = pc_graph_input(graph, "answer_rows", PC_I32, pc_dims(1, 2 * pairs));
    in->pairs = pc_graph_input(graph, "pairs", PC_F32, pc_dims(1, pairs));
    pc_tensor *soft = pc_stage_soft_tokens(build, setting, in);
    pc_tensor *hidden = pc_stage_hidden(build, setting->model, in, soft, in->answer_rows); /* [2B,D'] */
    pc_tensor *rewards = pc_linear_forward(build, setting->head, hidden, NULL); /* [2B,1] */
    pc_preference_params params = {.kind = PC_PAIR_SIGMOID, .beta = 1, .centre = setting->preference.centre};
    pc_preference_io io = {.losses = pc_scale(graph, rewards, -1), .pairs = in->pairs}; /* one "token" an answer */
    pc_tensor *value = pc_preference(graph, &io, &params);
    return (pc_stage_loss){.value = value, .metrics = pc_graph_failed(graph) ? NULL : value->node->out[1]};
}

static const char *const metrics[PC_STAGE_METRICS] = {"rewards/chosen", "rewards/rejected", "rewards/margins",
                                                      "rewards/accuracies"};

const pc_stage pc_stage_rm = {
    .name = "rm",
    .help = "a reward model from preferences",
    .batches = PC_BATCH_PREFERENCES,
    .has_head = true,
    .metrics = metrics,
    .loss = loss,
    .check = pc_stage_check_language,
};
