/* Samplers: small steps that turn a model's logits into the distribution that the next id is drawn
 * from.
 *
 * Flow: logits f32 [V] -> repetition_penalty -> temperature -> top_k -> top_p -> min_p -> draw ->
 * id. The order is that of list.h, which is transformers'. A sampler is a constant descriptor with
 * one number to set, so that the command line, recipes and requests take a new one without further
 * edits.
 *
 * Everything is deterministic: the draw is a function of (seed, stream, position) and the logits
 * alone, among equal logits the lowest id comes first, and nothing depends on threads. A step
 * allocates nothing.
 */
#ifndef PC_DECODE_SAMPLER_H
#define PC_DECODE_SAMPLER_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a sampler works on. */
typedef struct pc_sample_step {
    float *logits;           /* [V], changed in place; -INFINITY = never drawn */
    size_t count;            /* V */
    /* ids so far, prompt included; ids outside [0, V) are no words and are passed over */
    const int32_t *history;
    size_t history_count;
    float *floats;           /* [V] scratch */
    int32_t *ids;            /* [V] scratch */
    uint8_t *marks;          /* [V] scratch, all zero before and after */
} pc_sample_step;

typedef struct pc_sampler {
    const char *name;    /* as options and request fields spell it */
    const char *help;
    double neutral;      /* the value at which it does nothing */
    double initial;      /* its value when nobody sets it */
    double low, high;    /* allowed values, both included */
    bool whole;          /* integers only */
    bool always;         /* holds also for a search that draws nothing */
    void (*apply)(pc_sample_step *step, double value); /* not called with the neutral value */
} pc_sampler;

/* The i-th sampler in list.h, NULL past the last. */
const pc_sampler *pc_sampler_at(size_t i);
#define PC_SAMPLERS_MAX 16

/* All samplers with their values, the random state, and scratch. */
typedef struct pc_sampling {
    double values[PC_SAMPLERS_MAX]; /* in the order of list.h */
    uint64_t seed;
    uint64_t stream;   /* which sequence of a batch; sequences of one seed draw independently */
    uint64_t position; /* draws so far; saving seed, stream and position saves the state */
    size_t vocabulary; /* V */
    pc_sample_step scratch;
} pc_sampling;

/* For logits of `vocabulary` entries; every sampler has its initial value (greedy), seed and stream
 * are 0. Release with pc_sampling_clear. */
pc_status pc_sampling_init(pc_sampling *sampling, size_t vocabulary);
void pc_sampling_clear(pc_sampling *sampling);

/* Set one value. PC_ERR_USAGE for an unknown name (with a suggestion; '-' and '_' are equal) and
 * for a value that is not allowed. */
pc_status pc_sampling_set(pc_sampling *sampling, const char *name, double value);

/* *id = the next id. logits [V] are changed. PC_ERR_DATA when one is NaN or +infinity, or when none
 * is left. */
pc_status pc_sampling_next(pc_sampling *sampling, float *logits, const int32_t *history,
                           size_t history_count,
                           int32_t *id);

/* The parts of pc_sampling_next: run the samplers; draw from softmax(logits) with u in [0, 1), in
 * the order of ids. */
pc_status pc_sampling_apply(pc_sampling *sampling, float *logits, const int32_t *history,
                            size_t history_count);
/* The samplers that hold for a search without draws alone. */
pc_status pc_sampling_penalise(pc_sampling *sampling, float *logits, const int32_t *history, size_t history_count);
int32_t pc_sample_draw(const float *logits, size_t count, double u);

/* The id of the largest logit, the lowest among equals. */
int32_t pc_sample_greedy(const float *logits, size_t count);

#endif
