/* The client's side of OpenAI's chat completions.
 *
 * Easy to get wrong: some servers want "max_completion_tokens", all that run models themselves take "max_tokens"; content is a
 * plain text where there is no picture, since some servers know only that; an answer without text is a failure, not "".
 */
#include "decode/endpoint.h"

#include "base/base64.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/signal.h"
#include "media/decode.h"
#include "net/http.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const double USUAL_WAIT_S = 1, MOST_WAIT_S = 60;
enum { USUAL_TRIES = 6 };

struct pc_endpoint {
    char *url, *model, *key, *name;
    pc_endpoint_options options;
    struct line *lines; /* [parallel]; the first serves single calls */
    int64_t parallel;
    pthread_mutex_t lock; /* of what follows */
    bool locked;          /* the lock was made */
    double next_call_s;   /* when the next one may begin */
    pc_endpoint_counts counts;
};

/* A connection, and what a thread does with it. */
typedef struct line {
    pc_endpoint *endpoint;
    pc_http *http;
    pc_http_reply reply;
    const pc_answer_request *request;
    pc_answer *out;
    pc_status status;
    char failure[512];
} line;

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* PC_ERR_INTERRUPTED when a signal comes meanwhile. */
static pc_status wait_for(double seconds)
{
    double until = now_s() + seconds;
    for (double left; !pc_signal_pending() && (left = until - now_s()) > 0;) {
        double step = left < 0.1 ? left : 0.1;
        struct timespec pause = {.tv_nsec = (long)(step * 1e9)};
        nanosleep(&pause, NULL);
    }
    return pc_signal_pending() ? pc_fail(PC_ERR_INTERRUPTED, "stopped while waiting for an endpoint") : PC_OK;
}

/* --- making --- */

static pc_status copy_options(pc_endpoint *self, const pc_endpoint_options *options)
{
    size_t length = strlen(options->base_url);
    pc_str url = {0};
    while (length && options->base_url[length - 1] == '/') {
        length--;
    }
    self->options = *options;
    self->options.tries = options->tries > 0 ? options->tries : USUAL_TRIES;
    self->options.wait_s = options->wait_s > 0 ? options->wait_s : USUAL_WAIT_S;
    PC_TRY(pc_str_printf(&url, "%.*s/chat/completions", (int)length, options->base_url));
    self->url = url.data;
    self->model = pc_strdup(options->model);
    self->key = options->key ? pc_strdup(options->key) : NULL;
    self->name = pc_strdup(options->base_url);
    return self->model && self->name && (self->key || !options->key) ? PC_OK : pc_fail_memory(0, "an endpoint");
}

static pc_status make_lines(pc_endpoint *self)
{
    int64_t most = self->options.parallel;
    self->locked = pthread_mutex_init(&self->lock, NULL) == 0;
    most = most < 1 ? 1 : most < PC_ENDPOINT_PARALLEL ? most : PC_ENDPOINT_PARALLEL;
    PC_TRY(self->locked ? PC_OK : pc_fail_memory(0, "a lock"));
    PC_TRY(PC_NEW_ARRAY(self->lines, (size_t)most, "connections"));
    for (; self->parallel < most; self->parallel++) {
        line *l = &self->lines[self->parallel];
        l->endpoint = self;
        PC_TRY(pc_http_new(&l->http, &(pc_http_options){.timeout_s = self->options.timeout_s}));
    }
    return PC_OK;
}

pc_status pc_endpoint_new(pc_endpoint **out, const pc_endpoint_options *options)
{
    pc_endpoint *self = NULL;
    pc_status status;
    *out = NULL;
    if (!pc_starts_with(options->base_url, "http://") && !pc_starts_with(options->base_url, "https://")) {
        return pc_fail(PC_ERR_USAGE, "'%.200s' is no address of an endpoint: http://HOST/v1 or https://HOST/v1", options->base_url);
    }
    size_t host = strcspn(strstr(options->base_url, "://") + 3, "/?#");
    if (memchr(strstr(options->base_url, "://") + 3, '@', host)) {
        return pc_fail(PC_ERR_USAGE, "an endpoint's address holds no name or password: it is written into results");
    }
    PC_GO(PC_NEW(self, "an endpoint"));
    PC_GO(copy_options(self, options));
    PC_GO(make_lines(self));
    *out = self;
    return PC_OK;
done:
    pc_endpoint_free(self);
    return status;
}

void pc_endpoint_free(pc_endpoint *self)
{
    if (self) {
        for (int64_t i = 0; i < self->parallel; i++) {
            pc_http_free(self->lines[i].http);
            pc_http_reply_clear(&self->lines[i].reply);
        }
        pc_free(self->lines);
        if (self->locked) {
            pthread_mutex_destroy(&self->lock);
        }
        pc_free(self->url);
        pc_free(self->model);
        pc_free(self->name);
        if (self->key) {
            explicit_bzero(self->key, strlen(self->key));
        }
        pc_free(self->key);
        pc_free(self);
    }
}

/* --- messages --- */

/* A picture as its file has it where all endpoints read that, else as PNG. */
static pc_status picture_bytes(pc_str *bytes, const char **type, const pc_answer_media *media)
{
    static const struct {
        const char *magic, *type;
        size_t length;
    } kinds[] = {{"\xFF\xD8\xFF", "image/jpeg", 3}, {"\x89PNG", "image/png", 4}};
    pc_map map;
    pc_image *image = NULL;
    *type = "image/png";
    if (media->image) {
        return pc_image_encode_png(media->image, bytes);
    }
    PC_TRY(pc_map_open(&map, media->path));
    pc_status status = PC_OK;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && !bytes->length && status == PC_OK; i++) {
        if (map.size > kinds[i].length && memcmp(map.data, kinds[i].magic, kinds[i].length) == 0) {
            *type = kinds[i].type;
            status = pc_str_add(bytes, (const char *)map.data, map.size);
        }
    }
    pc_map_close(&map);
    if (status == PC_OK && !bytes->length) {
        PC_TRY(pc_image_load(&image, media->path, NULL));
        status = pc_image_encode_png(image, bytes);
        pc_image_free(image);
    }
    return status;
}

static pc_status add_picture(pc_json *content, const pc_answer_media *media)
{
    pc_str bytes = {0}, url = {0};
    const char *type;
    pc_json *part = pc_json_new_object(), *image = pc_json_new_object();
    pc_status status = pc_json_set(part, "type", pc_json_new_text("image_url"));
    if (status != PC_OK) {
        pc_json_free(image);
        goto done;
    }
    PC_GO(pc_json_set(part, "image_url", image));
    PC_GO(picture_bytes(&bytes, &type, media));
    PC_GO(pc_str_printf(&url, "data:%s;base64,", type));
    PC_GO(pc_base64_encode(&url, bytes.data, bytes.length));
    PC_GO(pc_json_set(image, "url", pc_json_new_text_n(url.data, url.length)));
    pc_json *given = part;
    part = NULL;
    status = pc_json_push(content, given);
done:
    pc_json_free(part);
    pc_str_clear(&bytes);
    pc_str_clear(&url);
    return status;
}

static pc_status add_text(pc_json *content, const pc_part *text)
{
    pc_json *part = pc_json_new_object();
    pc_status status = pc_json_push(content, part);
    PC_TRY(status);
    PC_TRY(pc_json_set(part, "type", pc_json_new_text("text")));
    return pc_json_set(part, "text", pc_json_new_text_n(text->text, text->length));
}

static pc_status add_parts(pc_json *content, const pc_message *message, const pc_answer_request *request)
{
    for (size_t i = message->first; i < message->first + message->count; i++) {
        const pc_part *part = &request->conversation->parts[i];
        if (part->text) {
            PC_TRY(add_text(content, part));
            continue;
        }
        int index = part->index;
        size_t m = 0;
        for (; m < request->media_count && !(request->media[m].kind == part->kind && index-- == 0); m++) {
        }
        if (part->kind != PC_MEDIA_IMAGE || m == request->media_count) {
            return pc_fail(PC_ERR_USAGE, "an endpoint is asked about pictures that are given, not about %s %d",
                           pc_media_kind_name(part->kind), part->index + 1);
        }
        PC_TRY(add_picture(content, &request->media[m]));
    }
    return PC_OK;
}

static pc_status plain_text(pc_json *out, const pc_message *message, const pc_conversation *said)
{
    pc_str text = {0};
    pc_status status;
    PC_GO(pc_str_puts(&text, ""));
    for (size_t i = message->first; i < message->first + message->count; i++) {
        PC_GO(pc_str_add(&text, said->parts[i].text, said->parts[i].length));
    }
    PC_GO(pc_json_set(out, "content", pc_json_new_text_n(text.data, text.length)));
done:
    pc_str_clear(&text);
    return status;
}

static pc_status add_message(pc_json *messages, const pc_message *message, const pc_answer_request *request)
{
    bool pictured = false;
    pc_json *out = pc_json_new_object(), *content;
    PC_TRY(pc_json_push(messages, out));
    PC_TRY(pc_json_set(out, "role", pc_json_new_text(pc_role_name(message->role))));
    for (size_t i = message->first; i < message->first + message->count; i++) {
        pictured = pictured || !request->conversation->parts[i].text;
    }
    if (!pictured) {
        return plain_text(out, message, request->conversation);
    }
    PC_TRY(pc_json_set(out, "content", content = pc_json_new_array()));
    return add_parts(content, message, request);
}

static pc_status make_body(const pc_endpoint *self, const pc_answer_request *request, pc_str *out)
{
    pc_json *json = pc_json_new_object(), *messages, *stops;
    pc_status status;
    PC_GO(pc_json_set(json, "model", pc_json_new_text(self->model)));
    PC_GO(pc_json_set(json, "messages", messages = pc_json_new_array()));
    for (size_t i = 0; i < request->conversation->count; i++) {
        PC_GO(add_message(messages, &request->conversation->messages[i], request));
    }
    PC_GO(pc_json_set(json, "temperature", pc_json_new_number(request->temperature)));
    PC_GO(request->max_tokens ? pc_json_set(json, "max_tokens", pc_json_new_integer((int64_t)request->max_tokens)) : PC_OK);
    PC_GO(request->temperature > 0 ? pc_json_set(json, "seed", pc_json_new_integer((int64_t)(request->seed & INT32_MAX))) : PC_OK);
    if (request->stops && request->stops[0]) {
        PC_GO(pc_json_set(json, "stop", stops = pc_json_new_array()));
        for (size_t i = 0; request->stops[i]; i++) {
            PC_GO(pc_json_push(stops, pc_json_new_text(request->stops[i])));
        }
    }
    PC_GO(pc_json_write(out, json, 0));
done:
    pc_json_free(json);
    return status;
}

/* --- calls --- */

static bool may_help(long status)
{
    return status == 408 || status == 409 || status == 429 || status >= 500;
}

/* What the endpoint says of its refusal. */
static pc_status refuse(const line *l, int64_t tries)
{
    const pc_endpoint *self = l->endpoint;
    pc_json *json = NULL;
    const char *body = l->reply.body.data ? l->reply.body.data : "", *said = NULL;
    if (l->reply.body.length && pc_json_parse(&json, body, l->reply.body.length, "reply") == PC_OK) {
        const pc_json *error = pc_json_get(json, "error");
        said = pc_json_is_string(error) ? pc_json_text(error) : pc_json_get_text(error, "message", NULL);
    }
    pc_status status = pc_fail(PC_ERR_IO, "%s: status %ld after %lld %s: %.300s", self->name, l->reply.status, (long long)tries,
                               tries == 1 ? "try" : "tries", said ? said : body);
    pc_json_free(json);
    return status;
}

static pc_status keep_pace(pc_endpoint *self)
{
    double pause = self->options.calls_a_minute > 0 ? 60 / self->options.calls_a_minute : 0;
    pthread_mutex_lock(&self->lock);
    double now = now_s(), begin = self->next_call_s > now ? self->next_call_s : now;
    self->next_call_s = begin + pause;
    self->counts.calls++;
    pthread_mutex_unlock(&self->lock);
    return begin > now ? wait_for(begin - now) : PC_OK;
}

static pc_status call(line *l, const pc_str *body)
{
    pc_endpoint *self = l->endpoint;
    double wait = self->options.wait_s;
    pc_http_request request = {.url = self->url, .bearer = self->key, .body = body->data, .length = body->length};
    for (int64_t tries = 1;; tries++) {
        PC_TRY(keep_pace(self));
        pc_status status = pc_http_send(l->http, &request, &l->reply);
        if (status == PC_OK && l->reply.status == 200) {
            return PC_OK;
        }
        bool again = status == PC_OK ? may_help(l->reply.status) : status == PC_ERR_IO && l->reply.may_retry;
        if (!again || tries == self->options.tries) {
            return status == PC_OK ? refuse(l, tries) : status;
        }
        double asked = l->reply.retry_after_s, pause = asked >= 0 ? asked : wait;
        pause = pause < MOST_WAIT_S ? pause : MOST_WAIT_S;
        pc_log(PC_LOG_INFO, "%s: status %ld; trying again in %.1f s", self->name, l->reply.status, pause);
        pthread_mutex_lock(&self->lock);
        self->counts.retries++;
        pthread_mutex_unlock(&self->lock);
        PC_TRY(wait_for(pause));
        wait *= 2;
    }
}

/* Some servers give a list of parts in place of a text. */
static pc_status take_content(pc_str *out, const pc_json *content)
{
    PC_TRY(pc_str_puts(out, ""));
    if (pc_json_is_string(content)) {
        return pc_str_add(out, pc_json_text(content), pc_json_text_length(content));
    }
    for (size_t i = 0; i < pc_json_length(content); i++) {
        PC_TRY(pc_str_puts(out, pc_json_get_text(pc_json_at(content, i), "text", "")));
    }
    return PC_OK;
}

static pc_status read_reply(const line *l, pc_answer *out)
{
    const pc_endpoint *self = l->endpoint;
    pc_json *json = NULL;
    const char *body = l->reply.body.data ? l->reply.body.data : "";
    pc_status status;
    PC_GO(pc_json_parse(&json, body, l->reply.body.length, self->name));
    const pc_json *choice = pc_json_at(pc_json_get(json, "choices"), 0), *usage = pc_json_get(json, "usage");
    const pc_json *content = pc_json_get(pc_json_get(choice, "message"), "content");
    if (!pc_json_is_string(content) && !pc_json_is_array(content)) {
        status = pc_fail(PC_ERR_DATA, "%s: the reply has no choices[0].message.content: %.200s", self->name, body);
        goto done;
    }
    PC_GO(take_content(&out->text, content));
    const char *end = pc_json_get_text(choice, "finish_reason", "stop");
    out->end = strcmp(end, "length") == 0 ? PC_ANSWER_LENGTH : PC_ANSWER_STOP;
    out->prompt_tokens = (size_t)pc_json_get_integer(usage, "prompt_tokens", 0);
    out->completion_tokens = (size_t)pc_json_get_integer(usage, "completion_tokens", 0);
done:
    pc_json_free(json);
    return status;
}

static pc_status answer_by(line *l, const pc_answer_request *request, pc_answer *out)
{
    pc_endpoint *self = l->endpoint;
    pc_str body = {0};
    pc_status status;
    pc_answer_clear(out);
    if (request->choices) {
        return pc_fail(PC_ERR_USAGE, "%s: an endpoint tells no likelihood of given texts; this needs a local model", self->name);
    }
    PC_GO(make_body(self, request, &body));
    PC_GO(call(l, &body));
    PC_GO(read_reply(l, out));
    if (request->on_text && out->text.length && !request->on_text(request->user, out->text.data, out->text.length)) {
        out->end = PC_ANSWER_CANCELLED;
    }
done:
    pc_str_clear(&body);
    return status;
}

static pc_status answer(void *user, const pc_answer_request *request, pc_answer *out)
{
    return answer_by(&((pc_endpoint *)user)->lines[0], request, out);
}

/* Messages belong to their thread. */
static void *run_line(void *user)
{
    line *l = user;
    l->status = answer_by(l, l->request, l->out);
    if (l->status != PC_OK) {
        snprintf(l->failure, sizeof l->failure, "%s", pc_error());
    }
    return NULL;
}

static pc_status answer_many(void *user, const pc_answer_request *requests, pc_answer *outs, size_t count)
{
    pc_endpoint *self = user;
    pthread_t threads[PC_ENDPOINT_PARALLEL];
    size_t begun = 0;
    for (size_t i = 0; i < count; i++) {
        self->lines[i].request = &requests[i];
        self->lines[i].out = &outs[i];
    }
    while (begun < count && pthread_create(&threads[begun], NULL, run_line, &self->lines[begun]) == 0) {
        begun++;
    }
    for (size_t i = 0; i < begun; i++) {
        pthread_join(threads[i], NULL);
    }
    for (size_t i = begun; i < count; i++) { /* no more threads are to be had */
        run_line(&self->lines[i]);
    }
    for (size_t i = 0; i < count; i++) {
        const line *l = &self->lines[i];
        if (l->status != PC_OK) {
            return pc_fail(l->status, "%s", l->failure);
        }
    }
    return PC_OK;
}

pc_answerer pc_endpoint_answerer(pc_endpoint *self)
{
    pc_answerer out = {.self = self, .name = self->name, .answer = answer, .parallel = 1};
    if (self->parallel > 1) {
        out.answer_many = answer_many;
        out.most = (size_t)self->parallel;
    }
    return out;
}

pc_endpoint_counts pc_endpoint_counts_of(const pc_endpoint *self)
{
    return self->counts;
}
