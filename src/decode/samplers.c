/* The samplers.
 *
 *   repetition_penalty r   every id of the history once: x > 0 ? x / r : x * r
 *   temperature t          x / t; at 0 only the largest logit is left
 *   top_k k                what is smaller than the k-th largest logit goes
 *   top_p p                ids by falling probability, as long as those before sum to less than p
 *   min_p m                what is less probable than m times the most probable goes
 *
 * Source: Keskar et al. 2019, CTRL, section 4.1; Fan et al. 2018 (top-k); Holtzman et al. 2020
 * (nucleus); Nguyen et al. 2024 (min-p). Reference: transformers, generation/logits_process.py.
 *
 * Easy to get wrong: an id that occurs twice in the history is penalised once; ties with the k-th
 * logit all stay; the id that carries the sum of top_p across p stays.
 */
#include "decode/sampler.h"

#include <math.h>

static void apply_repetition_penalty(pc_sample_step *step, double value)
{
    float penalty = (float)value;
    for (size_t i = 0; i < step->history_count; i++) {
        int32_t id = step->history[i];
        if (id < 0 || (size_t)id >= step->count || step->marks[id]) {
            continue;
        }
        step->marks[id] = 1;
        float x = step->logits[id];
        step->logits[id] = x < 0 ? x * penalty : x / penalty;
    }
    for (size_t i = 0; i < step->history_count; i++) {
        int32_t id = step->history[i];
        if (id >= 0 && (size_t)id < step->count) {
            step->marks[id] = 0;
        }
    }
}

const pc_sampler pc_sampler_repetition_penalty = {
    .name = "repetition_penalty",
    .help = "make ids that occurred less likely (above 1) or more likely (below 1)",
    .neutral = 1,
    .initial = 1,
    .low = 0.01,
    .high = 100,
    .always = true,
    .apply = apply_repetition_penalty,
};

static float largest(const float *logits, size_t count)
{
    float max = -INFINITY;
    for (size_t i = 0; i < count; i++) {
        max = logits[i] > max ? logits[i] : max;
    }
    return max;
}

static void apply_temperature(pc_sample_step *step, double value)
{
    float temperature = (float)value;
    /* A temperature so small that the largest quotient is no number means the same as 0. */
    if (temperature > 0 && isfinite(largest(step->logits, step->count) / temperature)) {
        for (size_t i = 0; i < step->count; i++) {
            step->logits[i] /= temperature;
        }
        return;
    }
    size_t best = (size_t)pc_sample_greedy(step->logits, step->count);
    for (size_t i = 0; i < step->count; i++) {
        step->logits[i] = i == best ? 0 : -INFINITY;
    }
}

const pc_sampler pc_sampler_temperature = {
    .name = "temperature",
    .help = "below 1 surer, above 1 more varied; 0 always takes the most probable id",
    .neutral = 1,
    .initial = 0,
    .low = 0,
    .high = 1000,
    .apply = apply_temperature,
};

/* A heap of the k largest values seen, the smallest at the root. */
static void sift_down_smallest(float *heap, size_t count, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count) {
            return;
        }
        if (child + 1 < count && heap[child + 1] < heap[child]) {
            child++;
        }
        if (heap[at] <= heap[child]) {
            return;
        }
        float swap = heap[at];
        heap[at] = heap[child];
        heap[child] = swap;
        at = child;
    }
}

static void apply_top_k(pc_sample_step *step, double value)
{
    if (value >= (double)step->count) {
        return;
    }
    size_t k = (size_t)value;
    float *heap = step->floats;
    for (size_t i = 0; i < k; i++) {
        heap[i] = step->logits[i];
    }
    for (size_t i = k / 2; i-- > 0;) {
        sift_down_smallest(heap, k, i);
    }
    for (size_t i = k; i < step->count; i++) {
        if (step->logits[i] > heap[0]) {
            heap[0] = step->logits[i];
            sift_down_smallest(heap, k, 0);
        }
    }
    for (size_t i = 0; i < step->count; i++) {
        if (step->logits[i] < heap[0]) {
            step->logits[i] = -INFINITY;
        }
    }
}

const pc_sampler pc_sampler_top_k = {
    .name = "top_k",
    .help = "draw from the K most probable ids only; 0 = all",
    .neutral = 0,
    .initial = 0,
    .low = 0,
    .high = 2147483647,
    .whole = true,
    .apply = apply_top_k,
};

static double sum_of_exp(const float *logits, size_t count, float max)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        if (logits[i] > -INFINITY) {
            sum += exp((double)logits[i] - (double)max);
        }
    }
    return sum;
}

/* Whether id a comes before id b by falling logit, the lower id first among equals. */
static bool before(const float *logits, int32_t a, int32_t b)
{
    return logits[a] > logits[b] || (logits[a] == logits[b] && a < b);
}

static void sift_down_first(const float *logits, int32_t *heap, size_t count, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count) {
            return;
        }
        if (child + 1 < count && before(logits, heap[child + 1], heap[child])) {
            child++;
        }
        if (!before(logits, heap[child], heap[at])) {
            return;
        }
        int32_t swap = heap[at];
        heap[at] = heap[child];
        heap[child] = swap;
        at = child;
    }
}

/* Ids leave a heap by falling logit until their probabilities sum to p: few do, so nothing is
 * sorted. */
static void apply_top_p(pc_sample_step *step, double p)
{
    float *logits = step->logits;
    int32_t *heap = step->ids;
    size_t left = 0;
    for (size_t i = 0; i < step->count; i++) {
        if (logits[i] > -INFINITY) {
            heap[left++] = (int32_t)i;
        }
    }
    for (size_t i = left / 2; i-- > 0;) {
        sift_down_first(logits, heap, left, i);
    }
    if (left == 0) {
        return;
    }
    float max = logits[heap[0]];
    double total = sum_of_exp(logits, step->count, max);
    double mass = 0;
    do {
        mass += exp((double)logits[heap[0]] - (double)max) / total;
        heap[0] = heap[--left];
        sift_down_first(logits, heap, left, 0);
    } while (left > 0 && mass < p);
    for (size_t i = 0; i < left; i++) {
        logits[heap[i]] = -INFINITY;
    }
}

const pc_sampler pc_sampler_top_p = {
    .name = "top_p",
    .help = "draw from the most probable ids that together have probability P; 1 = all",
    .neutral = 1,
    .initial = 1,
    .low = 0,
    .high = 1,
    .apply = apply_top_p,
};

static void apply_min_p(pc_sample_step *step, double value)
{
    float max = largest(step->logits, step->count);
    for (size_t i = 0; i < step->count; i++) {
        if (exp((double)step->logits[i] - (double)max) < value) {
            step->logits[i] = -INFINITY;
        }
    }
}

const pc_sampler pc_sampler_min_p = {
    .name = "min_p",
    .help = "drop ids less probable than this share of the most probable; 0 = none",
    .neutral = 0,
    .initial = 0,
    .low = 0,
    .high = 1,
    .apply = apply_min_p,
};
