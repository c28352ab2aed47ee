/* Plain decoding: prompt, pictures, prefill, then token by token.
 *
 *   read so far   a b c [picture 1] d e f g
 *   new prompt    a b c [picture 1] d x y
 *                 `--- stays ------'  `--- read now, behind a rewind
 *
 * Easy to get wrong: the logits belong to the last token read, so at least one token of a
 * prompt is always read anew; a placeholder's id doesn't tell which picture stands there, so
 * the comparison goes by the picture's serial number and row; the end token counts as a token
 * of the answer, but gives no text.
 */
#include "decode/local.h"

#include "base/log.h"
#include "base/signal.h"
#include "decode/pictures.h"
#include "decode/stop.h"
#include "model/tiles.h"
#include "prompt/prompt.h"

#include <string.h>
#include <time.h>

/* Tokens of a prompt between two looks at the signal flag. */
enum { READ_AT_ONCE = 512 };

/* What stands at one position of the session. */
typedef struct read_token {
    int32_t id;
    int32_t row;      /* of the picture's soft tokens */
    uint64_t picture; /* serial; 0 = a text token */
} read_token;

struct pc_local {
    const pc_model *model;
    const pc_template *chat;
    pc_session *session;
    pc_pictures pictures;
    pc_sampling sampling;
    double temperature;
    float *logits;      /* [V], the samplers' copy */
    read_token *read;   /* [context]: what the session holds, behind it what it shall read */
    const float **soft; /* [context] */
    int32_t *positions; /* [context,A] */
    pc_ids end_ids;     /* ids at which an answer ends */
    pc_prompt prompt;
    pc_ids history;     /* prompt and answer, for the samplers */
    pc_local_report report;
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

static pc_status add_end_ids(pc_local *local)
{
    const pc_model *model = local->model;
    const pc_json *source = model->generation ? model->generation : model->config;
    const pc_json *eos = pc_json_get(source, "eos_token_id");
    PC_TRY(pc_prompt_stop_ids(model->tokenizer, local->chat, &local->end_ids));
    if (pc_json_is_integer(eos)) {
        PC_TRY(pc_ids_push(&local->end_ids, (int32_t)pc_json_integer(eos, -1)));
    }
    for (size_t i = 0; i < pc_json_length(eos); i++) {
        PC_TRY(pc_ids_push(&local->end_ids, (int32_t)pc_json_integer(pc_json_at(eos, i), -1)));
    }
    /* Who continues raw text and begins another document has ended this one (llama2.c stops there,
     * too). */
    return local->chat->invite ? PC_OK
                               : pc_ids_push(&local->end_ids,
                                             pc_tokenizer_special(model->tokenizer, PC_TOKEN_BOS));
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

static pc_status allocate(pc_local *local)
{
    size_t context = (size_t)pc_session_context(local->session);
    size_t vocabulary = (size_t)local->model->llm.info.vocabulary;
    PC_TRY(PC_NEW_ARRAY(local->logits, vocabulary, "logits"));
    PC_TRY(PC_NEW_ARRAY(local->read, context, "an answerer"));
    PC_TRY(PC_NEW_ARRAY(local->soft, context, "an answerer"));
    PC_TRY(PC_NEW_ARRAY(local->positions, context * (size_t)local->model->llm.info.axes, "an answerer"));
    return pc_sampling_init(&local->sampling, vocabulary);
}

pc_status pc_local_new(pc_local **out, const pc_model *model, const pc_backend *backend,
                       const pc_local_options *options)
{
    pc_local *local = NULL;
    pc_session_options session = {.context = options->context, .chunk = READ_AT_ONCE,
                                  .compute = options->compute, .adapter = options->adapter};
    *out = NULL;
    if (!model->tokenizer) {
        return pc_fail(PC_ERR_DATA, "%s: there is no tokenizer beside the weights", model->path);
    }
    PC_TRY(PC_NEW(local, "an answerer"));
    local->model = model;
    pc_status status;
    PC_GO(choose_template(local));
    PC_GO(pc_session_new(&local->session, model, backend, &session));
    PC_GO(allocate(local));
    PC_GO(add_end_ids(local));
    set_sampling(local);
    local->pictures.session = local->session;
    local->pictures.model = model;
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
    pc_free(local->logits);
    pc_free(local->read);
    pc_free(local->soft);
    pc_free(local->positions);
    pc_ids_clear(&local->end_ids);
    pc_ids_clear(&local->history);
    pc_ids_clear(&local->report.prompt);
    pc_ids_clear(&local->report.ids);
    pc_prompt_clear(&local->prompt);
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

const pc_local_report *pc_local_last(const pc_local *local)
{
    return &local->report;
}

/* --- prompt --- */

/* The i-th medium of a kind, or NULL. */
static const pc_answer_media *find_media(const pc_answer_request *request, pc_media_kind kind,
                                         int index)
{
    for (size_t i = 0; i < request->media_count; i++) {
        if (request->media[i].kind == kind && index-- == 0) {
            return &request->media[i];
        }
    }
    return NULL;
}

/* pc_slot_tokens of an answer: a picture whose tokens depend on its size is encoded now. */
static pc_status slot_tokens(void *user, pc_media_kind kind, int index, size_t *out)
{
    answering *a = user;
    const pc_answer_media *media = find_media(a->request, kind, index);
    const pc_picture *picture;
    if (kind != PC_MEDIA_IMAGE || !media || !pc_model_pictures_vary(a->local->model)) {
        return pc_model_slot_tokens((void *)a->local->model, kind, index, out);
    }
    PC_TRY(pc_pictures_get(&a->local->pictures, media, &picture));
    *out = (size_t)picture->tokens;
    return PC_OK;
}

static pc_status build_prompt(answering *a)
{
    pc_local *local = a->local;
    const pc_model *model = local->model;
    size_t context = (size_t)pc_session_context(local->session);
    pc_prompt_options options = {.invite = true};
    pc_model_prompt(model, NULL, &options);
    options.slot_tokens = slot_tokens;
    options.user = a;
    if (a->request->media_count && !model->connector.type) {
        return pc_fail(PC_ERR_DATA, "%s: this model takes no pictures", model->path);
    }
    PC_TRY(pc_prompt_build(&local->prompt, model->tokenizer, local->chat, a->request->conversation,
                           &options));
    if (!local->prompt.ids.count) {
        options.bos = PC_PROMPT_BOS_YES; /* empty text: the beginning itself is the prompt */
        PC_TRY(pc_prompt_build(&local->prompt, model->tokenizer, local->chat,
                               a->request->conversation, &options));
    }
    if (local->prompt.ids.count > context) {
        return pc_fail(PC_ERR_DATA,
                       "the prompt has %zu tokens, the context holds %zu (raise it with -c)",
                       local->prompt.ids.count, context);
    }
    for (size_t i = 0; i < local->prompt.slot_count; i++) {
        const pc_slot *slot = &local->prompt.slots[i];
        if (!find_media(a->request, slot->kind, slot->index)) {
            return pc_fail(PC_ERR_DATA, "the prompt speaks of %s %d, %zu given",
                           pc_media_kind_name(slot->kind),
                           slot->index + 1, a->request->media_count);
        }
    }
    a->out->prompt_tokens = local->prompt.ids.count;
    PC_TRY(pc_ids_add(&local->report.prompt, local->prompt.ids.data, local->prompt.ids.count));
    return pc_ids_add(&local->history, local->prompt.ids.data, local->prompt.ids.count);
}

/* --- reading --- */

/* Put a slot's soft tokens at their positions of `wanted`. */
static pc_status see_slot(answering *a, const pc_slot *slot, read_token *wanted)
{
    pc_local *local = a->local;
    const pc_picture *picture;
    size_t width = (size_t)local->model->llm.info.width;
    PC_TRY(pc_pictures_get(&local->pictures, find_media(a->request, slot->kind, slot->index),
                           &picture));
    for (size_t i = 0; i < slot->count; i++) {
        wanted[slot->first + i].picture = picture->serial;
        wanted[slot->first + i].row = (int32_t)i;
        local->soft[slot->first + i] = picture->soft + i * width;
    }
    a->out->media_tokens += slot->count;
    return PC_OK;
}

static bool same_token(const read_token *a, const read_token *b)
{
    return a->picture == b->picture && a->row == b->row && (a->picture || a->id == b->id);
}

static bool stopped_by_signal(answering *a)
{
    if (pc_signal_pending()) {
        a->out->end = PC_ANSWER_CANCELLED;
    }
    return pc_signal_pending() != 0;
}

/* Bring the session to the whole prompt; `wanted` [prompt] says what stands where. */
static pc_status read_prompt(answering *a, const read_token *wanted)
{
    pc_local *local = a->local;
    size_t count = local->prompt.ids.count, same = 0;
    size_t have = (size_t)pc_session_length(local->session), axes = (size_t)local->model->llm.info.axes;
    while (same < have && same + 1 < count && same_token(&local->read[same], &wanted[same])) {
        same++;
    }
    if (!pc_session_expect(local->session, (int64_t)count)) {
        same = 0;
    }
    pc_session_rewind(local->session, (int64_t)same);
    memcpy(local->read, wanted, count * sizeof *wanted);
    local->report.reused = same;
    for (size_t at = same; at < count && !stopped_by_signal(a);) {
        size_t now = count - at < READ_AT_ONCE ? count - at : READ_AT_ONCE;
        PC_TRY(pc_session_read_at(local->session, local->prompt.ids.data + at, local->soft + at,
                                  local->positions + at * axes, (int64_t)now));
        at += now;
    }
    return PC_OK;
}

/* Positions of the prompt's tokens, its pictures in the order of their slots. */
static pc_status place_prompt(answering *a)
{
    pc_local *local = a->local;
    const pc_prompt *prompt = &local->prompt;
    const pc_picture *picture;
    pc_image_tiling *tilings = NULL;
    pc_status status;
    PC_GO(PC_NEW_ARRAY(tilings, prompt->slot_count + 1, "pictures"));
    for (size_t i = 0; i < prompt->slot_count; i++) {
        const pc_slot *slot = &prompt->slots[i];
        PC_GO(pc_pictures_get(&local->pictures, find_media(a->request, slot->kind, slot->index), &picture));
        tilings[i] = picture->tiling;
    }
    pc_model_positions(local->model, prompt->ids.data, (int64_t)prompt->ids.count, tilings, (int64_t)prompt->slot_count,
                       local->positions);
done:
    pc_free(tilings);
    return status;
}

static pc_status prefill(answering *a)
{
    pc_local *local = a->local;
    size_t count = local->prompt.ids.count;
    read_token *wanted = NULL;
    double start = now_ms();
    pc_status status;
    PC_GO(PC_NEW_ARRAY(wanted, count, "a prompt"));
    for (size_t i = 0; i < count; i++) {
        wanted[i].id = local->prompt.ids.data[i];
        local->soft[i] = NULL;
    }
    for (size_t i = 0; i < local->prompt.slot_count && !stopped_by_signal(a); i++) {
        PC_GO(see_slot(a, &local->prompt.slots[i], wanted));
    }
    local->report.image_ms = now_ms() - start;
    start = now_ms();
    if (!stopped_by_signal(a)) {
        PC_GO(place_prompt(a));
        PC_GO(read_prompt(a, wanted));
    }
    local->report.prompt_ms = now_ms() - start;
done:
    pc_free(wanted);
    return status;
}

/* --- writing --- */

static bool is_end(const pc_local *local, int32_t id)
{
    for (size_t i = 0; i < local->end_ids.count; i++) {
        if (local->end_ids.data[i] == id) {
            return true;
        }
    }
    return false;
}

static pc_status next_id(pc_local *local, int32_t *id)
{
    memcpy(local->logits, pc_session_logits(local->session),
           local->sampling.vocabulary * sizeof(float));
    PC_TRY(pc_sampling_next(&local->sampling, local->logits, local->history.data,
                            local->history.count, id));
    PC_TRY(pc_ids_push(&local->report.ids, *id));
    return pc_ids_push(&local->history, *id);
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

/* Let the session read the newest id, so that the next one has its logits. */
static pc_status read_on(pc_local *local, int32_t id)
{
    local->read[pc_session_length(local->session)] = (read_token){.id = id};
    return pc_session_read(local->session, &id, NULL, 1);
}

static pc_status generate(answering *a)
{
    pc_local *local = a->local;
    size_t most = a->request->max_tokens;
    for (bool end = false; !end && !stopped_by_signal(a);) {
        int32_t id;
        PC_TRY(next_id(local, &id));
        if (is_end(local, id)) {
            a->out->end = PC_ANSWER_STOP;
            break;
        }
        a->out->end = PC_ANSWER_LENGTH; /* unless the text or a signal says otherwise */
        PC_TRY(say(a, id, &end));
        if (end || local->report.ids.count == most ||
            pc_session_length(local->session) == pc_session_context(local->session)) {
            break;
        }
        PC_TRY(read_on(local, id));
    }
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
    local->report.image_ms = local->report.prompt_ms = local->report.decode_ms = 0;
    local->sampling.seed = a->request->seed;
    local->sampling.position = 0;
    PC_TRY(pc_sampling_set(&local->sampling, "temperature", a->request->temperature));
    PC_TRY(pc_stop_add_all(&a->stop, local->chat->stops));
    PC_TRY(pc_stop_add_all(&a->stop, a->request->stops));
    /* An answer stands for itself; raw text goes on, so that the blank between two words is part of
     * it. */
    bool goes_on = !local->chat->invite && said->part_count &&
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
    PC_GO(build_prompt(&a));
    PC_GO(prefill(&a));
    double start = now_ms();
    if (!stopped_by_signal(&a)) {
        PC_GO(generate(&a));
        PC_GO(finish_text(&a));
    }
    a.local->report.decode_ms = now_ms() - start;
done:
    pc_stop_clear(&a.stop);
    pc_str_clear(&a.piece);
    pc_str_clear(&a.ready);
    return status;
}

pc_answerer pc_local_answerer(pc_local *local)
{
    return (pc_answerer){.self = local, .name = local->model->path, .answer = answer,
                         .parallel = 1};
}
