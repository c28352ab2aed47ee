/* The public API: a thin layer over model/, backend/ and decode/ that keeps one model with its session. */
#include <percept/percept.h>

#include "backend/cpu/cpu.h"
#include "decode/local.h"

#include <string.h>

_Static_assert((int)PC_PERCEPT_ERR_IO == (int)PC_ERR_IO && (int)PC_PERCEPT_ERR_MEMORY == (int)PC_ERR_MEMORY &&
                   (int)PC_PERCEPT_ERR_USAGE == (int)PC_ERR_USAGE && (int)PC_PERCEPT_ERR_DATA == (int)PC_ERR_DATA &&
                   (int)PC_PERCEPT_ERR_DIVERGED == (int)PC_ERR_DIVERGED &&
                   (int)PC_PERCEPT_ERR_INTERRUPTED == (int)PC_ERR_INTERRUPTED,
               "the public codes are those of base/status.h");

struct pc_percept {
    pc_model *model;
    pc_backend *backend;
    pc_local *local;
};

static pc_status open_model(pc_percept *p, const char *path, const pc_percept_options *options)
{
    pc_dtype compute = options->bf16 ? PC_BF16 : PC_F32;
    PC_TRY(pc_model_load(&p->model, path));
    if (options->chat_template) {
        PC_TRY(pc_template_by_name(&p->model->chat, options->chat_template));
    }
    PC_TRY(pc_cpu_backend_new(&p->backend, options->threads, 0));
    PC_TRY(pc_model_pack(p->model, p->backend, compute));
    return pc_local_new(&p->local, p->model, p->backend,
                        &(pc_local_options){.context = options->context, .compute = compute});
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
    pc_model_free(p->model);
    pc_cpu_backend_free(p->backend);
    pc_free(p);
}

static pc_status make_conversation(pc_conversation *conversation, const pc_percept_request *request)
{
    if (request->system) {
        PC_TRY(pc_conversation_say(conversation, PC_ROLE_SYSTEM, request->system));
    }
    if (!request->image_count) { /* without pictures "<image>" is text like any other */
        return pc_conversation_say(conversation, PC_ROLE_USER, request->prompt);
    }
    PC_TRY(pc_conversation_begin(conversation, PC_ROLE_USER));
    PC_TRY(pc_conversation_add_marked(conversation, request->prompt, strlen(request->prompt), PC_MARKERS_IN_PLACE));
    return pc_conversation_place_media(conversation, PC_MEDIA_IMAGE, (int)request->image_count);
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
    return PC_OK;
}

int pc_percept_answer(pc_percept *p, const pc_percept_request *request, char **out)
{
    pc_conversation conversation = {0};
    pc_answer answer = {0};
    pc_answer_media *media = NULL;
    pc_status status;
    if (out) {
        *out = NULL;
    }
    PC_TRY(p ? check_request(request) : pc_fail(PC_ERR_USAGE, "pc_percept_answer: a model is needed"));
    PC_GO(make_conversation(&conversation, request));
    PC_GO(PC_NEW_ARRAY(media, request->image_count, "pictures"));
    for (size_t i = 0; i < request->image_count; i++) {
        media[i] = (pc_answer_media){.kind = PC_MEDIA_IMAGE, .path = request->images[i]};
    }
    pc_answer_request inner = {
        .conversation = &conversation,
        .media = media,
        .media_count = request->image_count,
        .max_tokens = request->max_tokens,
        .temperature = request->temperature,
        .seed = request->seed,
        .on_text = request->on_text ? pass_text : NULL,
        .user = (void *)request,
    };
    pc_answerer answerer = pc_local_answerer(p->local);
    PC_GO(answerer.answer(answerer.self, &inner, &answer));
    if (out && !(*out = pc_strndup(answer.text.data ? answer.text.data : "", answer.text.length))) {
        status = pc_fail_memory(answer.text.length, "an answer");
    } else if (answer.end == PC_ANSWER_CANCELLED) {
        status = pc_fail(PC_ERR_INTERRUPTED, "the answer was stopped after %zu tokens", answer.completion_tokens);
    }
done:
    pc_answer_clear(&answer);
    pc_free(media);
    pc_conversation_clear(&conversation);
    return status;
}

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
