#include "server/arena.h"

#ifndef PERCEPT_HAVE_MICROHTTPD

pc_status pc_arena_page_new(pc_arena_page **out, const pc_arena_options *options)
{
    (void)options;
    *out = NULL;
    return pc_fail(PC_ERR_USAGE, "this percept was built without libmicrohttpd, so it serves no pages");
}

void pc_arena_page_free(pc_arena_page *page)
{
    (void)page;
}

int pc_arena_page_port(const pc_arena_page *page)
{
    (void)page;
    return 0;
}

void pc_arena_page_counts(const pc_arena_page *page, int64_t *pairs, int64_t *voted)
{
    (void)page;
    *pairs = *voted = 0;
}

#else

#include "base/log.h"
#include "base/memory.h"
#include "base/rng.h"
#include "eval/metric/lines.h"
#include "eval/metric/metric.h"
#include "server/arena_page.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum { MOST_BODY = 4096, TOKEN_BYTES = 16 };

/* Two models' answers to one question. */
typedef struct pair {
    size_t item;
    int a, b;
    bool swapped; /* b stands on the left */
    bool voted;
} pair;

struct pc_arena_page {
    pc_arena_options options;
    struct MHD_Daemon *daemon;
    pair *pairs; /* in the order in which they are shown */
    size_t count, voted;
    int file;    /* of the votes */
    char token[2 * TOKEN_BYTES + 1];
    pc_str page;
};

/* --- pairs --- */

/* Equal answers are no pair. */
static size_t list_pairs(const pc_gallery *g, pair *out)
{
    size_t count = 0;
    for (size_t i = 0; i < g->count; i++) {
        for (int a = 0; a < g->models; a++) {
            for (int b = a + 1; b < g->models; b++) {
                if (strcmp(g->item[i].answer[a], g->item[i].answer[b]) != 0) {
                    if (out) {
                        out[count] = (pair){.item = i, .a = a, .b = b};
                    }
                    count++;
                }
            }
        }
    }
    return count;
}

static pc_status make_pairs(pc_arena_page *self)
{
    pc_rng rng;
    pc_rng_init(&rng, self->options.seed, 0);
    self->count = list_pairs(self->options.gallery, NULL);
    if (!self->count) {
        return pc_fail(PC_ERR_DATA, "all answers are alike: there is nothing to vote on");
    }
    PC_TRY(PC_NEW_ARRAY(self->pairs, self->count, "pairs of answers"));
    list_pairs(self->options.gallery, self->pairs);
    for (size_t i = self->count; i > 1; i--) {
        size_t k = pc_rng_below(&rng, i);
        pair kept = self->pairs[k];
        self->pairs[k] = self->pairs[i - 1];
        self->pairs[i - 1] = kept;
    }
    for (size_t i = 0; i < self->count; i++) {
        self->pairs[i].swapped = pc_rng_below(&rng, 2);
    }
    return PC_OK;
}

static void name_pair(const pc_arena_page *self, const pair *p, char out[256])
{
    const pc_gallery *g = self->options.gallery;
    snprintf(out, 256, "%.63s:%.90s:%.90s", g->item[p->item].id, g->name[p->a], g->name[p->b]);
}

static pc_status find_votes(pc_arena_page *self)
{
    pc_json_lines *lines = NULL;
    char id[256];
    PC_TRY(pc_json_lines_read(&lines, self->options.votes, true));
    for (size_t i = 0; i < self->count; i++) {
        name_pair(self, &self->pairs[i], id);
        self->pairs[i].voted = pc_json_lines_find(lines, id) != NULL;
        self->voted += self->pairs[i].voted;
    }
    pc_json_lines_free(lines);
    return PC_OK;
}

static pc_status open_votes(pc_arena_page *self)
{
    self->file = open(self->options.votes, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    return self->file >= 0 ? find_votes(self) : pc_fail(PC_ERR_IO, "%s: %s", self->options.votes, strerror(errno));
}

/* --- replies --- */

static enum MHD_Result reply(struct MHD_Connection *to, unsigned status, const char *type, const void *bytes, size_t size)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(size, (void *)bytes, MHD_RESPMEM_MUST_COPY);
    if (!response) {
        return MHD_NO;
    }
    MHD_add_response_header(response, "Content-Type", type);
    MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, "X-Frame-Options", "DENY");
    enum MHD_Result result = MHD_queue_response(to, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result say(struct MHD_Connection *to, unsigned status, const char *text)
{
    return reply(to, status, "text/plain; charset=utf-8", text, strlen(text));
}

/* The JSON is taken over. */
static enum MHD_Result reply_json(struct MHD_Connection *to, pc_json *json, pc_status status)
{
    pc_str text = {0};
    status = status == PC_OK ? pc_json_write(&text, json, 0) : status;
    enum MHD_Result result = status == PC_OK ? reply(to, 200, "application/json", text.data, text.length) : say(to, 500, pc_error());
    pc_json_free(json);
    pc_str_clear(&text);
    return result;
}

static pc_status tell_pair(const pc_arena_page *self, pc_json *json, size_t at)
{
    const pair *p = &self->pairs[at];
    const pc_gallery_item *item = &self->options.gallery->item[p->item];
    char image[48];
    snprintf(image, sizeof image, "/image/%zu", p->item);
    PC_TRY(pc_json_set(json, "question", pc_json_new_text(item->question)));
    PC_TRY(pc_json_set(json, "left", pc_json_new_text(item->answer[p->swapped ? p->b : p->a])));
    PC_TRY(pc_json_set(json, "right", pc_json_new_text(item->answer[p->swapped ? p->a : p->b])));
    return item->png.length ? pc_json_set(json, "image", pc_json_new_text(image)) : PC_OK;
}

static enum MHD_Result send_next(const pc_arena_page *self, struct MHD_Connection *to)
{
    pc_json *json = pc_json_new_object();
    size_t at = 0;
    for (; at < self->count && self->pairs[at].voted; at++) {
    }
    bool over = at == self->count;
    pc_status status = pc_json_set(json, "pair", pc_json_new_integer(over ? -1 : (int64_t)at));
    status = status == PC_OK ? pc_json_set(json, "pairs", pc_json_new_integer((int64_t)self->count)) : status;
    status = status == PC_OK ? pc_json_set(json, "voted", pc_json_new_integer((int64_t)self->voted)) : status;
    status = status == PC_OK && !over ? tell_pair(self, json, at) : status;
    return reply_json(to, json, status);
}

static enum MHD_Result send_image(const pc_arena_page *self, struct MHD_Connection *to, const char *number)
{
    char *end;
    unsigned long at = strtoul(number, &end, 10);
    if (*number < '0' || *number > '9' || *end || at >= self->options.gallery->count || !self->options.gallery->item[at].png.length) {
        return say(to, 404, "there is no such picture\n");
    }
    const pc_str *png = &self->options.gallery->item[at].png;
    return reply(to, 200, "image/png", png->data, png->length);
}

/* --- ratings --- */

static pc_status rate(pc_json **out, const char *name, const char *votes)
{
    const pc_metric *metric;
    pc_metric_items items = {0};
    pc_status status;
    PC_GO(pc_metric_find(&metric, name));
    PC_GO(pc_metric_read(&items, metric, votes, votes));
    PC_GO(pc_metric_score(out, metric, &items, false));
done:
    pc_metric_items_clear(&items);
    return status;
}

static pc_status tell_ratings(pc_json *json, const pc_json *elo, const pc_json *strengths)
{
    pc_json *models = pc_json_new_array();
    const pc_json *ratings = pc_json_get(strengths, "corpus");
    PC_TRY(pc_json_set(json, "models", models));
    for (void *it = ratings ? pc_json_first(ratings) : NULL; it; it = pc_json_next(ratings, it)) {
        pc_json *one = pc_json_copy(pc_json_value(it));
        PC_TRY(pc_json_push(models, one));
        PC_TRY(pc_json_set(one, "name", pc_json_new_text(pc_json_key(it))));
        PC_TRY(pc_json_set(one, "elo", pc_json_new_number(pc_json_get_number(pc_json_get(elo, "corpus"), pc_json_key(it), 0))));
    }
    return PC_OK;
}

static enum MHD_Result send_ratings(const pc_arena_page *self, struct MHD_Connection *to)
{
    pc_json *json = pc_json_new_object(), *elo = NULL, *strengths = NULL;
    pc_status status = PC_OK;
    if (self->voted) {
        status = rate(&elo, "elo", self->options.votes);
        status = status == PC_OK ? rate(&strengths, "bradley_terry", self->options.votes) : status;
    }
    status = status == PC_OK ? tell_ratings(json, elo, strengths) : status;
    pc_json_free(elo);
    pc_json_free(strengths);
    return reply_json(to, json, status);
}

/* --- votes --- */

static pc_status make_vote(const pc_arena_page *self, const pair *p, const char *vote, pc_str *line)
{
    const pc_gallery *g = self->options.gallery;
    char id[256];
    pc_json *json = pc_json_new_object();
    name_pair(self, p, id);
    const struct {
        const char *key, *text;
    } fields[] = {{"id", id}, {"question", g->item[p->item].id}, {"a", g->name[p->a]}, {"b", g->name[p->b]}, {"prediction", vote},
                  {"left", p->swapped ? "b" : "a"}};
    pc_status status = PC_OK;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        PC_GO(pc_json_set(json, fields[i].key, pc_json_new_text(fields[i].text)));
    }
    PC_GO(pc_json_write(line, json, 0));
    PC_GO(pc_str_putc(line, '\n'));
done:
    pc_json_free(json);
    return status;
}

/* One line, on the disk. */
static pc_status store(pc_arena_page *self, const pair *p, const char *vote)
{
    pc_str line = {0};
    pc_status status = make_vote(self, p, vote, &line);
    if (status == PC_OK && (write(self->file, line.data, line.length) != (ssize_t)line.length || fsync(self->file) != 0)) {
        status = pc_fail(PC_ERR_IO, "%s: %s", self->options.votes, strerror(errno));
    }
    pc_str_clear(&line);
    return status;
}

static enum MHD_Result take_vote(pc_arena_page *self, struct MHD_Connection *to, const pc_str *body)
{
    pc_json *json = NULL;
    const char *vote = NULL;
    if (!body->length || pc_json_parse(&json, body->data, body->length, "vote") != PC_OK) {
        return say(to, 400, "expected a JSON object\n");
    }
    const char *choice = pc_json_get_text(json, "choice", "");
    int64_t at = pc_json_get_integer(json, "pair", -1);
    bool token = strcmp(pc_json_get_text(json, "token", ""), self->token) == 0;
    pair *p = at >= 0 && at < (int64_t)self->count ? &self->pairs[at] : NULL;
    if (p && strcmp(choice, "tie") == 0) {
        vote = "tie";
    } else if (p && (strcmp(choice, "left") == 0 || strcmp(choice, "right") == 0)) {
        vote = (choice[0] == 'l') != p->swapped ? "a" : "b";
    }
    pc_json_free(json);
    if (!token) {
        return say(to, 403, "this vote doesn't come from the page\n");
    }
    if (!vote || p->voted) {
        return say(to, vote ? 409 : 400, vote ? "this pair has its vote\n" : "expected a pair and left, right or tie\n");
    }
    if (store(self, p, vote) != PC_OK) {
        pc_log(PC_LOG_ERROR, "%s", pc_error());
        return say(to, 500, "the vote could not be stored\n");
    }
    p->voted = true;
    self->voted++;
    return say(to, 200, "ok\n");
}

/* --- requests --- */

/* A page of another name that resolves to this machine must not reach us. */
static bool is_local(struct MHD_Connection *from)
{
    const char *host = MHD_lookup_connection_value(from, MHD_HEADER_KIND, "Host");
    size_t length = host ? strcspn(host, ":") : 0;
    return (length == 9 && (memcmp(host, "127.0.0.1", 9) == 0 || memcmp(host, "localhost", 9) == 0));
}

static enum MHD_Result answer_get(pc_arena_page *self, struct MHD_Connection *to, const char *url)
{
    if (strcmp(url, "/") == 0) {
        return reply(to, 200, "text/html; charset=utf-8", self->page.data, self->page.length);
    }
    return strcmp(url, "/next") == 0         ? send_next(self, to)
           : strcmp(url, "/ratings") == 0    ? send_ratings(self, to)
           : pc_starts_with(url, "/image/") ? send_image(self, to, url + strlen("/image/"))
                                             : say(to, 404, "there is nothing here\n");
}

static enum MHD_Result handle(void *user, struct MHD_Connection *from, const char *url, const char *method, const char *version,
                              const char *data, size_t *size, void **state)
{
    pc_arena_page *self = user;
    pc_str *body = *state;
    (void)version;
    if (!body) {
        return PC_NEW(*(pc_str **)state, "a request") == PC_OK ? MHD_YES : MHD_NO;
    }
    if (*size) {
        size_t given = *size;
        *size = 0;
        return body->length + given > MOST_BODY || pc_str_add(body, data, given) != PC_OK ? MHD_NO : MHD_YES;
    }
    if (!is_local(from)) {
        return say(from, 403, "this page is served to this machine alone\n");
    }
    if (strcmp(method, "POST") == 0) {
        return strcmp(url, "/vote") == 0 ? take_vote(self, from, body) : say(from, 404, "there is nothing here\n");
    }
    return strcmp(method, "GET") == 0 ? answer_get(self, from, url) : say(from, 405, "only GET and POST\n");
}

static void end_request(void *user, struct MHD_Connection *from, void **state, enum MHD_RequestTerminationCode why)
{
    pc_str *body = *state;
    (void)user, (void)from, (void)why;
    if (body) {
        pc_str_clear(body);
        pc_free(body);
        *state = NULL;
    }
}

/* --- the server --- */

static pc_status make_page(pc_arena_page *self)
{
    unsigned char bytes[TOKEN_BYTES];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
        return pc_fail(PC_ERR_IO, "no random bytes: %s", strerror(errno));
    }
    for (int i = 0; i < TOKEN_BYTES; i++) {
        snprintf(self->token + 2 * i, 3, "%02x", bytes[i]);
    }
    return pc_str_printf(&self->page, pc_arena_html, self->token);
}

static pc_status start(pc_arena_page *self)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)self->options.port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    self->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, handle, self, MHD_OPTION_SOCK_ADDR,
                                    (struct sockaddr *)&address, MHD_OPTION_NOTIFY_COMPLETED, end_request, NULL,
                                    MHD_OPTION_CONNECTION_LIMIT, 64u, MHD_OPTION_CONNECTION_TIMEOUT, 30u, MHD_OPTION_END);
    return self->daemon ? PC_OK : pc_fail(PC_ERR_IO, "port %d of 127.0.0.1: %s", self->options.port, strerror(errno));
}

pc_status pc_arena_page_new(pc_arena_page **out, const pc_arena_options *options)
{
    pc_arena_page *self = NULL;
    pc_status status;
    *out = NULL;
    PC_GO(PC_NEW(self, "a page"));
    self->options = *options;
    self->file = -1;
    PC_GO(make_pairs(self));
    PC_GO(open_votes(self));
    PC_GO(make_page(self));
    PC_GO(start(self));
    *out = self;
    return PC_OK;
done:
    pc_arena_page_free(self);
    return status;
}

void pc_arena_page_free(pc_arena_page *self)
{
    if (!self) {
        return;
    }
    if (self->daemon) {
        MHD_stop_daemon(self->daemon);
    }
    if (self->file >= 0) {
        close(self->file);
    }
    pc_free(self->pairs);
    pc_str_clear(&self->page);
    pc_free(self);
}

int pc_arena_page_port(const pc_arena_page *self)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(self->daemon, MHD_DAEMON_INFO_BIND_PORT);
    return info ? info->port : 0;
}

void pc_arena_page_counts(const pc_arena_page *self, int64_t *pairs, int64_t *voted)
{
    *pairs = (int64_t)self->count;
    *voted = (int64_t)self->voted;
}

#endif
