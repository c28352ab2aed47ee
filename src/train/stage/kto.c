/* Stage kto: answers of which each is known to be wanted or not, without pairs. The loss: ops/kto.h.
 *
 *   pictures, question | its answer               rows of both answers see the question, and each its own answer
 *                      | another sample's answer  (data/batch_prompts.c): how far the model is from its reference
 */
#include "ops/kto.h"
#include "train/stage/language.h"

static pc_stage_loss loss(const pc_build *build, const pc_stage_setting *setting, pc_stage_inputs *in)
{
    pc_graph *graph = build->graph;
    int64_t samples = setting->limits->samples;
    pc_stage_reading_inputs(build, setting, in);
    in->target_rows = pc_graph_input(graph, "target_rows", PC_I32, pc_dims(1, setting->limits->targets));
    in->target_ids = pc_graph_input(graph, "target_ids", PC_I32, pc_dims(1, setting->limits->targets));
    in->answer_ends = pc_graph_input(graph, "answer_ends", PC_I32, pc_dims(1, 2 * samples));
    in->labels = pc_graph_input(graph, "labels", PC_F32, pc_dims(1, samples));
    in->pairs = pc_graph_input(graph, "weights", PC_F32, pc_dims(1, samples));
    pc_tensor *soft = pc_stage_soft_tokens(build, setting, in);
    pc_kto_io io = {
        .losses = pc_token_losses(graph, pc_stage_logits(build, setting->model, in, soft), in->target_ids),
        .reference = pc_stage_reference_losses(build, setting, in, soft),
        .ends = in->answer_ends,
        .labels = in->labels,
        .weights = in->pairs,
    };
    pc_kto_params params = {.beta = setting->preference.beta,
                            .wanted_weight = setting->wanted_weight,
                            .unwanted_weight = setting->unwanted_weight};
    pc_tensor *value = pc_kto(graph, &io, &params);
    return (pc_stage_loss){.value = value, .metrics = pc_graph_failed(graph) ? NULL : value->node->out[1]};
}

static const char *const metrics[PC_STAGE_METRICS] = {"rewards/margins", "rewards/accuracies", "kl"};

const pc_stage pc_stage_kto = {
    .name = "kto",
    .help = "answers that are wanted or not, without pairs",
    .batches = PC_BATCH_LABELLED,
    .has_reference = true,
    .metrics = metrics,
    .loss = loss,
    .check = pc_stage_check_language,
};
