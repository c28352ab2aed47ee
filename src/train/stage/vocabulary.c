/* The loss over the vocabulary, in chunks of rows, so that [U,V] logits are never whole.
 *
 *   for each chunk c of the rows that have targets:  hidden[rows_c] -> logits_c [U',V] -> sum of w CE over their targets
 *   loss = their sum, in the order of the chunks
 *
 * The nodes of all chunks are late (tensor/graph.h): a chunk's logits are made when its gradient is due, become the gradient in
 * place, and their memory serves the next chunk. Nothing is computed twice. How many chunks there are is decided by the planned
 * sizes; at run time the last ones may be empty. So the order of sums depends on those sizes alone, not on threads.
 * Source of the idea: Wijmans et al. 2024 (arXiv:2411.09009), section 3; Hsu et al. 2024 (arXiv:2410.10989), section 3.2.
 */
#include "ops/add.h"
#include "ops/loss.h"
#include "ops/part.h"
#include "ops/rows.h"
#include "train/stage.h"
#include "train/targets.h"

enum { LEAST_ROWS = 64 }; /* fewer make products slow */

typedef pc_tensor *(*before_head)(const pc_build *build, const pc_stage_setting *setting, pc_tensor *rows);

static int64_t rows_at_a_time(const pc_stage_setting *setting)
{
    int64_t width = setting->model->llm.info.vocabulary * (int64_t)sizeof(float);
    int64_t fitting = PC_STAGE_LOGIT_BYTES / (width > 0 ? width : 1);
    return setting->logit_rows > 0 ? setting->logit_rows : fitting > LEAST_ROWS ? fitting : LEAST_ROWS;
}

void pc_stage_wanted_inputs(const pc_build *build, const pc_stage_setting *setting, pc_stage_inputs *in)
{
    pc_graph *graph = build->graph;
    const int64_t rows = pc_targets_most_rows(setting->limits), targets = setting->limits->targets;
    in->wanted_rows = pc_graph_input(graph, "wanted_rows", PC_I32, pc_dims(1, rows));
    in->wanted_starts = pc_graph_input(graph, "wanted_starts", PC_I32, pc_dims(1, rows + 1));
    in->wanted_ids = pc_graph_input(graph, "wanted_ids", PC_I32, pc_dims(1, targets));
    in->wanted_weights = pc_graph_input(graph, "wanted_weights", PC_F32, pc_dims(1, targets));
}

/* Of the rows [U'] of hidden, whose targets begin at starts [U'+1]. */
static pc_tensor *chunk_loss(const pc_build *build, const pc_stage_setting *setting, const pc_stage_inputs *in, pc_tensor *hidden,
                             before_head before, pc_tensor *rows, pc_tensor *starts)
{
    pc_tensor *x = pc_take_rows(build->graph, hidden, rows); /* [U',D'] */
    x = before ? before(build, setting, x) : x;
    pc_tensor *logits = pc_model_logits(build, setting->model, x); /* [U',V] */
    return pc_cross_entropy_grouped(build->graph, logits, in->wanted_ids, in->wanted_weights, starts);
}

pc_tensor *pc_stage_vocabulary_loss(const pc_build *build, const pc_stage_setting *setting, const pc_stage_inputs *in,
                                    pc_tensor *hidden, before_head before)
{
    pc_graph *graph = build->graph;
    const int64_t count = rows_at_a_time(setting), all = pc_targets_most_rows(setting->limits);
    pc_tensor *rows = in->wanted_numbers ? in->wanted_numbers : in->wanted_rows, *sum = NULL;
    if (all <= count) {
        return chunk_loss(build, setting, in, hidden, before, rows, in->wanted_starts);
    }
    pc_graph_late(graph, true);
    for (int64_t begin = 0; begin < all && !pc_graph_failed(graph); begin += count) {
        pc_tensor *loss = chunk_loss(build, setting, in, hidden, before, pc_part_of(graph, rows, begin, count),
                                     pc_part_of(graph, in->wanted_starts, begin, count + 1));
        sum = sum ? pc_add(graph, sum, loss) : loss;
    }
    pc_graph_late(graph, false);
    return sum ? sum : hidden; /* hidden: a graph that has failed */
}
