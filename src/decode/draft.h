/* Drafts for speculative decoding: guesses at the next tokens, which the model then judges in one run.
 *
 * An answer doesn't depend on its drafts: every token is drawn from the model's own scores, and what was read ahead on a wrong
 * guess is taken back (Leviathan et al. 2022, arXiv:2211.17192, in the form that holds for every sampler). A draft is a
 * descriptor with two functions beside making and freeing; draft.c lists them.
 */
#ifndef PC_DECODE_DRAFT_H
#define PC_DECODE_DRAFT_H

#include "model/model.h"
#include "prompt/answer.h"
#include "text/ids.h"

typedef struct pc_draft pc_draft;

typedef struct pc_draft_setup {
    const char *kind;        /* "ngram", or the folder of a model of the same vocabulary */
    const pc_model *model;   /* that is drafted for; borrowed, as the backend */
    const pc_backend *backend;
    pc_dtype compute;
    int64_t context;         /* tokens of prompt and answer */
    int64_t most;            /* tokens of a draft */
} pc_draft_setup;

/* PC_ERR_DATA when a draft model has another vocabulary. */
pc_status pc_draft_new(pc_draft **out, const pc_draft_setup *setup);
void pc_draft_free(pc_draft *draft);

/* A new answer to this request begins. */
pc_status pc_draft_begin(pc_draft *draft, const pc_answer_request *request);
/* Guess what follows history [prompt + answer], of which the last `answer` ids are the answer's; *count <= most ids. */
pc_status pc_draft_guess(pc_draft *draft, const pc_ids *history, size_t answer, size_t most, int32_t *out, size_t *count);

/* One way to guess, behind pc_draft. */
typedef struct pc_draft_type {
    pc_status (*make)(void **self, const pc_draft_setup *setup);
    void (*release)(void *self);
    pc_status (*begin)(void *self, const pc_answer_request *request);
    pc_status (*guess)(void *self, const pc_ids *history, size_t answer, size_t most, int32_t *out, size_t *count);
} pc_draft_type;

#endif
