/* What is found out about written answers before the model learns from them: log-probabilities under the model and its
 * reference, values, and what a reward model says. One graph without gradients; weights that several of these models share
 * are there once, and so are soft tokens where no adapter changes them.
 */
#ifndef PC_TRAIN_ASSESS_H
#define PC_TRAIN_ASSESS_H

#include "model/adapter.h"
#include "train/stage.h"

typedef struct pc_assess pc_assess;

typedef struct pc_assess_options {
    pc_instance policy;           /* with the value head, if there is one */
    const pc_model *reference;    /* without adapter; NULL = the old log-probabilities count as the reference's */
    const pc_instance *judge;     /* with its head; NULL = none */
    pc_batch_limits limits;       /* of answered batches */
    int64_t answers;              /* most in a batch */
    pc_dtype compute;
    double temperature;
} pc_assess_options;

/* All that the options point to is borrowed; `judge` itself is copied. */
pc_status pc_assess_new(pc_assess **out, const pc_backend *backend, const pc_assess_options *options);
void pc_assess_free(pc_assess *assess);

/* Fills the log-probabilities and values of batch->experience; scores [A] = the judge's numbers, 0 without one. */
pc_status pc_assess_run(pc_assess *assess, pc_batch *batch, double *scores);
size_t pc_assess_bytes(const pc_assess *assess);

#endif
