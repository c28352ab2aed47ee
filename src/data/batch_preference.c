/* Packing a preference: what both answers follow stands once, the answers behind it.
 *
 *   rows      s question, pictures | chosen answer | rejected answer e
 *   position  0 .. p-1             | p ..          | p ..
 *   sees      [s, itself]          | [s, p) and its own answer up to itself
 *
 * The ids are those of two whole conversations, so that tokens which the tokenizer joins across the border count as the
 * answers'. Easy to get wrong: the last row before the border predicts the first token of both.
 */
#include "data/batch_parts.h"
#include "data/segments.h"

#include "base/memory.h"

#include <inttypes.h>

/* The conversation up to its answer, then the other answer. */
static pc_status with_other_answer(pc_conversation *out, const pc_sample *sample)
{
    const pc_conversation *from = &sample->conversation;
    for (size_t m = 0; m < from->count; m++) {
        bool answer = m + 1 == from->count;
        const pc_conversation *source = answer ? &sample->rejected : from;
        const pc_message *message = answer ? &source->messages[0] : &source->messages[m];
        PC_TRY(pc_conversation_begin(out, message->role));
        for (size_t p = message->first; p < message->first + message->count; p++) {
            const pc_part *part = &source->parts[p];
            PC_TRY(part->text ? pc_conversation_add_text(out, part->text, part->length)
                              : pc_conversation_add_media(out, part->kind, part->index));
        }
    }
    return PC_OK;
}

static pc_status check_answers(const pc_sample *sample)
{
    const pc_conversation *chosen = &sample->conversation;
    if (sample->rejected.count == 0) {
        return pc_fail(PC_ERR_DATA, "there is no rejected answer");
    }
    bool one = chosen->count >= 2 && chosen->messages[chosen->count - 1].role == PC_ROLE_ASSISTANT &&
               chosen->messages[chosen->count - 2].role != PC_ROLE_ASSISTANT;
    if (!one || sample->rejected.count != 1) {
        return pc_fail(PC_ERR_DATA, "a preference is between two answers of one message each");
    }
    return PC_OK;
}

static pc_status build_prompts(pc_batch_maker *maker)
{
    pc_conversation other = {0};
    pc_status status;
    PC_GO(check_answers(&maker->sample));
    PC_GO(with_other_answer(&other, &maker->sample));
    PC_GO(pc_batch_prompt(&maker->prompt, maker, &maker->sample.conversation));
    PC_GO(pc_batch_prompt(&maker->other, maker, &other));
done:
    pc_conversation_clear(&other);
    return status;
}

pc_turn pc_batch_last_answer(const pc_prompt *prompt)
{
    pc_turn run = {prompt->ids.count, prompt->ids.count};
    while (run.last > 0 && !prompt->trained[run.last - 1]) {
        run.last--;
    }
    for (run.first = run.last; run.first > 0 && prompt->trained[run.first - 1];) {
        run.first--;
    }
    return run;
}

static pc_status find_answers(pc_batch_maker *maker, pc_turn *chosen, pc_turn *rejected)
{
    const pc_prompt *x = &maker->prompt, *y = &maker->other;
    size_t cutoff = (size_t)maker->options->cutoff;
    maker->fault = PC_FAULT_ANSWER;
    *chosen = pc_batch_last_answer(x);
    *rejected = pc_batch_last_answer(y);
    if (chosen->first == chosen->last || rejected->first == rejected->last || chosen->first == 0) {
        return pc_fail(PC_ERR_DATA, "there is no answer to learn from");
    }
    bool same = chosen->first == rejected->first;
    for (size_t i = 0; same && i < chosen->first; i++) {
        same = x->ids.data[i] == y->ids.data[i];
    }
    if (!same) {
        return pc_fail(PC_ERR_DATA, "the two answers don't follow the same tokens");
    }
    maker->fault = PC_FAULT_LENGTH;
    if (chosen->last > cutoff || rejected->last > cutoff) {
        return pc_fail(PC_ERR_DATA, "%zu tokens are more than the cutoff of %zu",
                       chosen->last > rejected->last ? chosen->last : rejected->last, cutoff);
    }
    return PC_OK;
}

/* Token weights of both answers, one behind the other. */
static pc_status weigh_answers(pc_batch_maker *maker, const pc_turn *chosen, const pc_turn *rejected)
{
    size_t x = chosen->last - chosen->first, y = rejected->last - rejected->first;
    double weight = maker->options->changed_weight;
    PC_TRY(pc_grow(&maker->changed, &maker->changed_capacity, x + y, sizeof *maker->changed, "an answer"));
    for (size_t i = 0; i < x + y; i++) {
        maker->changed[i] = 1;
    }
    if (!(weight > 0) || weight == 1) {
        return PC_OK;
    }
    return pc_segments_weigh(maker->prompt.ids.data + chosen->first, x, maker->other.ids.data + rejected->first, y,
                             (float)weight, maker->changed, maker->changed + x);
}

void pc_batch_put_rows(pc_batch *batch, const pc_prompt *prompt, size_t first, size_t last, int64_t row, size_t prefix)
{
    int64_t base = batch->tokens, begin = row;
    for (size_t i = first; i < last; i++, row++) {
        batch->ids[row] = prompt->ids.data[i];
        batch->positions[row] = (int32_t)i;
        batch->ranges[row] = (pc_attention_range){
            .prefix_begin = (int32_t)base,
            .prefix_end = (int32_t)(base + (int64_t)prefix),
            .begin = (int32_t)begin,
            .end = (int32_t)(row + 1),
        };
    }
}

/* Targets of an answer whose rows stand from `row` on; the border's last row predicts its first token. */
static pc_status put_targets(pc_batch *batch, pc_batch_added *now, const pc_prompt *prompt, const pc_turn *answer,
                             int64_t row, const float *weights)
{
    int64_t before = batch->tokens + (int64_t)answer->first - 1;
    for (size_t i = answer->first; i < answer->last; i++) {
        PC_TRY(pc_batch_add_target(batch, now, before, prompt->ids.data[i], weights[i - answer->first]));
        before = row + (int64_t)(i - answer->first);
    }
    return PC_OK;
}

pc_status pc_batch_add_preference(pc_batch *batch, pc_batch_maker *maker, int dx, int dy)
{
    pc_batch_added now = pc_batch_begin(batch);
    pc_turn chosen, rejected;
    PC_TRY(build_prompts(maker));
    PC_TRY(find_answers(maker, &chosen, &rejected));
    PC_TRY(weigh_answers(maker, &chosen, &rejected));
    size_t border = chosen.first, x = chosen.last - border, y = rejected.last - border;
    int64_t first = batch->tokens + (int64_t)border, second = first + (int64_t)x;
    PC_TRY(pc_batch_room_for_rows(batch, (int64_t)(border + x + y)));
    PC_TRY(pc_batch_room_for_answers(batch));
    pc_batch_put_rows(batch, &maker->prompt, 0, border, batch->tokens, 0);
    pc_batch_put_rows(batch, &maker->prompt, border, chosen.last, first, border);
    pc_batch_put_rows(batch, &maker->other, border, rejected.last, second, border);
    PC_TRY(put_targets(batch, &now, &maker->prompt, &chosen, first, maker->changed));
    batch->answer_rows[now.answers] = (int32_t)second - 1;
    batch->answer_rows[now.answers + 1] = (int32_t)(second + (int64_t)y) - 1;
    batch->answer_ends[now.answers] = (int32_t)now.targets;
    PC_TRY(put_targets(batch, &now, &maker->other, &rejected, second, maker->changed + x));
    batch->answer_ends[now.answers + 1] = (int32_t)now.targets;
    maker->fault = PC_FAULT_PICTURE;
    PC_TRY(pc_batch_add_slots(batch, &now, maker, border, dx, dy));
    now.tokens += (int64_t)(border + x + y);
    now.answers += 2;
    pc_batch_commit(batch, &now);
    return PC_OK;
}
