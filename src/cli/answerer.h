/* Who answers a command's questions: a model of this machine, or one behind an OpenAI-compatible address. */
#ifndef PC_CLI_ANSWERER_H
#define PC_CLI_ANSWERER_H

#include "cli/cache.h"
#include "cli/inputs.h"
#include "decode/batch.h"
#include "decode/endpoint.h"
#include "decode/local.h"
#include "model/fingerprint.h"

/* Borrowed texts, NULL when not given. */
typedef struct pc_cli_answerer_options {
    const char *name;      /* a model's folder or file; with base_url, the name that the endpoint knows it by */
    const char *base_url;  /* of an endpoint; NULL = a local model */
    const char *key_env;   /* environment variable that holds the endpoint's key */
    int64_t tries;         /* of a call of an endpoint; 0 = 6 */
    double calls_a_minute; /* 0 = as many as go */
    const char *dtype, *template_name, *adapter, *decoding, *mmproj, *visual_tokens;
    pc_cli_cache cache;
    int64_t threads, context, batch; /* batch: requests side by side; 0 = 1 */
    bool pin;
} pc_cli_answerer_options;

/* {0} is closed. */
typedef struct pc_cli_answerer {
    pc_answerer answerer;
    pc_cli_model opened;     /* {0} for an endpoint */
    pc_cache_options cache;
    pc_local *local;         /* NULL for an endpoint */
    pc_batch *batch;         /* over `local`; NULL = one after the other */
    pc_endpoint *endpoint;   /* NULL for a local model */
    pc_decoding decoding;
    pc_fingerprint fingerprint; /* empty for an endpoint */
    char stamp[65];          /* of the model's files; "" for an endpoint */
    char model[512];         /* the model's path, or its name at the endpoint */
    const char *template_name; /* of the chat template; "" for an endpoint, which has its own */
} pc_cli_answerer;

/* PC_ERR_USAGE for options that an endpoint can't heed, and for a key's variable that is not set. pc_cli_answerer_close also after
 * a failure. */
pc_status pc_cli_answerer_open(pc_cli_answerer *out, const pc_cli_answerer_options *options);
void pc_cli_answerer_close(pc_cli_answerer *answerer);

#endif
