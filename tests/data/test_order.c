/* The order of samples: permutations, shares, replacements. */
#include "base/memory.h"
#include "data/dataset_case.h"
#include "data/order.h"

#include <math.h>

enum { MOST = 64 };

/* seen[d][i] += how often epoch `epoch` draws sample i of dataset d. */
static void draw_epoch(const pc_order *order, uint64_t epoch, int seen[3][MOST])
{
    for (int64_t n = 0; n < order->total; n++) {
        int dataset;
        int64_t sample;
        pc_order_at(order, epoch * (uint64_t)order->total + (uint64_t)n, &dataset, &sample);
        assert_in_range(dataset, 0, order->count - 1);
        assert_in_range(sample, 0, order->parts[dataset].size - 1);
        seen[dataset][sample]++;
    }
}

static void test_by_size(void **state)
{
    static const int64_t sizes[] = {10, 0, 53};
    pc_order order;
    int differ = 0;
    (void)state;
    must(pc_order_init(&order, sizes, NULL, 3, 7));
    assert_int_equal(order.total, 63);
    for (uint64_t epoch = 0; epoch < 4; epoch++) {
        int seen[3][MOST] = {{0}};
        draw_epoch(&order, epoch, seen);
        for (int d = 0; d < 3; d++) {
            for (int i = 0; i < sizes[d]; i++) {
                assert_int_equal(seen[d][i], 1);
            }
        }
    }
    for (uint64_t n = 0; n < 63; n++) {
        int a, b;
        int64_t x, y;
        pc_order_at(&order, n, &a, &x);
        pc_order_at(&order, n + 63, &b, &y);
        differ += a != b || x != y;
    }
    assert_true(differ > 40); /* shuffled anew */
    pc_order_clear(&order);
}

static void test_by_share(void **state)
{
    static const int64_t sizes[] = {10, 40, 14};
    static const double weights[] = {3, 0, 1};
    int seen[3][MOST] = {{0}};
    pc_order order;
    (void)state;
    must(pc_order_init(&order, sizes, weights, 3, 7));
    assert_int_equal(order.total, 64);
    assert_int_equal(order.parts[0].share, 48);
    assert_int_equal(order.parts[1].share, 0);
    assert_int_equal(order.parts[2].share, 16);
    for (uint64_t epoch = 0; epoch < 7; epoch++) {
        draw_epoch(&order, epoch, seen);
    }
    /* 7 epochs hold 336 = 33 * 10 + 6 draws of the first and 112 = 8 * 14 of the last: each sample as often as the
     * others, or once more. */
    for (int i = 0; i < 10; i++) {
        assert_in_range(seen[0][i], 33, 34);
    }
    for (int i = 0; i < 14; i++) {
        assert_int_equal(seen[2][i], 8);
    }
    pc_order_clear(&order);
}

static void test_replacements(void **state)
{
    static const int64_t sizes[] = {20, 30};
    bool hit[2][30] = {{0}};
    pc_order order;
    (void)state;
    must(pc_order_init(&order, sizes, NULL, 2, 7));
    for (int attempt = 0; attempt < 400; attempt++) {
        int dataset;
        int64_t sample;
        pc_order_instead(&order, 5, attempt, &dataset, &sample);
        assert_in_range(sample, 0, sizes[dataset] - 1);
        hit[dataset][sample] = true;
    }
    int all = 0;
    for (int d = 0; d < 2; d++) {
        for (int i = 0; i < sizes[d]; i++) {
            all += hit[d][i];
        }
    }
    assert_true(all > 45);
    pc_order_clear(&order);
}

static void test_refusals(void **state)
{
    static const int64_t sizes[] = {10, 0}, none[] = {0, 0}, huge[] = {INT64_MAX, 1};
    static const double bad[][2] = {{-1, 0}, {0, 0}, {NAN, 0}, {INFINITY, 0}};
    static const double empty[] = {1, 1};
    pc_order order;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        must_fail(pc_order_init(&order, sizes, bad[i], 2, 1), PC_ERR_USAGE, "share");
    }
    must_fail(pc_order_init(&order, sizes, empty, 2, 1), PC_ERR_DATA, "dataset 2");
    must_fail(pc_order_init(&order, none, NULL, 2, 1), PC_ERR_DATA, "no samples");
    must_fail(pc_order_init(&order, huge, NULL, 2, 1), PC_ERR_DATA, "too many");
    assert_null(order.parts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_size),
        cmocka_unit_test(test_by_share),
        cmocka_unit_test(test_replacements),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
