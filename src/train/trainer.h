/* The trainer: a recipe carried out - model, data, steps, log, checkpoints, the finished model.
 *
 * Flow: recipe -> model + datasets -> loader -> learner (steps) -> train_log.jsonl, checkpoint-N/, the model directory.
 * What a step computes is a function of recipe and step number alone; a run that was stopped and resumed ends with the
 * same bytes as one that was not.
 */
#ifndef PC_TRAIN_TRAINER_H
#define PC_TRAIN_TRAINER_H

#include "tensor/backend.h"
#include "train/learner.h"
#include "train/recipe.h"

/* What is known after each step; strings are valid during the call. */
typedef struct pc_progress {
    int64_t step, steps; /* done, planned */
    double epoch;
    double loss, grad_norm, learning_rate;
    const double *metrics;           /* [PC_STAGE_METRICS] */
    const char *const *metric_names; /* NULL = the stage has none */
    double tokens_per_second, images_per_second;
    double seconds, seconds_left;
    size_t memory; /* resident bytes */
    int64_t skipped_steps, skipped_samples;
} pc_progress;

typedef struct pc_trainer_hooks {
    void *user;
    /* Before the first step, with the fingerprint of tokenizer, template and processor (model/fingerprint.h); may be NULL. */
    void (*begins)(void *user, const char *fingerprint);
    void (*progress)(void *user, const pc_progress *progress); /* may be NULL */
    int (*stop)(void *user); /* non-zero: save a checkpoint and return PC_ERR_INTERRUPTED; may be NULL */
} pc_trainer_hooks;

/* Carry out the recipe. PC_ERR_DIVERGED after ten steps in a row whose loss or gradients were not finite: nothing of
 * them has reached the weights, and the last good checkpoint stays. */
pc_status pc_train(const pc_recipe *recipe, const pc_backend *backend, const pc_trainer_hooks *hooks);

#endif
