/* The chain of samplers and the draw. */
#include "decode/sampler.h"

#include "base/memory.h"
#include "base/rng.h"
#include "base/str.h"

#include <math.h>
#include <string.h>

#define PC_SAMPLER(name) extern const pc_sampler pc_sampler_##name;
#include "decode/list.h"
#undef PC_SAMPLER

static const pc_sampler *const samplers[] = {
#define PC_SAMPLER(name) &pc_sampler_##name,
#include "decode/list.h"
#undef PC_SAMPLER
};
#define SAMPLER_COUNT (sizeof samplers / sizeof samplers[0])
_Static_assert(SAMPLER_COUNT <= PC_SAMPLERS_MAX, "pc_sampling.values is too short");

const pc_sampler *pc_sampler_at(size_t i)
{
    return i < SAMPLER_COUNT ? samplers[i] : NULL;
}

pc_status pc_sampling_init(pc_sampling *sampling, size_t vocabulary)
{
    memset(sampling, 0, sizeof *sampling);
    if (vocabulary == 0 || vocabulary > INT32_MAX) {
        return pc_fail(PC_ERR_USAGE, "sampling from %zu logits: wanted 1 .. %d", vocabulary,
                       INT32_MAX);
    }
    pc_status status = PC_OK;
    sampling->vocabulary = vocabulary;
    for (size_t i = 0; i < SAMPLER_COUNT; i++) {
        sampling->values[i] = samplers[i]->initial;
    }
    PC_GO(PC_NEW_ARRAY(sampling->scratch.floats, vocabulary, "sampling"));
    PC_GO(PC_NEW_ARRAY(sampling->scratch.ids, vocabulary, "sampling"));
    PC_GO(PC_NEW_ARRAY(sampling->scratch.marks, vocabulary, "sampling"));
done:
    if (status != PC_OK) {
        pc_sampling_clear(sampling);
    }
    return status;
}

void pc_sampling_clear(pc_sampling *sampling)
{
    pc_free(sampling->scratch.floats);
    pc_free(sampling->scratch.ids);
    pc_free(sampling->scratch.marks);
    memset(sampling, 0, sizeof *sampling);
}

static bool same_name(const char *a, const char *b)
{
    for (; *a != 0 && *b != 0; a++, b++) {
        if (*a != *b && !((*a == '-' || *a == '_') && (*b == '-' || *b == '_'))) {
            return false;
        }
    }
    return *a == *b;
}

pc_status pc_sampling_set(pc_sampling *sampling, const char *name, double value)
{
    const char *names[SAMPLER_COUNT];
    for (size_t i = 0; i < SAMPLER_COUNT; i++) {
        const pc_sampler *sampler = samplers[i];
        names[i] = sampler->name;
        if (!same_name(name, sampler->name)) {
            continue;
        }
        if (!(value >= sampler->low && value <= sampler->high) ||
            (sampler->whole && value != floor(value))) {
            return pc_fail(PC_ERR_USAGE, "%s is %g, wanted %s from %g to %g", sampler->name, value,
                           sampler->whole ? "an integer" : "a number", sampler->low, sampler->high);
        }
        sampling->values[i] = value;
        return PC_OK;
    }
    const char *near = pc_nearest_name(name, names, SAMPLER_COUNT, sizeof names[0]);
    return pc_fail(PC_ERR_USAGE, "no sampler is named \"%.60s\"%s%s%s", name,
                   near == NULL ? "" : ": did you mean ",
                   near == NULL ? "" : near, near == NULL ? "" : "?");
}

int32_t pc_sample_greedy(const float *logits, size_t count)
{
    size_t best = 0;
    for (size_t i = 1; i < count; i++) {
        best = logits[i] > logits[best] ? i : best;
    }
    return (int32_t)best;
}

int32_t pc_sample_draw(const float *logits, size_t count, double u)
{
    double max = (double)logits[pc_sample_greedy(logits, count)];
    double total = 0;
    for (size_t i = 0; i < count; i++) {
        if (logits[i] > -INFINITY) {
            total += exp((double)logits[i] - max);
        }
    }
    double sum = 0;
    double target = u * total;
    size_t last = 0;
    for (size_t i = 0; i < count; i++) {
        if (logits[i] > -INFINITY) {
            sum += exp((double)logits[i] - max);
            last = i;
            if (sum > target) {
                break;
            }
        }
    }
    return (int32_t)last;
}

static pc_status check_logits(const float *logits, size_t count)
{
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        if (!(logits[i] < INFINITY)) {
            return pc_fail(PC_ERR_DATA, "the logit of id %zu is %s", i,
                           isnan(logits[i]) ? "NaN" : "infinite");
        }
        any = any || logits[i] > -INFINITY;
    }
    return any ? PC_OK : pc_fail(PC_ERR_DATA, "all %zu logits are -infinity: no id can follow",
                                 count);
}

static pc_status apply(pc_sampling *sampling, float *logits, const int32_t *history, size_t history_count, bool draws)
{
    pc_sample_step step = sampling->scratch;
    step.logits = logits;
    step.count = sampling->vocabulary;
    step.history = history;
    step.history_count = history_count;
    PC_TRY(check_logits(logits, step.count));
    for (size_t i = 0; i < SAMPLER_COUNT; i++) {
        if (sampling->values[i] != samplers[i]->neutral && (draws || samplers[i]->always)) {
            samplers[i]->apply(&step, sampling->values[i]);
        }
    }
    return PC_OK;
}

pc_status pc_sampling_apply(pc_sampling *sampling, float *logits, const int32_t *history,
                            size_t history_count)
{
    return apply(sampling, logits, history, history_count, true);
}

pc_status pc_sampling_penalise(pc_sampling *sampling, float *logits, const int32_t *history, size_t history_count)
{
    return apply(sampling, logits, history, history_count, false);
}

pc_status pc_sampling_next(pc_sampling *sampling, float *logits, const int32_t *history,
                           size_t history_count,
                           int32_t *id)
{
    uint32_t words[4];
    PC_TRY(pc_sampling_apply(sampling, logits, history, history_count));
    pc_philox(sampling->seed, sampling->stream, sampling->position++, words);
    /* 53 of them: every double of [0, 1) on that grid */
    uint64_t bits = ((uint64_t)words[1] << 32 | words[0]) >> 11;
    *id = pc_sample_draw(logits, sampling->vocabulary, (double)bits * 0x1p-53);
    return PC_OK;
}
