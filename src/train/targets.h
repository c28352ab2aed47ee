/* The targets of a batch, those of a row together, so that a row's logits are made once however many targets it has. */
#ifndef PC_TRAIN_TARGETS_H
#define PC_TRAIN_TARGETS_H

#include "data/loader.h"
#include "train/stage.h"

typedef struct pc_targets {
    int64_t rows, targets;  /* U, R of the batch grouped last */
    int32_t *wanted;        /* [U]: rows that have targets, ascending */
    int32_t *numbers;       /* [U]: 0 .. U - 1 */
    int32_t *starts;        /* [U+1]: row u has the targets starts[u] .. starts[u+1] - 1, in the order of the batch */
    int32_t *ids;           /* [R] */
    float *weights;         /* [R] */
    int32_t *next;          /* scratch: a number for each row of a batch */
} pc_targets;

/* Most rows U that a batch of these limits has targets for. */
int64_t pc_targets_most_rows(const pc_batch_limits *limits);

/* Room for batches of at most `limits`. Starts as {0}; pc_targets_clear releases it, whether this failed or not. */
pc_status pc_targets_room(pc_targets *out, const pc_batch_limits *limits);
void pc_targets_clear(pc_targets *out);

/* Group the targets of a batch; weights [R] in the batch's order are those to take. */
void pc_targets_group(pc_targets *out, const pc_batch *batch, const float *weights);

/* Bind them where a loss has inputs for them. */
pc_status pc_targets_bind(const pc_targets *targets, pc_exec *exec, const pc_stage_inputs *in);

#endif
