/* Stages pt (captions) and sft (instructions): next-token cross-entropy on the answers' tokens.
 *
 *   pixels -> encoder -> connector -> spliced into the ids' embeddings -> llm -> hidden of the rows that predict an answer
 *   token -> logits [R,V] -> sum_r w_r CE
 *
 * Only those R rows reach the head, so that [T,V] logits never exist. The two stages differ in their data and in what a
 * recipe freezes, not in the loss. Source: LLaVA, Liu et al. 2023, section 4.2.
 */
#include "ops/loss.h"
#include "ops/rows.h"
#include "train/stage.h"

static pc_status check(const pc_model *model)
{
    if (!model->llm.type) {
        return pc_fail(PC_ERR_DATA, "stages pt and sft need a language model; this model has none");
    }
    return PC_OK;
}

static pc_tensor *soft_tokens(const pc_build *build, const pc_model *model, const pc_batch_limits *limits,
                              pc_stage_inputs *in)
{
    in->soft_rows = pc_graph_input(build->graph, "soft_rows", PC_I32, pc_dims(1, limits->soft));
    return pc_model_connect(build, model, pc_stage_pictures(build, model, limits, in)); /* [S,D'] */
}

static pc_tensor *loss(const pc_build *build, const pc_model *model, const pc_batch_limits *limits,
                       pc_stage_inputs *in)
{
    pc_graph *graph = build->graph;
    in->ids = pc_graph_input(graph, "ids", PC_I32, pc_dims(1, limits->tokens));
    in->positions = pc_graph_input(graph, "positions", PC_I32, pc_dims(1, limits->tokens));
    in->ranges = pc_graph_input(graph, "ranges", PC_I32, pc_dims(2, limits->tokens, 4));
    in->frequencies = pc_graph_input(graph, "frequencies", PC_F32, pc_dims(1, model->llm.info.head_size / 2));
    in->target_rows = pc_graph_input(graph, "target_rows", PC_I32, pc_dims(1, limits->targets));
    in->target_ids = pc_graph_input(graph, "target_ids", PC_I32, pc_dims(1, limits->targets));
    in->weights = pc_graph_input(graph, "weights", PC_F32, pc_dims(1, limits->targets));
    pc_reading reading = {
        .ids = in->ids,
        .positions = in->positions,
        .ranges = in->ranges,
        .frequencies = in->frequencies,
    };
    if (model->connector.type && limits->images > 0) {
        reading.soft = soft_tokens(build, model, limits, in);
        reading.soft_rows = in->soft_rows;
    }
    pc_tensor *hidden = pc_model_read(build, model, &reading);      /* [T,D'] */
    hidden = pc_take_rows(graph, hidden, in->target_rows);          /* [R,D'] */
    pc_tensor *logits = pc_model_logits(build, model, hidden);      /* [R,V] */
    return pc_cross_entropy(graph, logits, in->target_ids, in->weights);
}

const pc_stage pc_stage_pt = {
    .name = "pt",
    .help = "pretraining on captions",
    .batches = PC_BATCH_LANGUAGE,
    .cached = true,
    .loss = loss,
    .check = check,
};

const pc_stage pc_stage_sft = {
    .name = "sft",
    .help = "supervised fine-tuning on conversations",
    .batches = PC_BATCH_LANGUAGE,
    .cached = true,
    .loss = loss,
    .check = check,
};
