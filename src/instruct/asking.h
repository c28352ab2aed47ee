/* A job of many requests to a model, that can be stopped and taken up again: self-instruction, translation, judging.
 *
 *   request i -> answerer (a model here or an endpoint) -> verdict -> journal (journal.h), then at the end: journal -> rows
 *
 * A reply is good, or it is kept apart: refused, malformed (with the reason), cut by max_tokens, or the call failed. Tokens are counted
 * for all of them. Requests and their order are a pure function of the job: a run that was stopped asks what is missing.
 */
#ifndef PC_INSTRUCT_ASKING_H
#define PC_INSTRUCT_ASKING_H

#include "base/json.h"
#include "instruct/journal.h"
#include "prompt/answer.h"

enum { PC_ASK_PICTURES = 8, PC_ASK_REASON = 160, PC_ASK_BATCH = 64 };

typedef enum pc_verdict {
    PC_VERDICT_GOOD,
    PC_VERDICT_REFUSED,
    PC_VERDICT_MALFORMED,
    PC_VERDICT_CUT,
    PC_VERDICT_FAILED,  /* no reply came */
    PC_VERDICT_NOTHING, /* there was nothing to ask; no reply */
    PC_VERDICTS,
} pc_verdict;
const char *pc_verdict_name(pc_verdict verdict);

/* One request in the making. Initialise with {0}; release with pc_ask_clear. */
typedef struct pc_ask {
    pc_conversation conversation;
    pc_answer_media media[PC_ASK_PICTURES]; /* paths are its own */
    size_t media_count;
    const char *const *choices; /* borrowed; NULL = any text */
    bool nothing;               /* this number has nothing to ask */
} pc_ask;
void pc_ask_clear(pc_ask *ask);
/* A picture's file, folder/name, that the next media part shows. PC_ERR_DATA when it is not there. */
pc_status pc_ask_add_picture(pc_ask *ask, const char *folder, const char *name);

/* What is found in a reply. */
typedef struct pc_reply_check {
    pc_verdict verdict;
    char reason[PC_ASK_REASON]; /* of a verdict that is not good */
    pc_str kept;                /* what the journal keeps in place of the reply's text; empty = the text */
} pc_reply_check;

typedef struct pc_job {
    int64_t requests;
    const pc_json *settings; /* all that the replies depend on, by name */
    pc_status (*make)(void *self, int64_t request, pc_ask *out);
    /* The verdict on an answer, which is whole (not cut). */
    pc_status (*read)(void *self, int64_t request, const pc_answer *answer, pc_reply_check *out);
    void *self;
} pc_job;

typedef struct pc_asking_counts {
    int64_t done, resumed;          /* requests; resumed: of them, found in the journal */
    int64_t verdicts[PC_VERDICTS];
    int64_t again;                  /* requests that were asked again because a reply was not good */
    int64_t prompt_tokens, completion_tokens;
} pc_asking_counts;

typedef struct pc_asking_options {
    const pc_answerer *answerer;
    const char *folder;   /* of the journal, replies.jsonl; made when it is missing */
    int64_t max_tokens;   /* of a reply; 0 = as many as the context holds */
    double temperature;
    uint64_t seed;
    int64_t batch;        /* requests side by side, at most PC_ASK_BATCH and what the answerer can; 0 = 1 */
    int64_t attempts;     /* at a reply that is good, with other draws each time; 0 = 1 */
    int64_t max_failures; /* calls that may fail before the run stops */
    int64_t budget;       /* tokens of requests and replies together, after which the run stops; 0 = any number */
    void (*progress)(void *user, const pc_asking_counts *counts, int64_t all); /* NULL = not wanted */
    int (*stop)(void *user);                                                   /* NULL = never */
    void *user;
} pc_asking_options;

/* Ask what is missing. *journal stays open for pc_journal_read; close it also after a failure. PC_ERR_INTERRUPTED when stopped or when
 * the budget is used up: the same call goes on. */
pc_status pc_asking_run(pc_journal *journal, const pc_job *job, const pc_asking_options *options, pc_asking_counts *counts);

#endif
