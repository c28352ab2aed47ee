/* The public API: a thin layer over model/, backend/ and decode/ that keeps one model with its session. */
#include <percept/percept.h>

#include "backend/cpu/cpu.h"
#include "decode/local.h"
#include "media/decode.h"
#include "model/adapter.h"
#include "model/packed.h"

#include <stdio.h>
#include <string.h>

_Static_assert((int)PC_PERCEPT_ERR_IO == (int)PC_ERR_IO && (int)PC_PERCEPT_ERR_MEMORY == (int)PC_ERR_MEMORY &&
                   (int)PC_PERCEPT_ERR_USAGE == (int)PC_ERR_USAGE && (int)PC_PERCEPT_ERR_DATA == (int)PC_ERR_DATA &&
                   (int)PC_PERCEPT_ERR_DIVERGED == (int)PC_ERR_DIVERGED &&
                   (int)PC_PERCEPT_ERR_INTERRUPTED == (int)PC_ERR_INTERRUPTED,
               "the public codes are those of base/status.h");

struct pc_percept {
    pc_model *model;
    pc_backend *backend;
    pc_packed *packed;
    pc_adapter *adapter;
    pc_local *local;
    pc_percept_usage last;
};

static pc_status read_cache(pc_cache_options *out, const pc_percept_options *options, pc_dtype compute)
{
    out->typed = true;
    out->window = options->window;
    out->sinks = options->sinks == 0 ? PC_CACHE_SINKS : options->sinks < 0 ? 0 : options->sinks;
    PC_TRY(pc_cache_type_read(&out->keys, "pc_percept_load: cache_type_k", options->cache_type_k, compute));
    return pc_cache_type_read(&out->values, "pc_percept_load: cache_type_v", options->cache_type_v, compute);
}

static pc_status open_model(pc_percept *p, const char *path, const pc_percept_options *options)
{
    pc_dtype compute = options->bf16 ? PC_BF16 : PC_F32;
    PC_TRY(pc_model_load(&p->model, path));
    if (options->chat_template) {
        PC_TRY(pc_template_by_name(&p->model->chat, options->chat_template));
    }
    PC_TRY(pc_cpu_backend_new(&p->backend, options->threads, 0));
    PC_TRY(pc_packed_lay_out(&p->packed, p->model, p->backend, compute));
    if (options->adapter) {
        PC_TRY(pc_adapter_load(&p->adapter, p->model, options->adapter));
    }
    pc_local_options local = {.context = options->context, .compute = compute, .adapter = p->adapter};
    PC_TRY(read_cache(&local.cache, options, compute));
    return pc_local_new(&p->local, p->model, p->backend, &local);
}

int pc_percept_load(pc_percept **out, const char *path, const pc_percept_options *options)
{
    static const pc_percept_options standard;
    pc_percept *p = NULL;
    if (!out || !path) {
        return pc_fail(PC_ERR_USAGE, "pc_percept_load: out and path are needed");
    }
    *out = NULL;
    options = options ? options : &standard;
    if (options->threads < 0 || options->context < 0) {
        return pc_fail(PC_ERR_USAGE, "pc_percept_load: threads and context are 0 or more");
    }
    PC_TRY(PC_NEW(p, "a model's handle"));
    pc_status status = open_model(p, path, options);
    if (status != PC_OK) {
        pc_percept_free(p);
        return status;
    }
    *out = p;
    return PC_OK;
}

void pc_percept_free(pc_percept *p)
{
    if (!p) {
        return;
    }
    pc_local_free(p->local);
    pc_adapter_free(p->adapter);
    pc_model_free(p->model);
    pc_packed_free(p->packed);
    pc_cpu_backend_free(p->backend);
    pc_free(p);
}

int pc_percept_set(pc_percept *p, const char *name, double value)
{
    if (!p || !name) {
        return pc_fail(PC_ERR_USAGE, "pc_percept_set: a model and a name are needed");
    }
    return pc_sampling_set(pc_local_sampling(p->local), name, value);
}

/* --- requests --- */

/* What an answer is asked with; release with clear_asked. */
typedef struct asked {
    pc_conversation conversation;
    pc_answer_media *media; /* [images] */
    pc_image **decoded;     /* [images], NULL where a file is read later */
    size_t images;
} asked;

static void clear_asked(asked *a)
{
    for (size_t i = 0; i < a->images && a->decoded; i++) {
        pc_image_free(a->decoded[i]);
    }
    pc_free(a->decoded);
    pc_free(a->media);
    pc_conversation_clear(&a->conversation);
}

/* Without pictures "<image>" is text like any other. */
static pc_status say(asked *a, pc_role role, const char *text)
{
    if (role != PC_ROLE_USER || !a->images) {
        return pc_conversation_say(&a->conversation, role, text);
    }
    PC_TRY(pc_conversation_begin(&a->conversation, role));
    return pc_conversation_add_marked(&a->conversation, text, strlen(text), PC_MARKERS_IN_PLACE);
}

static pc_status make_conversation(asked *a, const pc_percept_request *request)
{
    if (request->system) {
        PC_TRY(say(a, PC_ROLE_SYSTEM, request->system));
    }
    for (size_t i = 0; i < request->message_count; i++) {
        const pc_percept_message *message = request->messages + i;
        pc_role role;
        if (!message->role || !message->text) {
            return pc_fail(PC_ERR_USAGE, "pc_percept_answer: message %zu needs a role and a text", i);
        }
        PC_TRY(pc_role_parse(&role, message->role));
        PC_TRY(say(a, role, message->text));
    }
    PC_TRY(say(a, PC_ROLE_USER, request->prompt));
    return a->images ? pc_conversation_place_media(&a->conversation, PC_MEDIA_IMAGE, (int)a->images) : PC_OK;
}

static pc_status copy_pixels(pc_image **out, const pc_percept_image *image, size_t index)
{
    if (!image->rgb || image->width < 1 || image->height < 1) {
        return pc_fail(PC_ERR_USAGE, "pc_percept_answer: image %zu has neither path nor bytes nor pixels", index);
    }
    PC_TRY(pc_image_new(out, image->width, image->height));
    memcpy((*out)->pixels, image->rgb, 3 * (size_t)image->width * (size_t)image->height);
    return PC_OK;
}

static pc_status take_image(asked *a, const pc_percept_image *image, size_t index)
{
    char where[64];
    snprintf(where, sizeof where, "image %zu of the request", index);
    a->media[index] = (pc_answer_media){.kind = PC_MEDIA_IMAGE, .path = image->path};
    if (image->path) {
        return PC_OK;
    }
    if (image->bytes) {
        PC_TRY(pc_image_decode(&a->decoded[index], image->bytes, image->size, NULL, where));
    } else {
        PC_TRY(copy_pixels(&a->decoded[index], image, index));
    }
    a->media[index].image = a->decoded[index];
    return PC_OK;
}

static pc_status take_images(asked *a, const pc_percept_request *request)
{
    PC_TRY(PC_NEW_ARRAY(a->media, request->image_count, "pictures"));
    PC_TRY(PC_NEW_ARRAY(a->decoded, request->image_count, "pictures"));
    a->images = request->image_count;
    for (size_t i = 0; i < a->images; i++) {
        PC_TRY(take_image(a, request->images + i, i));
    }
    return PC_OK;
}

/* The caller's function returns an int. */
static bool pass_text(void *user, const char *text, size_t length)
{
    const pc_percept_request *request = user;
    return request->on_text(request->user, text, length) != 0;
}

static pc_status check_request(const pc_percept_request *request)
{
    enum { IMAGES_MAX = 1 << 16 };
    if (!request || !request->prompt) {
        return pc_fail(PC_ERR_USAGE, "pc_percept_answer: a request with a prompt is needed");
    }
    if (request->image_count > IMAGES_MAX || (request->image_count && !request->images)) {
        return pc_fail(PC_ERR_USAGE, "pc_percept_answer: image_count is %zu; images must hold as many, at most %d",
                       request->image_count, IMAGES_MAX);
    }
    return request->message_count && !request->messages
               ? pc_fail(PC_ERR_USAGE, "pc_percept_answer: messages must hold message_count of them")
               : PC_OK;
}

static void keep_usage(pc_percept *p, const pc_answer *answer)
{
    const pc_local_report *report = pc_local_last(p->local);
    p->last = (pc_percept_usage){
        .finish_reason = pc_answer_end_name(answer->end),
        .prompt_tokens = answer->prompt_tokens,
        .image_tokens = answer->media_tokens,
        .completion_tokens = answer->completion_tokens,
        .image_ms = report->image_ms,
        .prompt_ms = report->prompt_ms,
        .decode_ms = report->decode_ms,
    };
}

int pc_percept_answer(pc_percept *p, const pc_percept_request *request, char **out)
{
    asked a = {0};
    pc_answer answer = {0};
    pc_status status;
    if (out) {
        *out = NULL;
    }
    PC_TRY(p ? check_request(request) : pc_fail(PC_ERR_USAGE, "pc_percept_answer: a model is needed"));
    PC_GO(take_images(&a, request));
    PC_GO(make_conversation(&a, request));
    pc_answer_request inner = {
        .conversation = &a.conversation,
        .media = a.media,
        .media_count = a.images,
        .max_tokens = request->max_tokens,
        .temperature = request->temperature,
        .seed = request->seed,
        .stops = request->stops,
        .choices = request->choices,
        .on_text = request->on_text ? pass_text : NULL,
        .user = (void *)request,
    };
    pc_answerer answerer = pc_local_answerer(p->local);
    PC_GO(answerer.answer(answerer.self, &inner, &answer));
    keep_usage(p, &answer);
    if (out && !(*out = pc_strndup(answer.text.data ? answer.text.data : "", answer.text.length))) {
        status = pc_fail_memory(answer.text.length, "an answer");
    } else if (answer.end == PC_ANSWER_CANCELLED) {
        status = pc_fail(PC_ERR_INTERRUPTED, "the answer was stopped after %zu tokens", answer.completion_tokens);
    }
done:
    pc_answer_clear(&answer);
    clear_asked(&a);
    return status;
}

pc_percept_usage pc_percept_last(const pc_percept *p)
{
    return p ? p->last : (pc_percept_usage){0};
}

/* --- tokens --- */

int pc_percept_tokenize(const pc_percept *p, const char *text, size_t length, int32_t **out, size_t *count)
{
    pc_ids ids = {0};
    if (!p || (!text && length) || !out || !count) {
        return pc_fail(PC_ERR_USAGE, "pc_percept_tokenize: a model, a text, ids and count are needed");
    }
    *out = NULL;
    *count = 0;
    pc_status status = pc_tokenizer_encode(p->model->tokenizer, text ? text : "", length, 0, &ids);
    if (status == PC_OK && !ids.data) { /* no ids: the caller still gets memory to release */
        status = PC_NEW_ARRAY(ids.data, 1, "token ids");
    }
    if (status != PC_OK) {
        pc_ids_clear(&ids);
        return status;
    }
    *out = ids.data;
    *count = ids.count;
    return PC_OK;
}

int pc_percept_detokenize(const pc_percept *p, const int32_t *ids, size_t count, char **out)
{
    pc_str text = {0};
    if (!p || (!ids && count) || !out) {
        return pc_fail(PC_ERR_USAGE, "pc_percept_detokenize: a model, ids and a place for the text are needed");
    }
    *out = NULL;
    pc_status status = pc_str_puts(&text, "");
    if (status == PC_OK) {
        status = pc_tokenizer_decode(p->model->tokenizer, ids, count, 0, &text);
    }
    if (status != PC_OK) {
        pc_str_clear(&text);
        return status;
    }
    *out = text.data;
    return PC_OK;
}

void pc_percept_release(void *memory)
{
    pc_free(memory);
}

const char *pc_percept_error(void)
{
    return pc_error();
}

const char *pc_percept_version(void)
{
    return PERCEPT_VERSION;
}
