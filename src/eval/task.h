/* A benchmark task: questions about pictures with their true answers. One file in eval/ and one
 * line in list.h for each.
 *
 * Flow: pc_task_find ("scenes", a file, a folder) -> pc_task_open -> pc_task_next, again and again
 * -> tally.h asks an answerer and counts.
 */
#ifndef PC_EVAL_TASK_H
#define PC_EVAL_TASK_H

#include "base/dtype.h"
#include "base/json.h"
#include "base/status.h"
#include "media/image.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pc_task_options {
    const char *path; /* the file or folder; NULL for a task that draws its questions itself */
    const char *data; /* what --data says, for a task whose path is not its data; or NULL */
    uint64_t seed;    /* of drawn questions */
    int64_t limit;    /* for tasks that measure: the most they look at; 0 = all */
} pc_task_options;

struct pc_model;   /* model/model.h */
struct pc_backend; /* tensor/backend.h */
struct pc_cache_options; /* model/cache_options.h */

/* A model itself, for what can't be asked through an answerer; borrowed. */
typedef struct pc_task_subject {
    const struct pc_model *model;
    const struct pc_backend *backend;
    int64_t context; /* tokens that fit in memory; 0 = the model's */
    pc_dtype compute;
    const struct pc_cache_options *cache;
} pc_task_subject;

/* One question; everything is borrowed and lives until the next one. */
typedef struct pc_task_question {
    char id[64];           /* the same in every run */
    const char *kind;      /* accuracy is told for each kind; "" = none */
    const char *question;
    const char *answer;    /* the truth */
    const char *path;      /* the picture's file, or NULL */
    const pc_json *choices; /* array of texts of which the likeliest is the answer; NULL = any text */
    const pc_json *fields; /* object whose members go into the sample, for the metric; or NULL */
    const pc_image *image; /* the picture itself, or NULL; neither: a question without picture */
} pc_task_question;

/* What one task file says of itself. */
typedef struct pc_task_about {
    char name[64], version[64];
    char metric[32]; /* of metric/list.h, whose values stand beside the accuracy; "" = none */
    char metric_data[512]; /* path of what the metric knows beside; "" = none */
    int64_t usual_limit;
} pc_task_about;

typedef struct pc_task {
    const char *name;
    const char *help;    /* one line */
    const char *version; /* goes into the results: equal versions ask the same */
    const char *metric;  /* of metric/list.h, whose values stand beside the accuracy; NULL = none */
    int64_t usual_limit; /* questions when nobody says how many; 0 = all there are */
    /* True when `path` is the task's file or folder; NULL = it needs none. */
    bool (*matches)(const char *path);
    /* For tasks of which every file has its own name, version and metric; NULL = those above. */
    pc_status (*describe)(pc_task_about *out, const char *path);
    pc_status (*open)(void **state, const pc_task_options *options);
    /* *have = false behind the last one. */
    pc_status (*next)(void *state, pc_task_question *out, bool *have);
    /* Is the answer right? NULL: when it is the truth (prompt/match.h). */
    pc_status (*judge)(const char *answer, const char *truth, bool *right);
    void (*close)(void *state);
    /* In place of open, next and close: look into the model and say what was found (pc_json_free). */
    pc_status (*measure)(pc_json **out, const pc_task_options *options,
                         const pc_task_subject *subject);
} pc_task;

/* The task that a word of --tasks means: a name, a path, or NAME:PATH. *path points into `word`,
 * NULL when there is none; a name that needs a path takes `data` (or NULL). PC_ERR_USAGE with a
 * suggestion when no task knows it. */
pc_status pc_task_find(const pc_task **out, const char **path, const char *word, const char *data);
/* path: that of pc_task_find. PC_ERR_USAGE when the file is no task. */
pc_status pc_task_describe(pc_task_about *out, const pc_task *task, const char *path);
/* The i-th task in list.h, NULL past the last. */
const pc_task *pc_task_at(size_t i);

#endif
