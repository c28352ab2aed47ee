/* Targets grouped by row: a counting sort, so that targets of a row keep their order.
 *
 *   next[row] = targets of the row -> wanted, starts;  next[row] = where its next target goes -> ids, weights
 */
#include "train/targets.h"

#include "base/memory.h"

#include <string.h>

/* Rows that targets may name: of a sequence, or soft tokens where no language model reads. */
static int64_t most_rows(const pc_batch_limits *limits)
{
    return limits->tokens > 0 ? limits->tokens : limits->soft;
}

int64_t pc_targets_most_rows(const pc_batch_limits *limits)
{
    int64_t rows = most_rows(limits);
    return rows < limits->targets ? rows : limits->targets;
}

pc_status pc_targets_room(pc_targets *out, const pc_batch_limits *limits)
{
    size_t rows = (size_t)pc_targets_most_rows(limits), targets = (size_t)limits->targets;
    PC_TRY(PC_NEW_ARRAY(out->wanted, rows + 1, "targets"));
    PC_TRY(PC_NEW_ARRAY(out->numbers, rows + 1, "targets"));
    PC_TRY(PC_NEW_ARRAY(out->starts, rows + 1, "targets"));
    PC_TRY(PC_NEW_ARRAY(out->ids, targets + 1, "targets"));
    PC_TRY(PC_NEW_ARRAY(out->weights, targets + 1, "targets"));
    PC_TRY(PC_NEW_ARRAY(out->next, (size_t)most_rows(limits) + 1, "targets"));
    for (size_t i = 0; i < rows; i++) {
        out->numbers[i] = (int32_t)i;
    }
    return PC_OK;
}

void pc_targets_clear(pc_targets *out)
{
    pc_free(out->wanted);
    pc_free(out->numbers);
    pc_free(out->starts);
    pc_free(out->ids);
    pc_free(out->weights);
    pc_free(out->next);
    memset(out, 0, sizeof *out);
}

void pc_targets_group(pc_targets *out, const pc_batch *batch, const float *weights)
{
    const int64_t rows = batch->tokens > 0 ? batch->tokens : batch->soft;
    int32_t end = 0;
    out->rows = 0;
    out->targets = batch->targets;
    memset(out->next, 0, (size_t)rows * sizeof *out->next);
    for (int64_t i = 0; i < batch->targets; i++) {
        out->next[batch->target_rows[i]]++;
    }
    for (int64_t row = 0; row < rows; row++) {
        int32_t count = out->next[row];
        if (count > 0) {
            out->wanted[out->rows] = (int32_t)row;
            out->starts[out->rows++] = out->next[row] = end;
            end += count;
        }
    }
    out->starts[out->rows] = end;
    for (int64_t i = 0; i < batch->targets; i++) {
        int32_t at = out->next[batch->target_rows[i]]++;
        out->ids[at] = batch->target_ids[i];
        out->weights[at] = weights[i];
    }
}

pc_status pc_targets_bind(const pc_targets *targets, pc_exec *exec, const pc_stage_inputs *in)
{
    const pc_shape rows = pc_dims(1, targets->rows), all = pc_dims(1, targets->targets);
    if (!in->wanted_rows) {
        return PC_OK;
    }
    PC_TRY(pc_exec_bind(exec, in->wanted_rows, targets->wanted, rows));
    PC_TRY(in->wanted_numbers ? pc_exec_bind(exec, in->wanted_numbers, targets->numbers, rows) : PC_OK);
    PC_TRY(pc_exec_bind(exec, in->wanted_starts, targets->starts, pc_dims(1, targets->rows + 1)));
    PC_TRY(pc_exec_bind(exec, in->wanted_ids, targets->ids, all));
    return pc_exec_bind(exec, in->wanted_weights, targets->weights, all);
}
