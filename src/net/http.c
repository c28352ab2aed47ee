#include "net/http.h"

#include "base/memory.h"
#include "base/signal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void pc_http_reply_clear(pc_http_reply *reply)
{
    pc_str_clear(&reply->body);
    *reply = (pc_http_reply){.retry_after_s = -1};
}

#ifdef PERCEPT_HAVE_CURL

#include <curl/curl.h>

static const double USUAL_TIMEOUT_S = 600;
enum { USUAL_LARGEST = 64 << 20, CONNECT_TIMEOUT_S = 30 };

struct pc_http {
    CURL *curl;
    pc_http_options options;
    char error[CURL_ERROR_SIZE];
};

/* One transfer. */
typedef struct transfer {
    pc_http *http;
    pc_http_reply *out;
    bool too_large, no_memory;
} transfer;

pc_status pc_http_new(pc_http **out, const pc_http_options *options)
{
    pc_http *self = NULL;
    *out = NULL;
    PC_TRY(PC_NEW(self, "an HTTP client"));
    self->options = options ? *options : (pc_http_options){0};
    self->options.timeout_s = self->options.timeout_s > 0 ? self->options.timeout_s : USUAL_TIMEOUT_S;
    self->options.largest = self->options.largest ? self->options.largest : USUAL_LARGEST;
    self->curl = curl_easy_init();
    if (!self->curl) {
        pc_free(self);
        return pc_fail_memory(0, "an HTTP client");
    }
    *out = self;
    return PC_OK;
}

void pc_http_free(pc_http *self)
{
    if (self) {
        curl_easy_cleanup(self->curl);
        pc_free(self);
    }
}

static size_t take_body(char *bytes, size_t size, size_t count, void *user)
{
    transfer *t = user;
    size_t length = size * count;
    if (length > t->http->options.largest - t->out->body.length) {
        t->too_large = true;
        return 0;
    }
    t->no_memory = pc_str_add(&t->out->body, bytes, length) != PC_OK;
    return t->no_memory ? 0 : length;
}

static size_t take_header(char *bytes, size_t size, size_t count, void *user)
{
    static const char name[] = "retry-after:";
    transfer *t = user;
    size_t length = size * count;
    char value[32] = "";
    if (length > sizeof name && strncasecmp(bytes, name, sizeof name - 1) == 0) {
        size_t rest = length - (sizeof name - 1);
        memcpy(value, bytes + sizeof name - 1, rest < sizeof value - 1 ? rest : sizeof value - 1);
        char *end;
        double seconds = strtod(value, &end); /* a date is not read */
        t->out->retry_after_s = end != value && seconds >= 0 ? seconds : -1;
    }
    return length;
}

static int is_over(void *user, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)user, (void)a, (void)b, (void)c, (void)d;
    return pc_signal_pending() != 0;
}

/* "http://host:80/v1" -> "host:80", without what may stand before an "@". */
static void name_host(char host[128], const char *url)
{
    const char *start = strstr(url, "://");
    start = start ? start + 3 : url;
    size_t length = strcspn(start, "/?#");
    for (size_t i = 0; i < length; i++) {
        if (start[i] == '@') {
            start += i + 1;
            length -= i + 1;
            i = 0;
        }
    }
    length = length < 127 ? length : 127;
    memcpy(host, start, length);
    host[length] = 0;
}

static bool append(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    *list = longer ? longer : *list;
    return longer != NULL;
}

static pc_status make_headers(struct curl_slist **out, const pc_http_request *request)
{
    pc_str bearer = {0};
    pc_status status = request->bearer ? pc_str_printf(&bearer, "Authorization: Bearer %s", request->bearer) : PC_OK;
    *out = NULL;
    if (status == PC_OK && !(append(out, "Content-Type: application/json") && append(out, "Accept: application/json") &&
                             append(out, "Expect:") && (!request->bearer || append(out, bearer.data)))) {
        status = pc_fail_memory(0, "headers");
    }
    pc_str_clear(&bearer);
    return status;
}

static void set_up(pc_http *self, transfer *t, const pc_http_request *request, struct curl_slist *headers)
{
    CURL *curl = self->curl;
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, request->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(1000 * self->options.timeout_s));
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "percept/" PERCEPT_VERSION);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, self->error);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, is_over);
    if (request->body) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->length);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
    }
}

/* What a failed transfer means to the caller. */
static pc_status explain(const pc_http *self, const transfer *t, CURLcode code, const char *url)
{
    char host[128];
    name_host(host, url);
    t->out->may_retry = code == CURLE_COULDNT_CONNECT || code == CURLE_OPERATION_TIMEDOUT || code == CURLE_GOT_NOTHING ||
                        code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR || code == CURLE_PARTIAL_FILE;
    if (t->no_memory) {
        return pc_fail_memory(t->out->body.length, "a reply");
    }
    if (t->too_large) {
        return pc_fail(PC_ERR_IO, "%s: the reply is larger than %zu bytes", host, self->options.largest);
    }
    if (code == CURLE_ABORTED_BY_CALLBACK) {
        return pc_fail(PC_ERR_INTERRUPTED, "stopped while waiting for %s", host);
    }
    if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_URL_MALFORMAT) {
        return pc_fail(PC_ERR_USAGE, "'%s' is no http or https address", host);
    }
    return pc_fail(PC_ERR_IO, "%s: %s", host, self->error[0] ? self->error : curl_easy_strerror(code));
}

pc_status pc_http_send(pc_http *self, const pc_http_request *request, pc_http_reply *out)
{
    struct curl_slist *headers;
    transfer t = {.http = self, .out = out};
    pc_http_reply_clear(out);
    self->error[0] = 0;
    pc_status status = make_headers(&headers, request);
    if (status == PC_OK) {
        set_up(self, &t, request, headers);
        CURLcode code = curl_easy_perform(self->curl);
        status = code == CURLE_OK ? PC_OK : explain(self, &t, code, request->url);
        if (code == CURLE_OK) {
            curl_easy_getinfo(self->curl, CURLINFO_RESPONSE_CODE, &out->status);
        }
    }
    curl_slist_free_all(headers);
    return status;
}

#else

pc_status pc_http_new(pc_http **out, const pc_http_options *options)
{
    (void)options;
    *out = NULL;
    return pc_fail(PC_ERR_USAGE, "this percept was built without libcurl, so it can't ask endpoints");
}

void pc_http_free(pc_http *self)
{
    (void)self;
}

pc_status pc_http_send(pc_http *self, const pc_http_request *request, pc_http_reply *out)
{
    (void)self, (void)request, (void)out;
    return pc_fail(PC_ERR_USAGE, "this percept was built without libcurl");
}

#endif
