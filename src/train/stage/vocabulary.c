/* The loss over the vocabulary, in chunks of rows, so that [R,V] logits are never whole.
 *
 *   for each chunk c of the targets:  rows_c = hidden[target_rows_c] -> logits_c [R',V] -> sum_r w_r CE
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

enum { LEAST_ROWS = 64 }; /* fewer make products slow */

typedef pc_tensor *(*before_head)(const pc_build *build, const pc_stage_setting *setting, pc_tensor *rows);

static int64_t rows_at_a_time(const pc_stage_setting *setting)
{
    int64_t width = setting->model->llm.info.vocabulary * (int64_t)sizeof(float);
    int64_t fitting = PC_STAGE_LOGIT_BYTES / (width > 0 ? width : 1);
    return setting->logit_rows > 0 ? setting->logit_rows : fitting > LEAST_ROWS ? fitting : LEAST_ROWS;
}

static pc_tensor *chunk_loss(const pc_build *build, const pc_stage_setting *setting, pc_tensor *hidden, before_head before,
                             const pc_stage_inputs *in)
{
    pc_tensor *rows = pc_take_rows(build->graph, hidden, in->target_rows); /* [R',D'] */
    rows = before ? before(build, setting, rows) : rows;
    pc_tensor *logits = pc_model_logits(build, setting->model, rows); /* [R',V] */
    return pc_cross_entropy(build->graph, logits, in->target_ids, in->weights);
}

pc_tensor *pc_stage_vocabulary_loss(const pc_build *build, const pc_stage_setting *setting, const pc_stage_inputs *in,
                                    pc_tensor *hidden, before_head before)
{
    pc_graph *graph = build->graph;
    int64_t count = rows_at_a_time(setting), all = setting->limits->targets;
    pc_tensor *sum = NULL;
    if (all <= count) {
        return chunk_loss(build, setting, hidden, before, in);
    }
    pc_graph_late(graph, true);
    for (int64_t begin = 0; begin < all && !pc_graph_failed(graph); begin += count) {
        pc_stage_inputs part = {
            .target_rows = pc_part_of(graph, in->target_rows, begin, count),
            .target_ids = pc_part_of(graph, in->target_ids, begin, count),
            .weights = pc_part_of(graph, in->weights, begin, count),
        };
        pc_tensor *loss = chunk_loss(build, setting, hidden, before, &part);
        sum = sum ? pc_add(graph, sum, loss) : loss;
    }
    pc_graph_late(graph, false);
    return sum ? sum : hidden; /* hidden: a graph that has failed */
}
