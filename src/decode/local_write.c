/* Writing an answer token by token: scores -> samplers -> id -> text -> stop texts -> listener. */
#include "decode/local_internal.h"

#include <math.h>
#include <string.h>

pc_status pc_local_note(pc_local *local, const float *scores, int32_t id, double log_probability)
{
    pc_local_report *report = &local->report;
    size_t each = 1 + (size_t)local->top, first = report->ids.count * each;
    double sum = scores ? pc_log_sum(scores, local->lanes.vocabulary) : 0;
    PC_TRY(pc_grow(&report->tokens, &local->token_capacity, first + each, sizeof *report->tokens, "log-probabilities"));
    pc_token_probability *out = report->tokens + first;
    out[0] = (pc_token_probability){id, scores ? (double)scores[id] - sum : log_probability};
    for (size_t k = 1; k < each; k++) {
        out[k] = (pc_token_probability){-1, -INFINITY};
        for (int64_t i = 0; scores && i < local->lanes.vocabulary; i++) {
            double found = (double)scores[i] - sum;
            bool behind = k == 1 || found < out[k - 1].log_probability ||
                          (!(found > out[k - 1].log_probability) && (int32_t)i > out[k - 1].id);
            if (behind && found > out[k].log_probability) {
                out[k] = (pc_token_probability){(int32_t)i, found};
            }
        }
    }
    return PC_OK;
}

pc_status pc_local_add_id(pc_local *local, int32_t id)
{
    PC_TRY(pc_ids_push(&local->report.ids, id));
    return pc_ids_push(&local->history, id);
}

static pc_status next_id(pc_local *local, int32_t *id)
{
    float *scores = pc_lanes_scores(&local->lanes, 0);
    float *unchanged = local->lanes.first; /* the prompt's scores have served */
    if (local->probabilities) {
        memcpy(unchanged, scores, local->sampling.vocabulary * sizeof *scores);
    }
    PC_TRY(pc_sampling_next(&local->sampling, scores, local->history.data, local->history.count, id));
    if (local->probabilities) {
        PC_TRY(pc_local_note(local, unchanged, *id, 0));
    }
    return pc_local_add_id(local, *id);
}

pc_status pc_local_emit(pc_answering *a, bool *on)
{
    *on = true;
    if (a->ready.length) {
        PC_TRY(pc_str_add(&a->out->text, a->ready.data, a->ready.length));
        *on = !a->request->on_text ||
              a->request->on_text(a->request->user, a->ready.data, a->ready.length);
        pc_str_reset(&a->ready);
    }
    return PC_OK;
}

pc_status pc_local_say(pc_answering *a, int32_t id, bool *end)
{
    bool on;
    pc_str_reset(&a->piece);
    PC_TRY(pc_token_stream_push(&a->stream, id, &a->piece));
    if (a->piece.length) {
        PC_TRY(pc_stop_push(&a->stop, a->piece.data, a->piece.length, &a->ready));
    }
    PC_TRY(pc_local_emit(a, &on));
    *end = a->stop.stopped || !on;
    a->out->end = a->stop.stopped ? PC_ANSWER_STOP : on ? a->out->end : PC_ANSWER_CANCELLED;
    return PC_OK;
}

size_t pc_local_most_tokens(const pc_answering *a)
{
    const pc_local *local = a->local;
    size_t room = SIZE_MAX, asked = a->request->max_tokens;
    for (int64_t i = 0; i < local->lanes.views; i++) {
        size_t left = (size_t)pc_session_context(local->session) - local->inputs[i].prompt.ids.count + 1;
        room = left < room ? left : room;
    }
    return asked && asked < room ? asked : room;
}

pc_status pc_local_finish_text(pc_answering *a)
{
    bool on;
    pc_str_reset(&a->piece);
    PC_TRY(pc_token_stream_finish(&a->stream, &a->piece));
    if (a->piece.length) {
        PC_TRY(pc_stop_push(&a->stop, a->piece.data, a->piece.length, &a->ready));
    }
    PC_TRY(pc_stop_finish(&a->stop, &a->ready));
    return pc_local_emit(a, &on);
}

/* Let the session read the newest id, so that the next one has its scores. */
static pc_status read_on(pc_answering *a, int32_t id)
{
    pc_local *local = a->local;
    if (local->draft) {
        return pc_local_read_ahead(a, id);
    }
    for (int64_t i = 0; i < local->lanes.views && local->lanes.most == 1; i++) {
        pc_input_follow(&local->inputs[i], local->inputs[i].prompt.ids.count + (size_t)local->lanes.written, id);
    }
    return pc_lanes_step(&local->lanes, NULL, &id);
}

static bool context_is_full(const pc_local *local)
{
    int64_t longest = 0;
    for (int64_t i = 0; i < local->lanes.views; i++) {
        int64_t length = (int64_t)local->inputs[i].prompt.ids.count + local->lanes.written;
        longest = length > longest ? length : longest;
    }
    return longest == pc_session_context(local->session);
}

pc_status pc_local_generate(pc_answering *a)
{
    pc_local *local = a->local;
    for (bool end = false; !end && !pc_local_stopped(a);) {
        int32_t id;
        PC_TRY(next_id(local, &id));
        if (pc_is_end(&local->end_ids, id)) {
            a->out->end = PC_ANSWER_STOP;
            break;
        }
        a->out->end = PC_ANSWER_LENGTH; /* unless the text or a signal says otherwise */
        PC_TRY(pc_local_say(a, id, &end));
        if (end || local->report.ids.count == a->request->max_tokens || context_is_full(local)) {
            break;
        }
        PC_TRY(read_on(a, id));
    }
    if (local->draft) {
        pc_local_end_ahead(local);
    }
    return PC_OK;
}
