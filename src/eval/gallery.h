/* Questions of a task with the answers that several models gave: what people look through and vote on.
 *
 * Flow: files of samples, one for each model, and the task they answer -> items with question, truth, picture (PNG) and one answer for
 * each model. Only questions that all of them answered, in the task's order.
 */
#ifndef PC_EVAL_GALLERY_H
#define PC_EVAL_GALLERY_H

#include "eval/task.h"

enum { PC_GALLERY_MODELS = 8 };

typedef struct pc_gallery_item {
    char id[64];
    char *kind, *question, *truth;
    char *answer[PC_GALLERY_MODELS];
    bool right[PC_GALLERY_MODELS];
    pc_str png; /* empty: no picture */
} pc_gallery_item;

typedef struct pc_gallery {
    char *name[PC_GALLERY_MODELS]; /* of the models: that of the folder that holds the samples */
    int models;
    pc_gallery_item *item;
    size_t count, capacity;
} pc_gallery;

typedef struct pc_gallery_options {
    const pc_task *task;
    pc_task_options task_options;
    const char *const *files; /* [models] samples_TASK.jsonl */
    int models;               /* 2 .. PC_GALLERY_MODELS */
    int64_t limit;            /* items at most */
    bool differing;           /* only questions with different answers */
    const char *ids;          /* only these, separated by commas; NULL = all */
} pc_gallery_options;

/* PC_ERR_DATA when nothing is left, and for what is no sample; PC_ERR_USAGE for two models of one name. pc_gallery_clear also after a
 * failure. */
pc_status pc_gallery_load(pc_gallery *out, const pc_gallery_options *options);
void pc_gallery_clear(pc_gallery *gallery);

/* One page without other files: every item with its picture and the answers side by side, and each model's share of right ones. */
pc_status pc_gallery_write(const pc_gallery *gallery, const char *path, const char *title);

#endif
