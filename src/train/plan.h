/* What a recipe will need, told before it is carried out: memory, time, disk.
 *
 * Flow: recipe -> model, data, learner as the trainer makes them -> some steps on the first batches, thrown away -> seconds a
 * step, resident memory -> the whole run. Sizes that are known exactly are computed; what depends on the machine and on the
 * data (speed, how much of the planned memory is ever touched) is measured by those steps. Nothing that is written stays.
 *
 * With a feature cache the steps are taken twice, into an empty cache beside the recipe's own, which is removed: as the first
 * epoch, which encodes every picture, and as the later ones, which find them.
 */
#ifndef PC_TRAIN_PLAN_H
#define PC_TRAIN_PLAN_H

#include "tensor/backend.h"
#include "train/recipe.h"

typedef struct pc_plan {
    int64_t parameters, trained;        /* elements */
    size_t weights, gradients, moments; /* bytes */
    size_t activations;                 /* bytes planned: the largest batch that the recipe allows */
    size_t most;                        /* bytes resident if such a batch comes */
    size_t expected;                    /* bytes resident at the peak, with batches like those measured */
    size_t disk;                        /* bytes of checkpoints and model in output_dir at the most */
    int64_t steps, steps_per_epoch;
    int64_t tokens_per_image;
    double tokens_per_step, images_per_step; /* means of the steps measured */
    double seconds_per_step, seconds;        /* of a step (of the first epoch); of the whole run with its start */
    double seconds_per_step_cached;          /* of later epochs' steps; as seconds_per_step without a feature cache */
    double seconds_to_start;                 /* until the first step */
    double cpu_seconds;                      /* of all threads, for the whole run: what other work on the machine changes least */
    double flops_per_step;                   /* floating-point operations of one of the steps measured, as the operations count them */
    int64_t measured;                        /* steps */
} pc_plan;

/* Measures for about `seconds`, at least three steps. Fails as pc_train would before its first step. */
pc_status pc_plan_recipe(pc_plan *out, const pc_recipe *recipe, const pc_backend *backend, double seconds);

#endif
