/* Stage dpo: of two answers to one question, the chosen one becomes more probable than the rejected one, measured against a
 * reference model that stays (DPO, IPO, hinge), or without one (ORPO, SimPO). The losses: ops/preference.h.
 *
 *   pictures, question | chosen answer        rows of both answers see the question, and each its own answer (data/batch.h)
 *                      | rejected answer
 *   logits of the model, logits of the reference -> -log p of every answer token -> loss over pairs
 *
 * The reference is the model without its adapter, or a second instance of the weights. Its pictures are encoded once more
 * only when the encoder or connector trains. No gradient nodes arise in it.
 */
#include "train/stage/language.h"

static bool needs_reference(const pc_preference_params *params)
{
    return params->kind != PC_PAIR_ORPO && params->kind != PC_PAIR_SIMPO;
}

static pc_stage_loss loss(const pc_build *build, const pc_stage_setting *setting, pc_stage_inputs *in)
{
    pc_graph *graph = build->graph;
    pc_stage_reading_inputs(build, setting, in);
    pc_stage_target_inputs(build, setting, in);
    in->answer_ends = pc_graph_input(graph, "answer_ends", PC_I32, pc_dims(1, 2 * setting->limits->samples));
    in->pairs = pc_graph_input(graph, "pairs", PC_F32, pc_dims(1, setting->limits->samples));
    pc_tensor *soft = pc_stage_soft_tokens(build, setting, in);
    pc_tensor *logits = pc_stage_logits(build, setting->model, in, soft);
    pc_preference_io io = {
        .losses = pc_token_losses(graph, logits, in->target_ids),
        .weights = in->weights,
        .ends = in->answer_ends,
        .pairs = in->pairs,
    };
    if (needs_reference(&setting->preference)) {
        io.reference = pc_stage_reference_losses(build, setting, in, soft);
    }
    pc_tensor *value = pc_preference(graph, &io, &setting->preference);
    return (pc_stage_loss){.value = value, .metrics = pc_graph_failed(graph) ? NULL : value->node->out[1]};
}

static const char *const metrics[PC_STAGE_METRICS] = {"rewards/chosen", "rewards/rejected", "rewards/margins",
                                                      "rewards/accuracies"};

const pc_stage pc_stage_dpo = {
    .name = "dpo",
    .help = "preferences: one answer above another (pref_loss)",
    .batches = PC_BATCH_PREFERENCES,
    .has_reference = true,
    .metrics = metrics,
    .loss = loss,
    .check = pc_stage_check_language,
};
