/* HTTP requests to servers that the user names: endpoints of other models.
 *
 * Flow: URL, headers, body -> libcurl -> status and body of the reply. Only http and https, redirects are not followed, TLS
 * certificates are checked. A pending signal ends a transfer. Built without libcurl, pc_http_new fails.
 */
#ifndef PC_NET_HTTP_H
#define PC_NET_HTTP_H

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct pc_http pc_http; /* keeps its connection; not thread safe */

typedef struct pc_http_options {
    double timeout_s;   /* of a whole request; 0 = 600 */
    size_t largest;     /* bytes of a reply's body; 0 = 64 MiB */
} pc_http_options;

typedef struct pc_http_request {
    const char *url;
    const char *bearer; /* sent as "Authorization: Bearer ..."; NULL = none */
    const char *body;   /* JSON to be posted; NULL = GET */
    size_t length;
} pc_http_request;

/* Initialise with {0}; release with pc_http_reply_clear. */
typedef struct pc_http_reply {
    long status;        /* 200, 404, ...; 0 when no reply came */
    pc_str body;
    double retry_after_s; /* what the server asks to wait; negative: it doesn't say */
    bool may_retry;     /* after a failure without a reply: whether the same request may succeed later */
} pc_http_reply;

/* PC_ERR_USAGE when percept was built without libcurl. options NULL = default. */
pc_status pc_http_new(pc_http **out, const pc_http_options *options);
void pc_http_free(pc_http *http); /* NULL is fine */

/* *out is overwritten. PC_OK also for a reply that tells a failure (status 500, for example). PC_ERR_IO when no reply came: the
 * message names the host's part of the address, never a key; PC_ERR_INTERRUPTED when a signal came; PC_ERR_USAGE for an address
 * that is not http or https. */
pc_status pc_http_send(pc_http *http, const pc_http_request *request, pc_http_reply *out);
void pc_http_reply_clear(pc_http_reply *reply);

#endif
