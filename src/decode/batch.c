#include "decode/batch.h"

#include "base/signal.h"
#include "decode/end.h"
#include "decode/input.h"
#include "decode/stop.h"

#include <string.h>

enum { READ_AT_ONCE = 512 };

/* One request in the making. */
typedef struct row {
    pc_token_stream stream;
    pc_stop stop;
    pc_str piece, ready;
    pc_ids history;      /* prompt and answer */
    size_t written;      /* tokens of the answer */
    int32_t id;          /* the newest */
    bool open;           /* goes on */
    const pc_answer_request *request;
    pc_answer *out;
} row;

struct pc_batch {
    pc_local *local;
    const pc_model *model;
    pc_session *session;
    pc_pictures pictures;
    pc_sampling sampling;
    pc_ids ends;
    float *scores;           /* [V] */
    row *rows;               /* [most] */
    pc_input *inputs;        /* [most] those of the rows in use, side by side */
    pc_session_piece *pieces;
    int most;
    bool plain;              /* the decoding is greedy and nothing else */
    bool forgets;            /* the session has a window */
};

static bool is_plain(const pc_decoding *how)
{
    return !how || (how->beams <= 1 && how->votes <= 1 && !how->draft && !how->method);
}

static pc_status make_rows(pc_batch *self)
{
    PC_TRY(PC_NEW_ARRAY(self->rows, (size_t)self->most, "requests side by side"));
    PC_TRY(PC_NEW_ARRAY(self->pieces, (size_t)self->most, "requests side by side"));
    PC_TRY(PC_NEW_ARRAY(self->inputs, (size_t)self->most, "requests side by side"));
    for (int i = 0; i < self->most; i++) {
        self->inputs[i] = (pc_input){.model = self->model, .chat = pc_local_template(self->local), .session = self->session,
                                     .pictures = &self->pictures, .row = i};
        PC_TRY(pc_input_init(&self->inputs[i]));
    }
    return PC_OK;
}

pc_status pc_batch_new(pc_batch **out, pc_local *local, const pc_model *model, const pc_backend *backend,
                       const pc_local_options *options, int most)
{
    pc_batch *self = NULL;
    pc_status status;
    *out = NULL;
    PC_GO(PC_NEW(self, "requests side by side"));
    self->local = local;
    self->model = model;
    self->most = most;
    self->forgets = options->cache.window > 0;
    self->plain = is_plain(options->decoding);
    pc_session_options session = {.context = options->context, .chunk = READ_AT_ONCE, .compute = options->compute,
                                  .cache = options->cache, .adapter = options->adapter, .tail = 1, .rows = most};
    PC_GO(pc_session_new(&self->session, model, backend, &session));
    self->pictures.session = self->session;
    self->pictures.model = model;
    PC_GO(pc_sampling_init(&self->sampling, (size_t)model->llm.info.vocabulary));
    memcpy(self->sampling.values, pc_local_sampling(local)->values, sizeof self->sampling.values);
    PC_GO(pc_sampling_set(&self->sampling, "temperature", 0));
    PC_GO(pc_end_ids(&self->ends, model, pc_local_template(local)));
    PC_GO(PC_NEW_ARRAY(self->scores, (size_t)model->llm.info.vocabulary, "logits"));
    PC_GO(make_rows(self));
    *out = self;
    return PC_OK;
done:
    pc_batch_free(self);
    return status;
}

static void clear_row(row *r)
{
    pc_stop_clear(&r->stop);
    pc_str_clear(&r->piece);
    pc_str_clear(&r->ready);
    pc_ids_clear(&r->history);
}

void pc_batch_free(pc_batch *self)
{
    if (!self) {
        return;
    }
    for (int i = 0; i < self->most; i++) {
        if (self->inputs) {
            pc_input_clear(&self->inputs[i]);
        }
        if (self->rows) {
            clear_row(&self->rows[i]);
        }
    }
    pc_pictures_clear(&self->pictures);
    pc_session_free(self->session);
    pc_sampling_clear(&self->sampling);
    pc_ids_clear(&self->ends);
    pc_free(self->scores);
    pc_free(self->rows);
    pc_free(self->inputs);
    pc_free(self->pieces);
    pc_free(self);
}

/* --- prompts --- */

static pc_status begin(pc_batch *self, row *r, pc_input *input, const pc_answer_request *request, pc_answer *out)
{
    const pc_template *chat = pc_local_template(self->local);
    pc_answer_clear(out);
    clear_row(r);
    *r = (row){.request = request, .out = out, .open = true};
    const pc_conversation *said = request->conversation;
    bool goes_on = !chat->invite && said->part_count && said->parts[said->part_count - 1].length;
    PC_TRY(pc_stop_add_all(&r->stop, chat->stops));
    PC_TRY(pc_stop_add_all(&r->stop, request->stops));
    pc_token_stream_init(&r->stream, self->model->tokenizer, PC_DETOKENIZE_SKIP_SPECIAL | (goes_on ? PC_DETOKENIZE_CONTINUE : 0));
    PC_TRY(pc_input_build(input, request));
    out->prompt_tokens = input->prompt.ids.count;
    return pc_ids_add(&r->history, input->prompt.ids.data, input->prompt.ids.count);
}

static pc_status read_prompts(pc_batch *self, const pc_answer_request *requests, pc_answer *outs, int count)
{
    pc_pictures_begin(&self->pictures);
    for (int i = 0; i < count; i++) {
        PC_TRY(begin(self, &self->rows[i], &self->inputs[i], &requests[i], &outs[i]));
    }
    for (int i = 0; i < count && !pc_signal_pending(); i++) {
        PC_TRY(pc_input_see(&self->inputs[i]));
        outs[i].media_tokens = self->inputs[i].media_tokens;
    }
    return pc_signal_pending() ? PC_OK : pc_input_read(self->inputs, count);
}

/* --- answers --- */

static pc_status hand_on(row *r)
{
    if (r->ready.length) {
        PC_TRY(pc_str_add(&r->out->text, r->ready.data, r->ready.length));
        pc_str_reset(&r->ready);
    }
    return PC_OK;
}

static pc_status say(row *r)
{
    pc_str_reset(&r->piece);
    PC_TRY(pc_token_stream_push(&r->stream, r->id, &r->piece));
    PC_TRY(r->piece.length ? pc_stop_push(&r->stop, r->piece.data, r->piece.length, &r->ready) : PC_OK);
    return hand_on(r);
}

static pc_status finish(row *r)
{
    pc_str_reset(&r->piece);
    PC_TRY(pc_token_stream_finish(&r->stream, &r->piece));
    PC_TRY(r->piece.length ? pc_stop_push(&r->stop, r->piece.data, r->piece.length, &r->ready) : PC_OK);
    PC_TRY(pc_stop_finish(&r->stop, &r->ready));
    PC_TRY(hand_on(r));
    r->out->completion_tokens = r->written;
    return PC_OK;
}

/* The row's next token, from the logits behind what it has read. */
static pc_status advance(pc_batch *self, int i)
{
    row *r = &self->rows[i];
    memcpy(self->scores, pc_session_row_logits(self->session, i), self->sampling.vocabulary * sizeof *self->scores);
    PC_TRY(pc_sampling_next(&self->sampling, self->scores, r->history.data, r->history.count, &r->id));
    PC_TRY(pc_ids_push(&r->history, r->id));
    r->written++;
    if (pc_is_end(&self->ends, r->id)) {
        r->out->end = PC_ANSWER_STOP;
        r->open = false;
        return PC_OK;
    }
    PC_TRY(say(r));
    bool full = (int64_t)(r->history.count - 1) == pc_session_context(self->session);
    r->out->end = r->stop.stopped ? PC_ANSWER_STOP : PC_ANSWER_LENGTH;
    r->open = !r->stop.stopped && r->written != r->request->max_tokens && !full;
    return PC_OK;
}

static pc_status write_answers(pc_batch *self, int count)
{
    for (;;) {
        int64_t pieces = 0;
        for (int i = 0; i < count; i++) {
            PC_TRY(self->rows[i].open ? advance(self, i) : PC_OK);
        }
        for (int i = 0; i < count; i++) {
            row *r = &self->rows[i];
            if (r->open) {
                pc_input_follow(&self->inputs[i], r->history.count - 1, r->id);
                self->pieces[pieces++] = (pc_session_piece){.row = i, .ids = &r->id, .count = 1};
            }
        }
        if (!pieces || pc_signal_pending()) {
            return PC_OK;
        }
        PC_TRY(pc_session_read_rows(self->session, self->pieces, pieces));
    }
}

static pc_status answer_rows(pc_batch *self, const pc_answer_request *requests, pc_answer *outs, int count)
{
    PC_TRY(read_prompts(self, requests, outs, count));
    PC_TRY(pc_signal_pending() ? PC_OK : write_answers(self, count));
    for (int i = 0; i < count; i++) {
        PC_TRY(finish(&self->rows[i]));
        outs[i].end = pc_signal_pending() ? PC_ANSWER_CANCELLED : outs[i].end;
    }
    return PC_OK;
}

/* --- the answerer --- */

static bool fits(const pc_batch *self, const pc_answer_request *request)
{
    return self->plain && !request->choices && !request->on_text && !(request->temperature > 0) && request->max_tokens;
}

/* Frequencies that depend on a text's length are the session's, not the row's. */
static bool stays_within(pc_batch *self, const pc_answer_request *request, pc_status *status)
{
    *status = pc_input_build(&self->inputs[0], request);
    int64_t trained = self->forgets ? 0 : self->model->llm.info.context; /* tokens in a window stand no further than that */
    return *status == PC_OK && (!trained || (int64_t)(self->inputs[0].prompt.ids.count + request->max_tokens) <= trained);
}

static pc_status answer_many(void *user, const pc_answer_request *requests, pc_answer *outs, size_t count)
{
    pc_batch *self = user;
    const pc_answerer one = pc_local_answerer(self->local);
    bool together = count > 1 && count <= (size_t)self->most;
    pc_status status = PC_OK;
    pc_pictures_begin(&self->pictures);
    for (size_t i = 0; i < count && together; i++) {
        together = fits(self, &requests[i]) && stays_within(self, &requests[i], &status);
        PC_TRY(status);
    }
    if (together) {
        return answer_rows(self, requests, outs, (int)count);
    }
    for (size_t i = 0; i < count; i++) {
        PC_TRY(one.answer(one.self, &requests[i], &outs[i]));
    }
    return PC_OK;
}

static pc_status answer(void *user, const pc_answer_request *request, pc_answer *out)
{
    const pc_answerer one = pc_local_answerer(((pc_batch *)user)->local);
    return one.answer(one.self, request, out);
}

pc_answerer pc_batch_answerer(pc_batch *self)
{
    return (pc_answerer){.self = self, .name = self->model->path, .answer = answer, .parallel = 1, .answer_many = answer_many,
                         .most = (size_t)self->most};
}
