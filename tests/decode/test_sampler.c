/* Samplers: what they leave equals what transformers' logits processors leave
 * (golden/decode/samplers.json, made by oracle/make_decode.py); the draw is deterministic and
 * follows the distribution. */
#include "decode/sampler.h"

#include "base/json.h"
#include "base/memory.h"
#include "base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_IDS = 64 };

static size_t read_logits(const pc_json *list, float *out)
{
    size_t count = pc_json_length(list);
    assert_true(count > 0 && count <= MAX_IDS);
    for (size_t i = 0; i < count; i++) {
        const pc_json *x = pc_json_at(list, i);
        out[i] = pc_json_is_null(x) ? -INFINITY : (float)pc_json_number(x, NAN);
    }
    return count;
}

static void check_case(const pc_json *input, const pc_json *one, size_t number)
{
    float logits[MAX_IDS];
    float wanted[MAX_IDS];
    int32_t history[MAX_IDS];
    size_t count = read_logits(pc_json_get(input, "logits"), logits);
    const pc_json *said = pc_json_get(input, "history");
    assert_int_equal(read_logits(pc_json_get(one, "logits"), wanted), count);
    for (size_t i = 0; i < pc_json_length(said); i++) {
        history[i] = (int32_t)pc_json_integer(pc_json_at(said, i), -1);
    }
    pc_sampling sampling;
    assert_int_equal(pc_sampling_init(&sampling, count), PC_OK);
    assert_int_equal(pc_sampling_set(&sampling, "temperature", 1), PC_OK);
    pc_json *set = pc_json_get(one, "set");
    for (void *it = pc_json_first(set); it != NULL; it = pc_json_next(set, it)) {
        assert_int_equal(pc_sampling_set(&sampling, pc_json_key(it),
                                         pc_json_number(pc_json_value(it), NAN)), PC_OK);
    }
    assert_int_equal(pc_sampling_apply(&sampling, logits, history, pc_json_length(said)), PC_OK);
    for (size_t i = 0; i < count; i++) {
        if (logits[i] != wanted[i]) {
            fail_msg("case %zu, id %zu: found %.9g, expected %.9g", number, i, (double)logits[i],
                     (double)wanted[i]);
        }
        assert_int_equal(sampling.scratch.marks[i], 0);
    }
    pc_sampling_clear(&sampling);
}

static void test_samplers_equal_transformers(void **state)
{
    (void)state;
    pc_json *golden = NULL;
    assert_int_equal(pc_json_read(&golden, PERCEPT_TESTS_DIR "/golden/decode/samplers.json",
                                  1 << 22), PC_OK);
    const pc_json *cases = pc_json_get(golden, "cases");
    assert_true(pc_json_length(cases) > 60);
    for (size_t i = 0; i < pc_json_length(cases); i++) {
        const pc_json *one = pc_json_at(cases, i);
        check_case(pc_json_get(pc_json_get(golden, "inputs"), pc_json_get_text(one, "input", "")),
                   one, i);
    }
    pc_json_free(golden);
}

static void test_ties(void **state)
{
    (void)state;
    float logits[6] = {1, 2, 2, 0, 2, 1};
    pc_sampling sampling;
    int32_t id;
    assert_int_equal(pc_sample_greedy(logits, 6), 1);
    assert_int_equal(pc_sampling_init(&sampling, 6), PC_OK);
    /* greedy unless set otherwise */
    assert_int_equal(pc_sampling_next(&sampling, logits, NULL, 0, &id), PC_OK);
    assert_int_equal(id, 1);
    /* top_p keeps the lower ids of equal logits: two of three that have about .28 each */
    float again[6] = {1, 2, 2, 0, 2, 1};
    assert_int_equal(pc_sampling_set(&sampling, "temperature", 1), PC_OK);
    assert_int_equal(pc_sampling_set(&sampling, "top-p", 0.4), PC_OK);
    assert_int_equal(pc_sampling_apply(&sampling, again, NULL, 0), PC_OK);
    float kept[6] = {-INFINITY, 2, 2, -INFINITY, -INFINITY, -INFINITY};
    assert_memory_equal(again, kept, sizeof kept);
    pc_sampling_clear(&sampling);
}

static void test_extremes(void **state)
{
    (void)state;
    pc_sampling sampling;
    int32_t id;
    assert_int_equal(pc_sampling_init(&sampling, 3), PC_OK);
    float nan_logits[3] = {0, NAN, 0};
    assert_int_equal(pc_sampling_next(&sampling, nan_logits, NULL, 0, &id), PC_ERR_DATA);
    assert_non_null(strstr(pc_error(), "id 1 is NaN"));
    float infinite[3] = {0, 1, INFINITY};
    assert_int_equal(pc_sampling_next(&sampling, infinite, NULL, 0, &id), PC_ERR_DATA);
    float none[3] = {-INFINITY, -INFINITY, -INFINITY};
    assert_int_equal(pc_sampling_next(&sampling, none, NULL, 0, &id), PC_ERR_DATA);
    for (double t = 1; t > 1e-45; t /= 1000) { /* never NaN, whatever the temperature */
        float huge[3] = {-3e38f, 3e38f, 1e38f};
        float low[3] = {-5, -6, -7};
        assert_int_equal(pc_sampling_set(&sampling, "temperature", t), PC_OK);
        assert_int_equal(pc_sampling_next(&sampling, huge, NULL, 0, &id), PC_OK);
        assert_int_equal(id, 1);
        assert_int_equal(pc_sampling_next(&sampling, low, NULL, 0, &id), PC_OK);
        assert_true(t > 0.01 || id == 0);
    }
    /* ids of the history that are no words: placeholders of media */
    int32_t history[4] = {-200, 3, 2147483647, 2};
    float logits[3] = {1, 1, 1};
    assert_int_equal(pc_sampling_set(&sampling, "temperature", 1), PC_OK);
    assert_int_equal(pc_sampling_set(&sampling, "repetition_penalty", 2), PC_OK);
    assert_int_equal(pc_sampling_apply(&sampling, logits, history, 4), PC_OK);
    float wanted[3] = {1, 1, 0.5f};
    assert_memory_equal(logits, wanted, sizeof wanted);
    pc_sampling_clear(&sampling);
    float one = -4;
    assert_int_equal(pc_sampling_init(&sampling, 1), PC_OK);
    for (size_t i = 0; pc_sampler_at(i) != NULL; i++) {
        assert_int_equal(pc_sampling_set(&sampling, pc_sampler_at(i)->name, i == 2 ? 1 : 0.5),
                         PC_OK);
    }
    assert_int_equal(pc_sampling_next(&sampling, &one, NULL, 0, &id), PC_OK);
    assert_int_equal(id, 0);
    pc_sampling_clear(&sampling);
}

static void test_settings(void **state)
{
    (void)state;
    pc_sampling sampling;
    assert_int_equal(pc_sampling_init(&sampling, 0), PC_ERR_USAGE);
    assert_int_equal(pc_sampling_init(&sampling, 10), PC_OK);
    assert_int_equal(pc_sampling_set(&sampling, "top-k", 3), PC_OK);
    assert_int_equal(pc_sampling_set(&sampling, "top_k", 2.5), PC_ERR_USAGE);
    assert_int_equal(pc_sampling_set(&sampling, "top_k", -1), PC_ERR_USAGE);
    assert_int_equal(pc_sampling_set(&sampling, "top_p", 1.01), PC_ERR_USAGE);
    assert_int_equal(pc_sampling_set(&sampling, "temperature", NAN), PC_ERR_USAGE);
    assert_int_equal(pc_sampling_set(&sampling, "temprature", 1), PC_ERR_USAGE);
    assert_non_null(strstr(pc_error(), "temperature"));
    pc_sampling_clear(&sampling);
    pc_sampling_clear(&sampling);
    for (size_t i = 0; pc_sampler_at(i) != NULL; i++) {
        const pc_sampler *s = pc_sampler_at(i);
        assert_true(s->neutral >= s->low && s->neutral <= s->high && s->initial >= s->low &&
                    s->initial <= s->high);
    }
}

/* The draw walks the ids in order; u decides alone. */
static void test_draw(void **state)
{
    (void)state;
    const float logits[5] = {logf(0.1f), -INFINITY, logf(0.2f), logf(0.3f), logf(0.4f)};
    assert_int_equal(pc_sample_draw(logits, 5, 0), 0);
    assert_int_equal(pc_sample_draw(logits, 5, 0.0999), 0);
    assert_int_equal(pc_sample_draw(logits, 5, 0.1001), 2);
    assert_int_equal(pc_sample_draw(logits, 5, 0.2999), 2);
    assert_int_equal(pc_sample_draw(logits, 5, 0.3001), 3);
    assert_int_equal(pc_sample_draw(logits, 5, 0.5999), 3);
    assert_int_equal(pc_sample_draw(logits, 5, 0.6001), 4);
    assert_int_equal(pc_sample_draw(logits, 5, 0x1.fffffffffffffp-1), 4);
}

static void draw_many(uint64_t seed, uint64_t stream, uint64_t from, int32_t *ids, size_t count)
{
    pc_sampling sampling;
    assert_int_equal(pc_sampling_init(&sampling, 4), PC_OK);
    assert_int_equal(pc_sampling_set(&sampling, "temperature", 1), PC_OK);
    sampling.seed = seed;
    sampling.stream = stream;
    sampling.position = from;
    for (size_t i = 0; i < count; i++) {
        float logits[4] = {logf(0.1f), logf(0.2f), logf(0.3f), logf(0.4f)};
        assert_int_equal(pc_sampling_next(&sampling, logits, NULL, 0, &ids[i]), PC_OK);
    }
    assert_int_equal(sampling.position, from + count);
    pc_sampling_clear(&sampling);
}

static void test_distribution_and_state(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    static int32_t ids[COUNT];
    static int32_t again[COUNT];
    size_t seen[4] = {0};
    draw_many(1, 2, 0, ids, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        seen[ids[i]]++;
    }
    double chi = 0;
    for (int k = 0; k < 4; k++) {
        double wanted = COUNT * 0.1 * (k + 1);
        chi += ((double)seen[k] - wanted) * ((double)seen[k] - wanted) / wanted;
    }
    /* three degrees of freedom: exceeded by chance once in 1000 seeds; this seed is fixed */
    assert_true(chi < 16.3);
    draw_many(1, 2, 0, again, COUNT);
    assert_memory_equal(ids, again, sizeof ids);
    draw_many(1, 2, 100, again, 50); /* taken up in the middle */
    assert_memory_equal(ids + 100, again, 50 * sizeof *ids);
    draw_many(1, 3, 0, again, 50); /* another sequence of the same seed */
    assert_true(memcmp(ids, again, 50 * sizeof *ids) != 0);
    draw_many(2, 2, 0, again, 50);
    assert_true(memcmp(ids, again, 50 * sizeof *ids) != 0);
}

/* Against a plain definition by sorting, on random logits with many ties and sizes that a heap
 * might stumble over. */
static int compare_position(const void *a, const void *b)
{
    const float *const *x = a;
    const float *const *y = b;
    if (**x != **y) {
        return **x > **y ? -1 : 1;
    }
    return *x < *y ? -1 : 1;
}

static void test_heaps_equal_sorting(void **state)
{
    (void)state;
    pc_rng rng;
    pc_rng_init(&rng, 5, 0);
    for (size_t count = 1; count <= MAX_IDS; count++) {
        float logits[MAX_IDS];
        const float *sorted[MAX_IDS];
        for (size_t i = 0; i < count; i++) {
            logits[i] = (float)pc_rng_below(&rng, 9) / 2 - 2;
            sorted[i] = &logits[i];
        }
        qsort(sorted, count, sizeof *sorted, compare_position);
        double total = 0;
        for (size_t i = 0; i < count; i++) {
            total += exp((double)*sorted[i]);
        }
        size_t k = 1 + pc_rng_below(&rng, count);
        double p = pc_rng_uniform(&rng);
        float by_k[MAX_IDS];
        float by_p[MAX_IDS];
        double mass = 0;
        for (size_t i = 0; i < count; i++) {
            size_t id = (size_t)(sorted[i] - logits);
            by_k[id] = *sorted[i] >= *sorted[k - 1] ? *sorted[i] : -INFINITY;
            by_p[id] = i == 0 || mass < p ? *sorted[i] : -INFINITY;
            mass += exp((double)*sorted[i]) / total;
        }
        pc_sampling sampling;
        float found[MAX_IDS];
        assert_int_equal(pc_sampling_init(&sampling, count), PC_OK);
        assert_int_equal(pc_sampling_set(&sampling, "temperature", 1), PC_OK);
        assert_int_equal(pc_sampling_set(&sampling, "top_k", (double)k), PC_OK);
        memcpy(found, logits, sizeof found);
        assert_int_equal(pc_sampling_apply(&sampling, found, NULL, 0), PC_OK);
        assert_memory_equal(found, by_k, count * sizeof *found);
        assert_int_equal(pc_sampling_set(&sampling, "top_k", 0), PC_OK);
        assert_int_equal(pc_sampling_set(&sampling, "top_p", p), PC_OK);
        memcpy(found, logits, sizeof found);
        assert_int_equal(pc_sampling_apply(&sampling, found, NULL, 0), PC_OK);
        assert_memory_equal(found, by_p, count * sizeof *found);
        pc_sampling_clear(&sampling);
    }
}

/* Allocation happens in pc_sampling_init alone. */
static void test_allocation(void **state)
{
    (void)state;
    pc_sampling sampling;
    for (long n = 1; n <= 3; n++) {
        pc_alloc_fail_at(n, false);
        assert_int_equal(pc_sampling_init(&sampling, 100), PC_ERR_MEMORY);
    }
    pc_alloc_fail_at(0, false);
    assert_int_equal(pc_sampling_init(&sampling, 4), PC_OK);
    assert_int_equal(pc_sampling_set(&sampling, "temperature", 0.5), PC_OK);
    assert_int_equal(pc_sampling_set(&sampling, "top_k", 3), PC_OK);
    assert_int_equal(pc_sampling_set(&sampling, "top_p", 0.9), PC_OK);
    assert_int_equal(pc_sampling_set(&sampling, "min_p", 0.1), PC_OK);
    pc_alloc_count();
    float logits[4] = {1, 2, 3, 4};
    int32_t id = 2;
    assert_int_equal(pc_sampling_next(&sampling, logits, &id, 1, &id), PC_OK);
    assert_int_equal(pc_alloc_count(), 0);
    pc_sampling_clear(&sampling);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samplers_equal_transformers),
        cmocka_unit_test(test_ties),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_draw),
        cmocka_unit_test(test_distribution_and_state),
        cmocka_unit_test(test_heaps_equal_sorting),
        cmocka_unit_test(test_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
