/* Philox against the published vectors, and what is built on it; number types. */
#include "base/dtype.h"
#include "base/rng.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* kat_vectors of the Random123 distribution, philox4x32 with 10 rounds. */
static void philox_known_answers(void **state)
{
    (void)state;
    const struct { uint64_t seed, stream, counter; uint32_t expected[4]; } cases[] = {
        {0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {UINT64_MAX, UINT64_MAX, UINT64_MAX, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88, {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < 3; i++) {
        uint32_t words[4];
        pc_philox(cases[i].seed, cases[i].stream, cases[i].counter, words);
        assert_memory_equal(words, cases[i].expected, sizeof words);
    }
}

static void saved_state_goes_on(void **state)
{
    (void)state;
    for (int draws = 0; draws < 9; draws++) {
        pc_rng first;
        pc_rng_init(&first, 42, 7);
        for (int i = 0; i < draws; i++) {
            pc_rng_u32(&first);
        }
        pc_rng second;
        pc_rng_init(&second, first.seed, first.stream);
        second.counter = first.counter;
        for (int i = 0; i < 20; i++) {
            assert_int_equal(pc_rng_u32(&first), pc_rng_u32(&second));
        }
    }
    pc_rng a, b;
    pc_rng_init(&a, 42, 7);
    pc_rng_init(&b, 42, 8);
    assert_true(pc_rng_u64(&a) != pc_rng_u64(&b));
}

static void numbers_are_distributed(void **state)
{
    (void)state;
    enum { COUNT = 100000 };
    pc_rng rng;
    pc_rng_init(&rng, 1, 2);
    int counts[7] = {0};
    double sum = 0, squares = 0, uniform = 0;
    for (int i = 0; i < COUNT; i++) {
        uint64_t value = pc_rng_below(&rng, 7);
        assert_true(value < 7);
        counts[value]++;
        double u = pc_rng_uniform(&rng);
        assert_true(u >= 0 && u < 1);
        uniform += u;
        double z = pc_rng_normal(&rng);
        assert_true(isfinite(z));
        sum += z;
        squares += z * z;
    }
    for (int i = 0; i < 7; i++) {
        assert_true(abs(counts[i] - COUNT / 7) < 600); /* 5 standard deviations */
    }
    assert_true(fabs(uniform / COUNT - 0.5) < 0.005);
    assert_true(fabs(sum / COUNT) < 0.02);
    assert_true(fabs(squares / COUNT - 1) < 0.03);
    assert_int_equal(pc_rng_below(&rng, 0), 0);
    assert_int_equal(pc_rng_below(&rng, 1), 0);
    assert_true(pc_rng_below(&rng, UINT64_MAX) < UINT64_MAX);
}

static void permutation_is_a_bijection(void **state)
{
    (void)state;
    static unsigned char seen[5000];
    const uint64_t sizes[] = {0, 1, 2, 3, 4, 5, 16, 17, 100, 1000, 4096, 4097, 5000};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        for (uint64_t stream = 0; stream < 3; stream++) {
            uint64_t moved = 0;
            memset(seen, 0, sizeof seen);
            for (uint64_t i = 0; i < sizes[s]; i++) {
                uint64_t to = pc_rng_permute(99, stream, sizes[s], i);
                assert_true(to < sizes[s]);
                assert_int_equal(seen[to]++, 0);
                moved += to != i;
            }
            assert_true(sizes[s] < 100 || moved > sizes[s] * 9 / 10);
        }
    }
    assert_int_equal(pc_rng_permute(1, 1, 0, 0), 0);
    assert_true(pc_rng_permute(1, 1, UINT64_MAX, 12345) < UINT64_MAX);
}

static void half_floats_round_trip(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits < 0x10000; bits++) {
        float value = pc_f16_to_f32((pc_f16)bits);
        bool nan = (bits & 0x7c00) == 0x7c00 && (bits & 0x3ff);
        if (nan) {
            assert_true(isnan(value));
            assert_true(isnan(pc_f16_to_f32(pc_f32_to_f16(value))));
        } else {
            assert_int_equal(pc_f32_to_f16(value), bits);
        }
        float wide = pc_bf16_to_f32((pc_bf16)bits);
        if (isnan(wide)) {
            assert_true(isnan(pc_bf16_to_f32(pc_f32_to_bf16(wide))));
        } else {
            assert_int_equal(pc_f32_to_bf16(wide), bits);
        }
    }
}

/* Half way between neighbours goes to the even one; a little beside it to the nearer one. */
static void half_floats_round_to_nearest_even(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits < 0x7bff; bits++) {
        double low = pc_f16_to_f32((pc_f16)bits);
        double high = pc_f16_to_f32((pc_f16)(bits + 1));
        float middle = (float)((low + high) / 2); /* exact */
        assert_int_equal(pc_f32_to_f16(middle), bits + (bits & 1));
        assert_int_equal(pc_f32_to_f16(nextafterf(middle, 0)), bits);
        assert_int_equal(pc_f32_to_f16(nextafterf(middle, INFINITY)), bits + 1);
        assert_int_equal(pc_f32_to_f16(-nextafterf(middle, INFINITY)), 0x8000 | (bits + 1));
    }
    assert_int_equal(pc_f32_to_f16(65519.996f), 0x7bff);
    assert_int_equal(pc_f32_to_f16(65520.0f), 0x7c00);
    assert_int_equal(pc_f32_to_f16(-1e30f), 0xfc00);
    assert_int_equal(pc_f32_to_f16(0x1p-149f), 0);
}

static void types_have_names_and_convert(void **state)
{
    (void)state;
    const size_t sizes[PC_DTYPE_COUNT] = {4, 2, 2, 8, 4, 8, 1, 1, 18, 20, 22, 24, 34, 84, 110, 144, 176, 210, 18, 136};
    for (int i = 0; i < PC_DTYPE_COUNT; i++) {
        assert_int_equal(pc_dtype_size((pc_dtype)i), sizes[i]);
        assert_int_equal(pc_dtype_from_name(pc_dtype_name((pc_dtype)i)), i);
        assert_int_equal(pc_dtype_from_name(pc_dtype_safetensors_name((pc_dtype)i)), i);
    }
    assert_int_equal(pc_dtype_from_name("f8"), -1);
    const pc_dtype types[] = {PC_F32, PC_BF16, PC_F16, PC_F64};
    const float values[5] = {0, 1.5f, -2, 0.25f, 1024};
    for (size_t t = 0; t < 4; t++) {
        char raw[41];
        float back[5];
        pc_convert_from_f32(raw + 1, types[t], values, 5); /* any alignment */
        pc_convert_to_f32(back, raw + 1, types[t], 5);
        assert_memory_equal(back, values, sizeof values);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_known_answers),       cmocka_unit_test(saved_state_goes_on),
        cmocka_unit_test(numbers_are_distributed),    cmocka_unit_test(permutation_is_a_bijection),
        cmocka_unit_test(half_floats_round_trip),     cmocka_unit_test(half_floats_round_to_nearest_even),
        cmocka_unit_test(types_have_names_and_convert),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
