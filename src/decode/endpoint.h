/* An answerer that asks a model behind an OpenAI-compatible address: POST BASE/chat/completions.
 *
 * Flow: request -> messages with pictures as data: URLs -> net/http -> the first choice's text. A call that fails is tried again
 * where that can help (no connection, 408, 409, 429, 5xx), each time after twice the wait or what Retry-After says; then it is a
 * failure, never an answer.
 */
#ifndef PC_DECODE_ENDPOINT_H
#define PC_DECODE_ENDPOINT_H

#include "prompt/answer.h"

enum { PC_ENDPOINT_PARALLEL = 64 };

typedef struct pc_endpoint pc_endpoint;

typedef struct pc_endpoint_options {
    const char *base_url;  /* "http://127.0.0.1:8000/v1"; a trailing slash is fine */
    const char *model;     /* as the endpoint names it */
    const char *key;       /* sent as a bearer token; NULL = none. Copied; never printed */
    int64_t tries;         /* of one call; 0 = 6 */
    double wait_s;         /* before the second try; 0 = 1. Never more than a minute */
    double timeout_s;      /* of one call; 0 = 600 */
    double calls_a_minute; /* at most; 0 = as many as go */
    int64_t parallel;      /* calls at once, by answer_many; 0 = 1, at most PC_ENDPOINT_PARALLEL */
} pc_endpoint_options;

/* PC_ERR_USAGE when the address is no http or https address or holds a password, or percept was built without libcurl. */
pc_status pc_endpoint_new(pc_endpoint **out, const pc_endpoint_options *options);
void pc_endpoint_free(pc_endpoint *endpoint); /* NULL is fine */

/* Borrows `endpoint`. Its failures: PC_ERR_IO when no answer came or the endpoint refused (the message has the status and what the
 * endpoint says), PC_ERR_DATA for a reply that is none, PC_ERR_USAGE for a request with choices or video or audio. */
pc_answerer pc_endpoint_answerer(pc_endpoint *endpoint);

typedef struct pc_endpoint_counts {
    int64_t calls, retries;
} pc_endpoint_counts;
pc_endpoint_counts pc_endpoint_counts_of(const pc_endpoint *endpoint);

#endif
