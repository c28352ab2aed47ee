/* "Media and question -> text": the one interface behind which a model, a remote endpoint or an
 * agent answers.
 *
 * Implemented by plain decoding and by the endpoint client (decode/) and by agent/; used by
 * benchmarks, judges, self-instruction and tools that turn media into text, which see nothing else.
 */
#ifndef PC_PROMPT_ANSWER_H
#define PC_PROMPT_ANSWER_H

#include "base/str.h"
#include "prompt/conversation.h"

#include <stdbool.h>
#include <stdint.h>

struct pc_image; /* media/image.h */

/* One medium that the conversation's parts refer to. Either decoded pixels or a file. */
typedef struct pc_answer_media {
    pc_media_kind kind;
    const struct pc_image *image; /* borrowed; NULL: read `path` */
    const char *path;
} pc_answer_media;

typedef struct pc_answer_request {
    const pc_conversation *conversation; /* ends with the message to be answered */
    /* in order; the i-th of a kind is what parts of that kind and index i refer to */
    const pc_answer_media *media;
    size_t media_count;
    size_t max_tokens;        /* most new tokens; 0 = as many as the context holds */
    double temperature;       /* 0 = greedy */
    uint64_t seed;            /* of sampling; equal requests with equal seeds give equal answers */
    /* further texts that end the answer, not part of it; NULL-terminated, or NULL */
    const char *const *stops;
    /* The answer is the likeliest of these texts, NULL-terminated; NULL = any text. */
    const char *const *choices;
    bool open_choices; /* the choices are judged as beginnings: that the answer ends there is no part of their probability */
    /* Called with each piece of text when it is certain; false stops the answer. NULL = not wanted.
     */
    bool (*on_text)(void *user, const char *text, size_t length);
    void *user;
} pc_answer_request;

typedef enum pc_answer_end {
    PC_ANSWER_STOP,      /* an end token or a stop text: "stop" */
    PC_ANSWER_LENGTH,    /* max_tokens or the context: "length" */
    PC_ANSWER_CANCELLED, /* on_text said so, or a signal: "cancelled" */
} pc_answer_end;

/* How likely one of a request's choices is. */
typedef struct pc_answer_choice {
    double log_probability; /* natural, of its tokens together, with the end of the answer unless open_choices */
    size_t tokens;
} pc_answer_choice;

/* Initialise with {0}; release with pc_answer_clear. */
typedef struct pc_answer {
    pc_str text; /* UTF-8 */
    pc_answer_end end;
    size_t prompt_tokens;     /* soft tokens included */
    size_t media_tokens;      /* the soft tokens among them */
    size_t completion_tokens; /* new tokens, the end token included */
    pc_str steps; /* what was said on the way to the answer; empty when nothing was */
    pc_answer_choice *choices; /* of the request's choices, in its order; NULL when the answerer can't tell */
} pc_answer;

void pc_answer_clear(pc_answer *answer);
const char *pc_answer_end_name(pc_answer_end end); /* as OpenAI's finish_reason spells it */

/* Whoever answers fills this in; `self` is its own data. */
typedef struct pc_answerer {
    void *self;
    const char *name; /* for records: the model's directory or the endpoint's address */
    /* *out is overwritten. Not thread safe for one answerer unless `parallel` is above 1. */
    pc_status (*answer)(void *self, const pc_answer_request *request, pc_answer *out);
    int parallel;              /* how many requests may run at once */
    /* The same for `count` requests, at most `most`, side by side; each answer is the one it would get alone. A failure is that of
     * one of them and leaves all without an answer. NULL: one after the other. */
    pc_status (*answer_many)(void *self, const pc_answer_request *requests, pc_answer *outs, size_t count);
    size_t most;
    void (*release)(void *self); /* may be NULL */
} pc_answerer;

#endif
