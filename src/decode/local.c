/* Decoding with a model of this process: prompt, pictures, prefill, then token by token, by beams, or among given texts.
 *
 * Easy to get wrong: the end token counts as a token of the answer, but gives no text; with several lanes the rows of the
 * prompt don't read the answer, so that a chat reads it anew.
 */
#include "base/log.h"
#include "base/signal.h"
#include "decode/local_internal.h"

#include <string.h>
#include <time.h>

enum { READ_AT_ONCE = 512 };

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

/* Every candidate of a beam that is read before one is taken has a lane; then there are two at least, for a single one is never
 * forked. */
static int64_t most_lanes(const pc_decoding *how)
{
    if (!how->method || !how->method->over_trust) {
        return how->beams;
    }
    const int64_t lanes = how->beams * how->method->over_trust(how->config)->candidates;
    return lanes > 1 ? lanes : 2;
}

/* Room in the session for what the decoding method reads. */
static void ask_session(pc_local *local, const pc_local_options *options, pc_session_options *session)
{
    const pc_decoding *how = &local->decoding;
    pc_view view = {0};
    local->lanes.most = most_lanes(how);
    local->lanes.views = how->method && how->method->view && how->method->view(how->config, &view) ? 2 : 1;
    *session = (pc_session_options){.context = options->context, .chunk = READ_AT_ONCE, .compute = options->compute,
                                    .cache = options->cache, .adapter = options->adapter};
    session->tail = how->draft ? 1 + how->draft_tokens : 1;
    session->keep_attention = how->method && how->method->over_trust;
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
    local->forgets = options->cache.window > 0;
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
    for (int i = 0; i < PC_LOCAL_VIEWS; i++) {
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

bool pc_local_stopped(pc_answering *a)
{
    if (pc_signal_pending()) {
        a->out->end = PC_ANSWER_CANCELLED;
    }
    return pc_signal_pending() != 0;
}

static pc_status build_prompts(pc_answering *a)
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

static pc_status prefill(pc_answering *a)
{
    pc_local *local = a->local;
    double start = now_ms();
    for (int64_t i = 0; i < local->lanes.views; i++) {
        PC_TRY(pc_input_see(&local->inputs[i]));
    }
    local->report.image_ms = now_ms() - start;
    a->out->media_tokens = local->inputs[0].media_tokens;
    start = now_ms();
    if (!pc_local_stopped(a)) {
        PC_TRY(pc_input_read(local->inputs, (int)local->lanes.views));
        local->report.reused = local->inputs[0].reused;
    }
    if (local->draft && !pc_local_stopped(a)) {
        PC_TRY(pc_draft_begin(local->draft, a->request));
    }
    if (!pc_local_stopped(a)) {
        pc_lanes_ready(&local->lanes);
    }
    local->report.prompt_ms = now_ms() - start;
    return PC_OK;
}

/* --- writing --- */

static void begin_lanes(pc_local *local, int64_t *lengths)
{
    for (int64_t i = 0; i < local->lanes.views; i++) {
        lengths[i] = (int64_t)local->inputs[i].prompt.ids.count;
    }
    pc_lanes_begin(&local->lanes, 1, lengths);
}

static pc_status write_answer(pc_answering *a)
{
    int64_t lengths[PC_LOCAL_VIEWS];
    pc_local *local = a->local;
    const pc_decoding *how = &local->decoding;
    const bool searches = how->beams > 1 || (how->method && how->method->over_trust);
    if (a->request->choices && local->forgets) {
        return pc_fail(PC_ERR_USAGE, "given choices are judged behind one reading of the prompt, which a window may forget");
    }
    begin_lanes(local, lengths);
    PC_TRY(a->request->choices ? pc_local_choose(a, lengths)
           : searches          ? pc_local_beams(a, lengths)
                               : pc_local_generate(a));
    a->out->completion_tokens = local->report.ids.count;
    return PC_OK;
}

static pc_status begin(pc_answering *a)
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
    pc_answering a = {.local = self, .request = request, .out = out};
    pc_status status;
    pc_answer_clear(out);
    PC_GO(begin(&a));
    pc_pictures_begin(&a.local->pictures);
    PC_GO(build_prompts(&a));
    PC_GO(prefill(&a));
    double start = now_ms();
    if (!pc_local_stopped(&a)) {
        PC_GO(write_answer(&a));
        PC_GO(pc_local_finish_text(&a));
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
