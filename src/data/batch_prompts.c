/* Packing prompts, and the answers that a model has written to them.
 *
 *   prompts   rows      s question, pictures ... e      each row sees [s, itself]; the sample's own answer in target_ids
 *   answered  rows      s question, pictures | answer 1 | answer 2 ...
 *             position  0 .. p-1             | p ..     | p ..
 *             sees      [s, itself]          | [s, p) and its own answer up to itself
 *
 * The ids of a prompt are those of the whole conversation up to its last answer, so that a model goes on where training has
 * let it begin; a conversation that ends with a question invites an answer as in use.
 */
#include "data/batch_parts.h"

#include "base/memory.h"
#include "ops/policy.h"

#include <string.h>

/* The tokens of the prompt; those behind are the sample's own answer. */
static size_t prompt_length(const pc_prompt *prompt, bool answered)
{
    return answered ? pc_batch_last_answer(prompt).first : prompt->ids.count;
}

static pc_status put_own_answer(pc_batch *batch, pc_batch_added *now, const pc_prompt *prompt, size_t first)
{
    for (size_t i = first; i < prompt->ids.count && prompt->trained[i]; i++) {
        PC_TRY(pc_batch_add_target(batch, now, -1, prompt->ids.data[i], 1));
    }
    batch->answer_ends[now->answers++] = (int32_t)now->targets;
    return PC_OK;
}

pc_status pc_batch_add_prompt(pc_batch *batch, pc_batch_maker *maker, int dx, int dy)
{
    pc_batch_added now = pc_batch_begin(batch);
    const pc_conversation *conversation = &maker->sample.conversation;
    const pc_prompt *prompt = &maker->prompt;
    bool labelled = maker->options->kind == PC_BATCH_LABELLED;
    bool answered = conversation->count > 0 && conversation->messages[conversation->count - 1].role == PC_ROLE_ASSISTANT;
    PC_TRY(pc_batch_prompt(&maker->prompt, maker, conversation));
    size_t length = prompt_length(prompt, answered), cutoff = (size_t)maker->options->cutoff;
    maker->fault = PC_FAULT_ANSWER;
    if (length == 0) {
        return pc_fail(PC_ERR_DATA, "there is nothing to answer");
    }
    if (labelled && (length == prompt->ids.count || maker->sample.label == 0)) {
        return pc_fail(PC_ERR_DATA, "there is no %s", maker->sample.label ? "answer" : "label that says whether the answer is wanted");
    }
    maker->fault = PC_FAULT_LENGTH;
    size_t counted = labelled ? prompt->ids.count : length;
    if (counted > cutoff) {
        return pc_fail(PC_ERR_DATA, "%zu tokens are more than the cutoff of %zu", counted, cutoff);
    }
    PC_TRY(pc_batch_room_for_rows(batch, (int64_t)length));
    PC_TRY(pc_batch_room_for_answers(batch));
    pc_batch_put_rows(batch, prompt, 0, length, batch->tokens, 0);
    PC_TRY(put_own_answer(batch, &now, prompt, length));
    maker->fault = PC_FAULT_PICTURE;
    PC_TRY(pc_batch_add_slots(batch, &now, maker, length, dx, dy));
    now.tokens += (int64_t)length;
    batch->text_ends[batch->samples] = (int32_t)now.tokens - 1;
    batch->labels[batch->samples] = (float)maker->sample.label;
    pc_batch_commit(batch, &now);
    return PC_OK;
}

/* --- answered --- */

/* One row: an id at a position, which sees [from, prefix_end) and [begin, itself]. */
static void put_row(pc_batch *out, int32_t id, int64_t position, const pc_attention_range *seen)
{
    int64_t row = out->tokens++;
    out->ids[row] = id;
    out->positions[row] = (int32_t)position;
    out->ranges[row] = *seen;
    out->ranges[row].end = (int32_t)(row + 1);
}

/* Rows [first, last) of the prompts; the rows of their pictures move along. */
static void put_prompt(pc_batch *out, const pc_batch *prompts, int64_t first, int64_t last, int64_t *soft)
{
    int64_t base = out->tokens;
    for (int64_t row = first; row < last; row++) {
        put_row(out, prompts->ids[row], row - first, &(pc_attention_range){(int32_t)base, (int32_t)base, (int32_t)base, 0});
    }
    for (; *soft < prompts->soft && prompts->soft_rows[*soft] < last; ++*soft) {
        out->soft_rows[*soft] = (int32_t)(prompts->soft_rows[*soft] - first + base);
    }
}

static pc_status put_answer(pc_batch *out, const int32_t *ids, int64_t count, int64_t base, int64_t length)
{
    pc_batch_added now = pc_batch_begin(out);
    int64_t before = base + length - 1, begin = out->tokens;
    PC_TRY(pc_batch_room_for_rows(out, count));
    PC_TRY(pc_batch_room_for_answers(out));
    for (int64_t i = 0; i < count; i++) {
        const pc_attention_range seen = {(int32_t)base, (int32_t)(base + length), (int32_t)begin, 0};
        PC_TRY(pc_batch_add_target(out, &now, before, ids[i], 1));
        before = out->tokens;
        put_row(out, ids[i], length + i, &seen);
    }
    out->targets = now.targets;
    out->answer_rows[out->answers] = (int32_t)out->tokens - 1;
    out->answer_ends[out->answers++] = (int32_t)out->targets;
    return PC_OK;
}

pc_status pc_batch_answer(pc_batch *out, const pc_batch *prompts, const pc_written *written, int64_t picture)
{
    int64_t first = 0, soft = 0, id = 0;
    pc_batch_reset(out);
    PC_TRY(pc_batch_copy_pictures(out, prompts, picture));
    for (int64_t s = 0; s < prompts->samples; s++) {
        int64_t last = prompts->text_ends[s] + 1, base = out->tokens;
        PC_TRY(pc_batch_room_for_rows(out, last - first));
        put_prompt(out, prompts, first, last, &soft);
        for (int64_t a = s * written->each; a < (s + 1) * written->each; a++) {
            PC_TRY(put_answer(out, written->ids + id, written->ends[a] - id, base, last - first));
            id = written->ends[a];
        }
        out->samples++;
        first = last;
    }
    return pc_batch_room_for_experience(out);
}

/* --- labelled --- */

/* *answers = for each sample its own answer, then that of the sample before (of the last for the first), cut where the
 * cutoff is. */
static pc_status cross_answers(pc_ids *ids, int64_t *ends, const pc_batch *prompts, int64_t cutoff)
{
    int64_t samples = prompts->samples, first = 0;
    for (int64_t s = 0; s < samples; s++) {
        int64_t own = s > 0 ? prompts->answer_ends[s - 1] : 0, before = (s + samples - 1) % samples;
        int64_t other = before > 0 ? prompts->answer_ends[before - 1] : 0;
        int64_t count = prompts->answer_ends[before] - other, room = cutoff - (prompts->text_ends[s] + 1 - first);
        first = prompts->text_ends[s] + 1;
        PC_TRY(pc_ids_add(ids, prompts->target_ids + own, (size_t)(prompts->answer_ends[s] - own)));
        ends[2 * s] = (int64_t)ids->count;
        PC_TRY(pc_ids_add(ids, prompts->target_ids + other, (size_t)(count < room ? count : room)));
        ends[2 * s + 1] = (int64_t)ids->count;
    }
    return PC_OK;
}

pc_status pc_batch_label(pc_batch *out, const pc_batch *prompts, int64_t cutoff, int64_t picture)
{
    pc_ids ids = {0};
    int64_t *ends = NULL;
    pc_status status;
    PC_GO(PC_NEW_ARRAY(ends, (size_t)(2 * prompts->samples) + 1, "a batch"));
    PC_GO(cross_answers(&ids, ends, prompts, cutoff));
    const pc_written written = {ids.data, ends, 2};
    PC_GO(pc_batch_answer(out, prompts, &written, picture));
    memcpy(out->labels, prompts->labels, (size_t)prompts->samples * sizeof *out->labels);
done:
    pc_ids_clear(&ids);
    pc_free(ends);
    return status;
}
