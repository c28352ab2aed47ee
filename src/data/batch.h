/* One sample becomes rows, targets and pixels of a packed micro-batch. For the loader, and for looking at samples.
 *
 * Flow: pc_sample -> prompt (ids, turns, mask) + recipe (pixels) -> rows behind those of the samples before.
 */
#ifndef PC_DATA_BATCH_H
#define PC_DATA_BATCH_H

#include "data/loader.h"
#include "data/regions.h"

/* Why a sample does not fit. */
typedef enum pc_fault {
    PC_FAULT_OTHER,   /* none, or none of the following */
    PC_FAULT_LENGTH,  /* more tokens than the cutoff */
    PC_FAULT_ANSWER,  /* nothing to learn from */
    PC_FAULT_PICTURE, /* its pictures are too many, too few or of a wrong size */
} pc_fault;

/* What one thread needs to fill batches; its memory is kept from sample to sample. Initialise with {.options}. */
typedef struct pc_batch_maker {
    const pc_loader_options *options; /* borrowed; checked by pc_loader_new */
    pc_sample sample;
    pc_prompt prompt;
    pc_prompt other; /* with the rejected answer */
    float *changed; /* weights of two answers' tokens */
    size_t changed_capacity;
    pc_ids ids;
    pc_region_labels labels;
    pc_fault fault; /* of the last sample that failed */
} pc_batch_maker;

void pc_batch_maker_clear(pc_batch_maker *maker);

void pc_batch_reset(pc_batch *batch); /* empty, memory kept */
void pc_batch_clear(pc_batch *batch); /* memory released */

struct pc_extent;
/* How large maker->sample (its texts are enough) will be; PC_ERR_DATA for one that doesn't fit. */
pc_status pc_batch_measure(pc_batch_maker *maker, struct pc_extent *out);

/* Append maker->sample; dx, dy: its pictures are moved so far. *shortened is set when it lost turns to the cutoff. On
 * failure the batch is as before; PC_ERR_DATA for a sample that doesn't fit. */
pc_status pc_batch_add(pc_batch *batch, pc_batch_maker *maker, int dx, int dy, bool *shortened);

/* Answers that a model wrote to the prompts of a batch. */
typedef struct pc_written {
    const int32_t *ids;  /* all tokens, answer after answer */
    const int64_t *ends; /* [B*each]: behind each answer; every answer has at least one token */
    int64_t each;        /* answers to each prompt, one behind the other */
} pc_written;

/* *out = the prompts (kind PROMPTS) with those answers: rows of each see the prompt and itself, every token of an answer is a
 * target, `experience` has room. picture: numbers of a picture's pixels. */
pc_status pc_batch_answer(pc_batch *out, const pc_batch *prompts, const pc_written *written, int64_t picture);

/* *out = prompts (kind LABELLED) each with its own answer and that of the sample before; no answer goes beyond the cutoff. */
pc_status pc_batch_label(pc_batch *out, const pc_batch *prompts, int64_t cutoff, int64_t picture);

#endif
