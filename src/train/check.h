/* Going over the data of a recipe before it is trained on: every sample is read, its pictures decoded, its prompt built,
 * as the loader would do it.
 *
 * Flow: recipe -> model (tokenizer, template, picture sizes) + datasets -> every sample -> problems, counts.
 */
#ifndef PC_TRAIN_CHECK_H
#define PC_TRAIN_CHECK_H

#include "base/pool.h"
#include "data/batch.h"
#include "train/recipe.h"

typedef enum pc_problem {
    PC_PROBLEM_FILE,    /* a picture or a file that can't be read */
    PC_PROBLEM_ROW,     /* a row that means nothing: broken JSON, marks without pictures, unknown roles ... */
    PC_PROBLEM_PICTURE, /* too many, broken, or of a size that the model doesn't take */
    PC_PROBLEM_LENGTH,  /* longer than cutoff_len, and nothing can be cut */
    PC_PROBLEM_ANSWER,  /* the loss mask is empty */
    PC_PROBLEMS
} pc_problem;
const char *pc_problem_name(pc_problem problem); /* "missing or unreadable file" */

typedef struct pc_check_counts {
    int64_t samples, bad, problems[PC_PROBLEMS];
    int64_t shortened;   /* lost turns to cutoff_len */
    int64_t unmarked;    /* samples with pictures that no mark places */
    int64_t text_only, preferences;
    int64_t images, tokens, targets; /* of the good samples */
    int64_t longest;     /* tokens */
    char longest_where[256];
} pc_check_counts;

typedef struct pc_check_hooks {
    void *user;
    /* In the order of the samples; message names file, line and sample. May be NULL. */
    void (*problem)(void *user, pc_problem kind, const char *message);
    int (*stop)(void *user); /* non-zero ends it with PC_ERR_INTERRUPTED; may be NULL */
} pc_check_hooks;

/* PC_OK also when samples are bad: look at counts->bad. Other failures are of the recipe or its model. */
pc_status pc_check_data(const pc_recipe *recipe, pc_pool *pool, const pc_check_hooks *hooks, pc_check_counts *counts);

/* One sample with all that is made of it, for showing it. Initialise with {0}; release with pc_sample_view_clear. */
typedef struct pc_sample_view {
    struct pc_train_parts *parts; /* model and datasets, which the rest borrows */
    pc_batch_maker maker; /* sample and prompt */
    pc_batch batch;       /* of this one sample */
    bool shortened;
    pc_status status;     /* PC_ERR_DATA or PC_ERR_IO: what the sample suffers from is in `message` */
    char message[1024];
} pc_sample_view;

/* Sample `index`, counted over all datasets of the recipe in their order. PC_ERR_USAGE when there is none. */
pc_status pc_sample_view_open(pc_sample_view *out, const pc_recipe *recipe, int64_t index);
void pc_sample_view_clear(pc_sample_view *view);

#endif
