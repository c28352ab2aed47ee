/* An answerer that decodes with a model of this process.
 *
 * Flow: request -> input.h (ids, soft tokens, rows of the session) -> lanes.h (logits, the method's scores) -> samplers,
 * beams or given texts -> ids -> UTF-8 -> stop texts -> answer.
 *
 * What the session has read stays: a request whose prompt begins as the one before (a chat with
 * its history, another question about the same picture) reads only what is new. Answers don't
 * depend on that, nor on the number of threads.
 */
#ifndef PC_DECODE_LOCAL_H
#define PC_DECODE_LOCAL_H

#include "decode/decoding.h"
#include "decode/sampler.h"
#include "decode/vote.h"
#include "model/session.h"
#include "prompt/answer.h"
#include "text/ids.h"

typedef struct pc_local pc_local;

typedef struct pc_local_options {
    int64_t context;  /* tokens that the cache holds; 0 = the model's context, at most 4096 */
    pc_dtype compute; /* PC_F32 or PC_BF16 */
    pc_cache_options cache;
    const pc_decoding *decoding; /* lives as long as the answerer; NULL = one sequence of the model's own logits */
    bool probabilities; /* the report tells the log-probability of each token */
    int64_t top;        /* and so many likeliest others */
    const pc_adapter *adapter; /* borrowed; NULL = the weights alone. Several answerers, each with its own, share a model */
} pc_local_options;

/* model and backend are borrowed. The chat template is the model's; a text model that brings
 * none continues raw text behind BOS. PC_ERR_DATA without a tokenizer, and when the chat
 * template is not known (the message tells --template).
 *
 * The samplers are set as generation_config.json says; the temperature is 0 (greedy) unless it
 * says do_sample. */
pc_status pc_local_new(pc_local **out, const pc_model *model, const pc_backend *backend,
                       const pc_local_options *options);
void pc_local_free(pc_local *local);

/* Borrows `local`; its release function does nothing. */
pc_answerer pc_local_answerer(pc_local *local);

/* The temperature that the checkpoint asks for: what a request should carry when nobody chooses. */
double pc_local_temperature(const pc_local *local);
/* Samplers other than the temperature are set here (pc_sampling_set) and hold for all requests. */
pc_sampling *pc_local_sampling(pc_local *local);
const pc_template *pc_local_template(const pc_local *local);

/* *features (pc_free) [*width] = the mean of the soft tokens of one picture: what the model's own encoder and connector make of it. */
pc_status pc_local_see(pc_local *local, const pc_answer_media *media, float **features, size_t *width);

/* Natural logarithm, of the scores before the samplers (with beams: behind the penalties). */
typedef struct pc_token_probability {
    int32_t id; /* -1: none */
    double log_probability;
} pc_token_probability;

typedef struct pc_choice_probability {
    const char *text; /* the request's */
    double log_probability; /* of its tokens together, the end of the answer included */
    size_t tokens;
} pc_choice_probability;

/* What the newest answer was made of; borrowed until the next request. */
typedef struct pc_local_report {
    pc_ids prompt; /* placeholders stand once for each soft token */
    pc_ids ids;    /* new tokens, the end token included */
    pc_token_probability *tokens; /* [ids, 1 + top] with `probabilities`: each new token, then the likeliest by falling probability */
    pc_choice_probability *choices; /* of a request with choices, in its order */
    size_t choice_count;
    size_t reused; /* tokens of the prompt that the session had read before */
    double image_ms, prompt_ms, decode_ms;
} pc_local_report;
const pc_local_report *pc_local_last(const pc_local *local);
/* With pc_decoding.votes above 1: what the chains of the newest answer ended with. */
const pc_votes *pc_local_votes(const pc_local *local);

#endif
