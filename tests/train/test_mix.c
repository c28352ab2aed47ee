/* Shares of datasets by their sizes. */
#include "train/mix.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_weights(const double *found, const double *expected, int count)
{
    for (int i = 0; i < count; i++) {
        assert_float_equal(found[i], expected[i], 1e-9);
    }
}

static void test_roots(void **state)
{
    static const int64_t sizes[] = {100, 10000, 0, 1};
    static const double root[] = {10, 100, 0, 1}, by_size[] = {100, 10000, 0, 1}, corrected[] = {5, 300, 0, 0};
    static const double factors[] = {0.5, 3, 7, 0};
    double weights[4];
    (void)state;
    pc_mix_weights(weights, sizes, NULL, 4, 2);
    assert_weights(weights, root, 4);
    pc_mix_weights(weights, sizes, NULL, 4, 1);
    assert_weights(weights, by_size, 4);
    pc_mix_weights(weights, sizes, factors, 4, 2);
    assert_weights(weights, corrected, 4);
    pc_mix_weights(weights, sizes, NULL, 4, 1e6);
    assert_float_equal(weights[0] / weights[1], 1, 1e-4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_roots)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
