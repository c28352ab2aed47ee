/* Asking a task's questions and counting what is right.
 *
 * Flow: pc_task (questions) -> pc_answerer (answers) -> match.h -> pc_tally (counts by kind), and a
 * line of samples_<task>.jsonl for each question as soon as it is answered (samples.h).
 */
#ifndef PC_EVAL_TALLY_H
#define PC_EVAL_TALLY_H

#include "base/json.h"
#include "eval/shots.h"
#include "eval/task.h"
#include "prompt/answer.h"

typedef struct pc_tally_options {
    int64_t limit;     /* questions; 0 = the task's usual limit */
    size_t max_tokens; /* of one answer; 0 = 128 */
    double temperature; /* of drawing answers; 0 = greedy */
    /* Each picture is replaced by one of its size whose every pixel is (128, 128, 128): the prompt
     * is the same to the token, but there is nothing to see. */
    bool blank_images;
    int64_t batch;       /* questions asked side by side where the answerer can; 0 = 1. Answers don't depend on it */
    const char *system;  /* system message, or NULL */
    pc_shots *shots;     /* examples that stand before each question, or NULL */
    /* So many questions may stay without an answer (PC_ERR_IO of an endpoint, or a reply that is none): each gets a sample with
     * "failed" in place of "answer", and counts nowhere else. One more ends the run with its failure. */
    int64_t max_failures;
    /* File that gets one JSON line for each question as soon as it is answered, or NULL. Questions that it holds already
     * are counted and not asked again, so that a run that was stopped goes on; a last line without its end is cut off.
     * PC_ERR_DATA when its lines aren't those of this task. */
    const char *samples;
    pc_json *kept; /* array that gets the same objects, or NULL */
    /* Called behind each question; NULL = not wanted. */
    void (*on_sample)(void *user, int64_t asked, int64_t right);
    void *user;
} pc_tally_options;

typedef struct pc_tally_kind {
    char name[48]; /* longer names are cut */
    int64_t asked, right;
} pc_tally_kind;

enum { PC_TALLY_KINDS = 64 };

/* Plain data. */
typedef struct pc_tally {
    int64_t asked, right;
    pc_tally_kind kinds[PC_TALLY_KINDS]; /* in order of appearance; the rest counts in the total */
    int kind_count;
    int64_t cut;     /* answers that ended at max_tokens */
    int64_t failed;  /* questions without an answer; not among `asked` */
    int64_t resumed; /* questions whose answers stood in the file already */
} pc_tally;

/* Ask until the limit or the task's end. PC_ERR_INTERRUPTED when a signal came: *out then holds
 * what was counted so far. */
pc_status pc_tally_task(pc_tally *out, const pc_answerer *answerer, const pc_task *task,
                        const pc_task_options *task_options, const pc_tally_options *options);

/* right / asked, 0 when nothing was asked; and its standard error. */
double pc_tally_accuracy(int64_t right, int64_t asked);
double pc_tally_error(int64_t right, int64_t asked);
/* Wilson's (1927) 95 % interval of the accuracy. */
void pc_tally_interval(int64_t right, int64_t asked, double out[2]);

/* *out = {"accuracy", "stderr", "interval", "right", "asked", "cut", "kinds": {...}}; pc_json_free. */
pc_status pc_tally_to_json(const pc_tally *score, pc_json **out);

#endif
