/* Stages pt (captions) and sft (instructions): next-token cross-entropy on the answers' tokens.
 *
 *   pixels -> encoder -> connector -> spliced into the ids' embeddings -> llm -> hidden of the rows that predict an answer
 *   token -> logits [U,V] -> sum of w CE
 *
 * Only those U rows reach the head, in chunks (vocabulary.c), so that neither [T,V] nor [U,V] logits exist. With pictures, whose
 * rows seldom have targets, the last layer works for the rows that have some: the others matter by their keys and values. The
 * two stages differ in their data and in what a recipe freezes, not in the loss. Source: LLaVA, Liu et al. 2023, section 4.2.
 */
#include "train/stage/language.h"

#include "ops/loss.h"
#include "train/targets.h"

pc_status pc_stage_check_language(const pc_model *model)
{
    if (!model->llm.type) {
        return pc_fail(PC_ERR_DATA, "this stage needs a language model; this model has none");
    }
    return PC_OK;
}

void pc_stage_reading_inputs(const pc_build *build, const pc_stage_setting *setting, pc_stage_inputs *in)
{
    pc_graph *graph = build->graph;
    const pc_model *model = setting->model;
    const pc_batch_limits *limits = setting->limits;
    in->ids = pc_graph_input(graph, "ids", PC_I32, pc_dims(1, limits->tokens));
    in->positions = pc_graph_input(graph, "positions", PC_I32, pc_dims(1, limits->tokens));
    in->ranges = pc_graph_input(graph, "ranges", PC_I32, pc_dims(2, limits->tokens, 4));
    in->frequencies = pc_graph_input(graph, "frequencies", PC_F32, pc_dims(1, model->llm.info.head_size / 2));
    if (model->llm.info.source) {
        in->sides[0] = pc_graph_input(graph, "source_rows", PC_I32, pc_dims(1, limits->tokens));
        in->sides[1] = pc_graph_input(graph, "written_rows", PC_I32, pc_dims(1, limits->tokens));
    }
}

void pc_stage_target_inputs(const pc_build *build, const pc_stage_setting *setting, pc_stage_inputs *in)
{
    pc_graph *graph = build->graph;
    const pc_batch_limits *limits = setting->limits;
    in->target_rows = pc_graph_input(graph, "target_rows", PC_I32, pc_dims(1, limits->targets));
    in->target_ids = pc_graph_input(graph, "target_ids", PC_I32, pc_dims(1, limits->targets));
    in->weights = pc_graph_input(graph, "weights", PC_F32, pc_dims(1, limits->targets));
}

pc_tensor *pc_stage_soft_tokens(const pc_build *build, const pc_stage_setting *setting, pc_stage_inputs *in)
{
    const pc_model *model = setting->model;
    const pc_batch_limits *limits = setting->limits;
    if (!model->connector.type || limits->images == 0) {
        return NULL;
    }
    in->soft_rows = pc_graph_input(build->graph, "soft_rows", PC_I32, pc_dims(1, limits->soft));
    return pc_model_connect(build, model, pc_stage_pictures(build, model, limits, in)); /* [S,D'] */
}

pc_tensor *pc_stage_hidden(const pc_build *build, const pc_model *model, const pc_stage_inputs *in, pc_tensor *soft,
                           pc_tensor *rows)
{
    pc_reading reading = {
        .ids = in->ids,
        .positions = in->positions,
        .ranges = in->ranges,
        .frequencies = in->frequencies,
        .source_rows = in->sides[0],
        .target_rows = in->sides[1],
        .soft = soft,
        .soft_rows = soft ? in->soft_rows : NULL,
        .rows = rows,
    };
    return pc_model_read(build, model, &reading);
}

pc_tensor *pc_stage_logits(const pc_build *build, const pc_model *model, const pc_stage_inputs *in, pc_tensor *soft)
{
    pc_tensor *hidden = pc_stage_hidden(build, model, in, soft, in->target_rows); /* [R,D'] */
    return pc_model_logits(build, model, hidden);                     /* [R,V] */
}

pc_tensor *pc_stage_reference_losses(const pc_build *build, const pc_stage_setting *setting, const pc_stage_inputs *in,
                                     pc_tensor *soft)
{
    pc_build frozen = {.graph = build->graph, .compute = build->compute};
    bool shared = setting->reference == setting->model && soft && !soft->needs_grad;
    pc_tensor *own = soft;
    if (in->pixels && !shared) {
        own = pc_model_connect(&frozen, setting->reference, pc_model_encode(&frozen, setting->reference, in->pixels));
    }
    return pc_token_losses(build->graph, pc_stage_logits(&frozen, setting->reference, in, own), in->target_ids);
}

static pc_stage_loss loss(const pc_build *build, const pc_stage_setting *setting, pc_stage_inputs *in)
{
    pc_stage_reading_inputs(build, setting, in);
    pc_stage_wanted_inputs(build, setting, in);
    pc_tensor *soft = pc_stage_soft_tokens(build, setting, in);
    if (soft) { /* without pictures most rows have a target */
        in->wanted_numbers = pc_graph_input(build->graph, "wanted_numbers", PC_I32,
                                            pc_dims(1, pc_targets_most_rows(setting->limits)));
    }
    pc_tensor *hidden = pc_stage_hidden(build, setting->model, in, soft, soft ? in->wanted_rows : NULL);
    return (pc_stage_loss){.value = pc_stage_vocabulary_loss(build, setting, in, hidden, NULL)};
}

const pc_stage pc_stage_pt = {
    .name = "pt",
    .help = "pretraining on captions",
    .batches = PC_BATCH_LANGUAGE,
    .cached = true,
    .loss = loss,
    .check = pc_stage_check_language,
};

const pc_stage pc_stage_sft = {
    .name = "sft",
    .help = "supervised fine-tuning on conversations",
    .batches = PC_BATCH_LANGUAGE,
    .cached = true,
    .loss = loss,
    .check = pc_stage_check_language,
};
