/* Decoding with a model of this process: prompt, pictures, prefill, then token by token, by beams, or among given texts.
 *
 * Easy to get wrong: the end token counts as a token of the answer, but gives no text; with several lanes the rows of the
 * prompt don't read the answer, so that a chat reads it anew.
 */
#include "decode/local.h"

#include "base/log.h"
#include "base/signal.h"
#include "decode/draft.h"
#include "decode/end.h"
#include "decode/input.h"
#include "decode/search.h"
#include "decode/stop.h"

#include <math.h>
#include <string.h>
#include <time.h>

enum { READ_AT_ONCE = 512, MOST_VIEWS = 2 };

/* Tokens that the session has read on a guess: behind the newest id, ids[at] is the next one to come true. */
typedef struct ahead {
    int32_t *ids; /* [1 + draft_tokens]: the newest id, then the guess */
    size_t count, at;
} ahead;

struct pc_local {
    const pc_model *model;
    const pc_backend *backend;
    const pc_template *chat;
    pc_decoding decoding; /* what it points to is the caller's */
    bool probabilities;
    int64_t top;
    pc_session *session;
    pc_pictures pictures;
    pc_sampling sampling;
    double temperature;
    pc_lanes lanes;
    pc_input inputs[MOST_VIEWS]; /* one for each view */
    pc_ids end_ids;     /* ids at which an answer ends */
    pc_ids history;     /* prompt and answer, for the samplers */
    pc_found found;     /* of a search */
    pc_draft *draft;    /* or NULL */
    ahead ahead;
    pc_votes votes;
    pc_local_report report;
    size_t token_capacity, choice_capacity;
};

/* One answer in the making. */
typedef struct answering {
    pc_local *local;
    const pc_answer_request *request;
    pc_answer *out;
    pc_token_stream stream;
    pc_stop stop;
    pc_str piece, ready;
} answering;

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* --- making --- */

static pc_status choose_template(pc_local *local)
{
    const pc_model *model = local->model;
    local->chat = model->chat;
    if (local->chat) {
        return PC_OK;
    }
    if (model->chat_unknown) {
        return pc_fail(PC_ERR_DATA, "%s: its chat template is not a known one; choose one with "
                                    "--template NAME",
                       model->path);
    }
    if (model->import->chat) {
        return pc_template_by_name(&local->chat, model->import->chat);
    }
    if (model->connector.type) {
        return pc_fail(PC_ERR_DATA, "%s: it has no chat template; choose one with --template NAME",
                       model->path);
    }
    return pc_template_by_name(&local->chat, "raw");
}

/* generation_config.json spells the samplers as we do; what it leaves out does nothing. */
static void set_sampling(pc_local *local)
{
    const pc_json *wanted = local->model->generation;
    bool samples = pc_json_get_bool(wanted, "do_sample", false);
    for (size_t i = 0; pc_sampler_at(i); i++) {
        const pc_sampler *sampler = pc_sampler_at(i);
        const pc_json *node = pc_json_get(wanted, sampler->name);
        double value = pc_json_number(node, sampler->neutral);
        if (pc_sampling_set(&local->sampling, sampler->name, value) != PC_OK) {
            pc_log(PC_LOG_WARNING, "generation_config.json: %s; left out", pc_error());
            pc_error_clear();
            local->sampling.values[i] = sampler->neutral;
        }
        if (samples && strcmp(sampler->name, "temperature") == 0) {
            local->temperature = local->sampling.values[i]; /* requests carry it */
        }
    }
}

static pc_status make_inputs(pc_local *local)
{
    for (int64_t i = 0; i < local->lanes.views; i++) {
        pc_input *input = &local->inputs[i];
        input->model = local->model;
        input->chat = local->chat;
        input->session = local->session;
        input->pictures = &local->pictures;
        input->row = i;
        if (i > 0) {
            local->decoding.method->view(local->decoding.config, &input->view);
        }
        PC_TRY(pc_input_init(input));
    }
    return PC_OK;
}

static pc_status make_draft(pc_local *local, pc_dtype compute)
{
    const pc_decoding *how = &local->decoding;
    if (!how->draft) {
        return PC_OK;
    }
    PC_TRY(PC_NEW_ARRAY(local->ahead.ids, 1 + (size_t)how->draft_tokens, "a draft"));
    return pc_draft_new(&local->draft, &(pc_draft_setup){.kind = how->draft, .model = local->model,
                                                         .backend = local->backend, .compute = compute,
                                                         .context = pc_session_context(local->session),
                                                         .most = how->draft_tokens});
}

static pc_status make_lanes(pc_local *local, pc_dtype compute)
{
    local->lanes.session = local->session;
    local->lanes.vocabulary = local->model->llm.info.vocabulary;
    local->lanes.method = local->decoding.method;
    local->lanes.config = local->decoding.config;
    PC_TRY(pc_lanes_init(&local->lanes));
    PC_TRY(make_inputs(local));
    PC_TRY(make_draft(local, compute));
    return pc_sampling_init(&local->sampling, (size_t)local->lanes.vocabulary);
}

/* Room in the session for what the decoding method reads. */
static void ask_session(pc_local *local, const pc_local_options *options, pc_session_options *session)
{
    const pc_decoding *how = &local->decoding;
    pc_view view = {0};
    local->lanes.most = how->beams;
    local->lanes.views = how->method && how->method->view && how->method->view(how->config, &view) ? 2 : 1;
    *session = (pc_session_options){.context = options->context, .chunk = READ_AT_ONCE, .compute = options->compute,
                                    .adapter = options->adapter};
    session->tail = how->draft ? 1 + how->draft_tokens : 1;
    session->rows = pc_lanes_rows(local->lanes.most, local->lanes.views);
    if (how->method && how->method->layers) {
        session->tap_count = how->method->layers(how->config, local->model->llm.info.layers, session->taps);
        local->lanes.tap_count = session->tap_count;
    }
}

pc_status pc_local_new(pc_local **out, const pc_model *model, const pc_backend *backend,
                       const pc_local_options *options)
{
    pc_local *local = NULL;
    pc_session_options session;
    *out = NULL;
    if (!model->tokenizer) {
        return pc_fail(PC_ERR_DATA, "%s: there is no tokenizer beside the weights", model->path);
    }
    PC_TRY(PC_NEW(local, "an answerer"));
    local->model = model;
    local->backend = backend;
    local->decoding = options->decoding ? *options->decoding : (pc_decoding){.beams = 1, .groups = 1, .votes = 1};
    local->probabilities = options->probabilities || local->decoding.votes > 1;
    local->top = options->top > 0 ? options->top : 0;
    pc_status status;
    PC_GO(choose_template(local));
    ask_session(local, options, &session);
    PC_GO(pc_session_new(&local->session, model, backend, &session));
    local->pictures.session = local->session;
    local->pictures.model = model;
    PC_GO(make_lanes(local, options->compute));
    PC_GO(pc_end_ids(&local->end_ids, model, local->chat));
    set_sampling(local);
    *out = local;
done:
    if (status != PC_OK) {
        pc_local_free(local);
    }
    return status;
}

void pc_local_free(pc_local *local)
{
    if (!local) {
        return;
    }
    pc_pictures_clear(&local->pictures);
    pc_session_free(local->session);
    pc_sampling_clear(&local->sampling);
    pc_lanes_clear(&local->lanes);
    for (int i = 0; i < MOST_VIEWS; i++) {
        pc_input_clear(&local->inputs[i]);
    }
    pc_ids_clear(&local->end_ids);
    pc_ids_clear(&local->history);
    pc_ids_clear(&local->report.prompt);
    pc_ids_clear(&local->report.ids);
    pc_free(local->report.tokens);
    pc_free(local->report.choices);
    pc_found_clear(&local->found);
    pc_draft_free(local->draft);
    pc_votes_clear(&local->votes);
    pc_free(local->ahead.ids);
    pc_free(local);
}

double pc_local_temperature(const pc_local *local)
{
    return local->temperature;
}

pc_sampling *pc_local_sampling(pc_local *local)
{
    return &local->sampling;
}

const pc_template *pc_local_template(const pc_local *local)
{
    return local->chat;
}

pc_status pc_local_see(pc_local *local, const pc_answer_media *media, float **features, size_t *width)
{
    const pc_picture *picture;
    float *mean = NULL;
    if (!local->model->connector.type) {
        return pc_fail(PC_ERR_DATA, "%s: this model takes no pictures", local->model->path);
    }
    *width = (size_t)local->model->llm.info.width;
    pc_pictures_begin(&local->pictures);
    PC_TRY(pc_pictures_get(&local->pictures, media, NULL, NULL, &picture));
    PC_TRY(PC_NEW_ARRAY(mean, *width, "features of a picture"));
    for (int64_t i = 0; i < picture->tokens; i++) {
        for (size_t k = 0; k < *width; k++) {
            mean[k] += picture->soft[(size_t)i * *width + k] / (float)picture->tokens;
        }
    }
    *features = mean;
    return PC_OK;
}

const pc_local_report *pc_local_last(const pc_local *local)
{
    return &local->report;
}

/* --- reading --- */

static bool stopped_by_signal(answering *a)
{
    if (pc_signal_pending()) {
        a->out->end = PC_ANSWER_CANCELLED;
    }
    return pc_signal_pending() != 0;
}

static pc_status build_prompts(answering *a)
{
    pc_local *local = a->local;
    const pc_ids *prompt = &local->inputs[0].prompt.ids;
    for (int64_t i = 0; i < local->lanes.views; i++) {
        PC_TRY(pc_input_build(&local->inputs[i], a->request));
    }
    a->out->prompt_tokens = prompt->count;
    PC_TRY(pc_ids_add(&local->report.prompt, prompt->data, prompt->count));
    return pc_ids_add(&local->history, prompt->data, prompt->count);
}

static pc_status prefill(answering *a)
{
    pc_local *local = a->local;
    double start = now_ms();
    for (int64_t i = 0; i < local->lanes.views; i++) {
        PC_TRY(pc_input_see(&local->inputs[i]));
    }
    local->report.image_ms = now_ms() - start;
    a->out->media_tokens = local->inputs[0].media_tokens;
    start = now_ms();
    if (!stopped_by_signal(a)) {
        PC_TRY(pc_input_read(local->inputs, (int)local->lanes.views));
        local->report.reused = local->inputs[0].reused;
    }
    if (local->draft && !stopped_by_signal(a)) {
        PC_TRY(pc_draft_begin(local->draft, a->request));
    }
    if (!stopped_by_signal(a)) {
        pc_lanes_ready(&local->lanes);
    }
    local->report.prompt_ms = now_ms() - start;
    return PC_OK;
}

/* --- writing --- */

/* The log-probability of the newest id, and with the scores [V] the likeliest others. */
static pc_status note_token(pc_local *local, const float *scores, int32_t id, double log_probability)
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

static pc_status add_id(pc_local *local, int32_t id)
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
        PC_TRY(note_token(local, unchanged, *id, 0));
    }
    return add_id(local, *id);
}

/* Hand on what has become certain; *on = false when the listener has heard enough. */
static pc_status emit(answering *a, bool *on)
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

/* The text of one id: stream -> stop texts -> listener. *end tells when it ends the answer. */
static pc_status say(answering *a, int32_t id, bool *end)
{
    bool on;
    pc_str_reset(&a->piece);
    PC_TRY(pc_token_stream_push(&a->stream, id, &a->piece));
    if (a->piece.length) {
        PC_TRY(pc_stop_push(&a->stop, a->piece.data, a->piece.length, &a->ready));
    }
    PC_TRY(emit(a, &on));
    *end = a->stop.stopped || !on;
    a->out->end = a->stop.stopped ? PC_ANSWER_STOP : on ? a->out->end : PC_ANSWER_CANCELLED;
    return PC_OK;
}

/* Most tokens of an answer; 0 of the request = as many as fit. */
static size_t most_tokens(const answering *a)
{
    const pc_local *local = a->local;
    size_t room = SIZE_MAX, asked = a->request->max_tokens;
    for (int64_t i = 0; i < local->lanes.views; i++) {
        size_t left = (size_t)pc_session_context(local->session) - local->inputs[i].prompt.ids.count + 1;
        room = left < room ? left : room;
    }
    return asked && asked < room ? asked : room;
}

/* The scores behind the i-th token that the newest piece has read. */
static void take_scores(pc_local *local, size_t i)
{
    memcpy(pc_lanes_scores(&local->lanes, 0), pc_session_tail_logits(local->session, 0, (int64_t)i),
           (size_t)local->lanes.vocabulary * sizeof(float));
    local->lanes.written++;
}

/* Read the newest id and a guess at what follows, in one run; or nothing, when the newest id was guessed. */
static pc_status read_ahead(answering *a, int32_t id)
{
    pc_local *local = a->local;
    ahead *now = &local->ahead;
    if (now->at < now->count && now->ids[1 + now->at] == id) {
        take_scores(local, ++now->at);
        return PC_OK;
    }
    size_t place = local->inputs[0].prompt.ids.count + (size_t)local->lanes.written, written = local->report.ids.count;
    size_t most = (size_t)local->decoding.draft_tokens, left = most_tokens(a) - written;
    pc_session_rewind(local->session, (int64_t)place);
    now->ids[0] = id;
    now->at = 0;
    /* The last token of an answer is never read. */
    PC_TRY(pc_draft_guess(local->draft, &local->history, written, most < left - 1 ? most : left - 1, now->ids + 1,
                          &now->count));
    for (size_t i = 0; i <= now->count; i++) {
        pc_input_follow(&local->inputs[0], place + i, now->ids[i]);
    }
    const pc_session_piece piece = {.ids = now->ids, .count = 1 + (int64_t)now->count, .tail = 1 + (int64_t)now->count};
    PC_TRY(pc_session_read_rows(local->session, &piece, 1));
    take_scores(local, 0);
    return PC_OK;
}

/* Forget what was read on a guess that didn't come true. */
static void end_ahead(pc_local *local)
{
    pc_session_rewind(local->session, (int64_t)local->inputs[0].prompt.ids.count + local->lanes.written);
    local->ahead.count = local->ahead.at = 0;
}

/* Let the session read the newest id, so that the next one has its scores. */
static pc_status read_on(answering *a, int32_t id)
{
    pc_local *local = a->local;
    if (local->draft) {
        return read_ahead(a, id);
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

static void begin_lanes(pc_local *local, int64_t *lengths)
{
    for (int64_t i = 0; i < local->lanes.views; i++) {
        lengths[i] = (int64_t)local->inputs[i].prompt.ids.count;
    }
    pc_lanes_begin(&local->lanes, 1, lengths);
}

static pc_status generate(answering *a)
{
    pc_local *local = a->local;
    for (bool end = false; !end && !stopped_by_signal(a);) {
        int32_t id;
        PC_TRY(next_id(local, &id));
        if (pc_is_end(&local->end_ids, id)) {
            a->out->end = PC_ANSWER_STOP;
            break;
        }
        a->out->end = PC_ANSWER_LENGTH; /* unless the text or a signal says otherwise */
        PC_TRY(say(a, id, &end));
        if (end || local->report.ids.count == a->request->max_tokens || context_is_full(local)) {
            break;
        }
        PC_TRY(read_on(a, id));
    }
    if (local->draft) {
        end_ahead(local);
    }
    return PC_OK;
}

/* Say what a search has found. */
static pc_status say_found(answering *a, const pc_found *found)
{
    a->out->end = PC_ANSWER_LENGTH;
    bool end = false;
    for (size_t i = 0; i < found->ids.count && !end; i++) {
        int32_t id = found->ids.data[i];
        if (a->local->probabilities) {
            PC_TRY(note_token(a->local, NULL, id, (double)found->log_probabilities[i]));
        }
        PC_TRY(add_id(a->local, id));
        if (pc_is_end(&a->local->end_ids, id)) {
            a->out->end = PC_ANSWER_STOP;
            return PC_OK;
        }
        PC_TRY(say(a, id, &end));
    }
    (void)stopped_by_signal(a);
    return PC_OK;
}

static pc_search make_search(answering *a, const int64_t *lengths)
{
    pc_local *local = a->local;
    return (pc_search){.lanes = &local->lanes,
                       .sampling = &local->sampling,
                       .how = &local->decoding,
                       .lengths = lengths,
                       .prompt = &local->inputs[0].prompt.ids,
                       .ends = &local->end_ids,
                       .most = most_tokens(a),
                       .draws = a->request->temperature > 0};
}

static pc_status search_beams(answering *a, const int64_t *lengths)
{
    const pc_search search = make_search(a, lengths);
    PC_TRY(pc_search_beams(&search, &a->local->found));
    return say_found(a, &a->local->found);
}

/* The likeliest of the request's choices; the report has them all. */
static pc_status choose(answering *a, const int64_t *lengths)
{
    pc_local *local = a->local;
    const char *const *texts = a->request->choices;
    const pc_search search = make_search(a, lengths);
    pc_ids *choices = NULL;
    double *sums = NULL;
    size_t count = 0, best = 0;
    pc_status status;
    while (texts[count]) {
        count++;
    }
    PC_GO(PC_NEW_ARRAY(choices, count, "choices"));
    PC_GO(PC_NEW_ARRAY(sums, count, "choices"));
    PC_GO(pc_grow(&local->report.choices, &local->choice_capacity, count, sizeof *local->report.choices, "choices"));
    for (size_t i = 0; i < count; i++) {
        PC_GO(pc_input_continue(&local->inputs[0], texts[i], &choices[i]));
        for (; a->request->open_choices && choices[i].count > 1 &&
               pc_is_end(&local->end_ids, choices[i].data[choices[i].count - 1]);
             choices[i].count--) {
        }
        if (choices[i].count > search.most && !a->request->max_tokens) {
            PC_GO(pc_fail(PC_ERR_DATA, "the choice \"%.60s\" doesn't fit into the context", texts[i]));
        }
    }
    PC_GO(pc_search_choices(&search, choices, count, sums));
    for (size_t i = 0; i < count; i++) {
        local->report.choices[i] = (pc_choice_probability){texts[i], sums[i], choices[i].count};
        best = sums[i] > sums[best] ? i : best;
    }
    local->report.choice_count = count;
    PC_GO(PC_NEW_ARRAY(a->out->choices, count, "choices"));
    for (size_t i = 0; i < count; i++) {
        a->out->choices[i] = (pc_answer_choice){sums[i], choices[i].count};
    }
    PC_GO(pc_ids_add(&local->report.ids, choices[best].data, choices[best].count));
    PC_GO(pc_str_puts(&a->ready, texts[best]));
    bool on;
    status = emit(a, &on);
    a->out->end = PC_ANSWER_STOP;
    (void)stopped_by_signal(a);
done:
    for (size_t i = 0; choices && i < count; i++) {
        pc_ids_clear(&choices[i]);
    }
    pc_free(choices);
    pc_free(sums);
    return status;
}

static pc_status write_answer(answering *a)
{
    int64_t lengths[MOST_VIEWS];
    pc_local *local = a->local;
    begin_lanes(local, lengths);
    PC_TRY(a->request->choices          ? choose(a, lengths)
           : local->decoding.beams > 1 ? search_beams(a, lengths)
                                       : generate(a));
    a->out->completion_tokens = local->report.ids.count;
    return PC_OK;
}

/* What was held back comes out at the end, unless a stop text has cut it off. */
static pc_status finish_text(answering *a)
{
    bool on;
    pc_str_reset(&a->piece);
    PC_TRY(pc_token_stream_finish(&a->stream, &a->piece));
    if (a->piece.length) {
        PC_TRY(pc_stop_push(&a->stop, a->piece.data, a->piece.length, &a->ready));
    }
    PC_TRY(pc_stop_finish(&a->stop, &a->ready));
    return emit(a, &on);
}

static pc_status begin(answering *a)
{
    pc_local *local = a->local;
    const pc_conversation *said = a->request->conversation;
    pc_ids_reset(&local->report.prompt);
    pc_ids_reset(&local->report.ids);
    pc_ids_reset(&local->history);
    local->report.reused = 0;
    local->report.choice_count = 0;
    local->report.image_ms = local->report.prompt_ms = local->report.decode_ms = 0;
    local->sampling.seed = a->request->seed;
    local->sampling.position = 0;
    PC_TRY(pc_sampling_set(&local->sampling, "temperature", a->request->temperature));
    PC_TRY(pc_stop_add_all(&a->stop, local->chat->stops));
    PC_TRY(pc_stop_add_all(&a->stop, a->request->stops));
    /* An answer stands for itself; raw text goes on, so that the blank between two words is part of
     * it. */
    bool goes_on = !local->chat->invite && !local->model->llm.info.source && said->part_count &&
                   said->parts[said->part_count - 1].length;
    pc_token_stream_init(&a->stream, local->model->tokenizer,
                         PC_DETOKENIZE_SKIP_SPECIAL | (goes_on ? PC_DETOKENIZE_CONTINUE : 0));
    return PC_OK;
}

static pc_status answer(void *self, const pc_answer_request *request, pc_answer *out)
{
    answering a = {.local = self, .request = request, .out = out};
    pc_status status;
    pc_answer_clear(out);
    PC_GO(begin(&a));
    pc_pictures_begin(&a.local->pictures);
    PC_GO(build_prompts(&a));
    PC_GO(prefill(&a));
    double start = now_ms();
    if (!stopped_by_signal(&a)) {
        PC_GO(write_answer(&a));
        PC_GO(finish_text(&a));
    }
    a.local->report.decode_ms = now_ms() - start;
done:
    pc_stop_clear(&a.stop);
    pc_str_clear(&a.piece);
    pc_str_clear(&a.ready);
    return status;
}

/* Of the log-probabilities of the newest answer's tokens. */
static double mean_log_probability(void *self)
{
    const pc_local *local = self;
    const pc_local_report *report = &local->report;
    double sum = 0;
    for (size_t i = 0; i < report->ids.count; i++) {
        sum += report->tokens[i * (size_t)(1 + local->top)].log_probability;
    }
    return report->ids.count ? sum / (double)report->ids.count : 0;
}

static pc_status answer_by_votes(void *self, const pc_answer_request *request, pc_answer *out)
{
    pc_local *local = self;
    const pc_answerer one = {.self = local, .name = local->model->path, .answer = answer, .parallel = 1};
    if (request->choices) {
        return pc_fail(PC_ERR_USAGE, "votes: given choices are judged, not drawn");
    }
    return pc_vote_answer(&local->votes, &one, request, (size_t)local->decoding.votes, mean_log_probability, local, out);
}

const pc_votes *pc_local_votes(const pc_local *local)
{
    return &local->votes;
}

pc_answerer pc_local_answerer(pc_local *local)
{
    return (pc_answerer){.self = local, .name = local->model->path,
                         .answer = local->decoding.votes > 1 ? answer_by_votes : answer, .parallel = 1};
}
