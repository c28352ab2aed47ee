/* The thread pool: every item once, any number of threads, items fewer than threads, sleeping and waking. */
#include "base/memory.h"
#include "base/pin.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { MOST = 2000 };

typedef struct job {
    int64_t items;
    int threads;
    int plain[MOST]; /* written without atomics: a race or a lost join would show under the thread sanitizer */
    atomic_int wrong;
} job;

static void count_item(void *context, int64_t item, int thread)
{
    job *j = context;
    if (item < 0 || item >= j->items || thread < 0 || thread >= j->threads) {
        atomic_fetch_add(&j->wrong, 1);
        return;
    }
    j->plain[item]++;
}

static void run_and_check(pc_pool *pool, int64_t items)
{
    static job j;
    memset(j.plain, 0, sizeof j.plain);
    j.items = items;
    j.threads = pc_pool_threads(pool);
    pc_pool_run(pool, items, count_item, &j);
    assert_int_equal(atomic_load(&j.wrong), 0);
    for (int64_t i = 0; i < items; i++) {
        assert_int_equal(j.plain[i], 1);
    }
}

static void sleep_milliseconds(long milliseconds)
{
    nanosleep(&(struct timespec){.tv_nsec = milliseconds * 1000000}, NULL);
}

static void every_item_runs_once(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 8; threads++) {
        pc_pool *pool;
        assert_int_equal(pc_pool_new(&pool, threads), PC_OK);
        assert_int_equal(pc_pool_threads(pool), threads);
        const int64_t sizes[] = {0, 1, 2, 3, 5, 7, 8, 9, 100, MOST};
        for (int round = 0; round < 40; round++) {
            run_and_check(pool, sizes[(size_t)round % (sizeof sizes / sizeof sizes[0])]);
            if (round % 13 == 12) {
                sleep_milliseconds(1); /* the workers fall asleep */
            }
        }
        pc_pool_free(pool);
    }
}

static void many_short_sections(void **state)
{
    (void)state;
    for (int threads = 2; threads <= 8; threads *= 2) {
        pc_pool *pool;
        assert_int_equal(pc_pool_new(&pool, threads), PC_OK);
        for (int round = 0; round < 3000; round++) {
            run_and_check(pool, 1 + round % 5);
        }
        pc_pool_free(pool);
    }
}

static void sleep_on_last_item(void *context, int64_t item, int thread)
{
    (void)thread;
    atomic_int *done = context;
    if (item > 0) {
        sleep_milliseconds(2);
    }
    atomic_fetch_add(done, 1);
}

/* The caller finishes first and must wait, asleep, for the others. */
static void caller_waits_for_slow_items(void **state)
{
    (void)state;
    pc_pool *pool;
    assert_int_equal(pc_pool_new(&pool, 4), PC_OK);
    for (int round = 0; round < 20; round++) {
        atomic_int done = 0;
        pc_pool_run(pool, 4, sleep_on_last_item, &done);
        assert_int_equal(atomic_load(&done), 4);
    }
    pc_pool_free(pool);
}

typedef struct places {
    cpu_set_t of[4]; /* by thread: where it may run */
} places;

static void tell_place(void *context, int64_t item, int thread)
{
    places *p = context;
    (void)item;
    sched_getaffinity(0, sizeof p->of[thread], &p->of[thread]);
    sleep_milliseconds(1); /* so that all threads take some */
}

/* Each thread on one processor that the process had, the caller back where it was afterwards, and nothing lost. */
static void pinned_threads_stay(void **state)
{
    (void)state;
    cpu_set_t before, after, used;
    sched_getaffinity(0, sizeof before, &before);
    for (int threads = 1; threads <= 4; threads++) {
        places p = {0};
        pc_pool *pool;
        assert_int_equal(pc_pool_new(&pool, threads), PC_OK);
        assert_int_equal(pc_pool_pin(pool), PC_OK);
        pc_pool_run(pool, 64, tell_place, &p);
        CPU_ZERO(&used);
        for (int i = 0; i < threads; i++) {
            if (CPU_COUNT(&p.of[i])) { /* it took an item */
                assert_int_equal(CPU_COUNT(&p.of[i]), 1);
                CPU_OR(&used, &used, &p.of[i]);
            }
        }
        CPU_AND(&after, &used, &before);
        assert_true(CPU_EQUAL(&after, &used));
        run_and_check(pool, MOST);
        pc_pool_free(pool);
        sched_getaffinity(0, sizeof after, &after);
        assert_true(CPU_EQUAL(&after, &before));
    }
}

/* With as many threads as processors no two share one. */
static void pinned_threads_spread(void **state)
{
    (void)state;
    cpu_set_t before, used;
    sched_getaffinity(0, sizeof before, &before);
    if (CPU_COUNT(&before) < 2) {
        skip();
    }
    places p = {0};
    pc_pool *pool;
    assert_int_equal(pc_pool_new(&pool, 2), PC_OK);
    assert_int_equal(pc_pool_pin(pool), PC_OK);
    while (!CPU_COUNT(&p.of[0]) || !CPU_COUNT(&p.of[1])) {
        pc_pool_run(pool, 64, tell_place, &p);
    }
    CPU_AND(&used, &p.of[0], &p.of[1]);
    assert_int_equal(CPU_COUNT(&used), 0);
    pc_pool_free(pool);
}

static void pool_may_be_missing_or_unused(void **state)
{
    (void)state;
    assert_int_equal(pc_pool_threads(NULL), 1);
    run_and_check(NULL, 10);
    pc_pool_free(NULL);
    for (int round = 0; round < 50; round++) {
        pc_pool *pool;
        assert_int_equal(pc_pool_new(&pool, 1 + round % 4), PC_OK);
        pc_pool_free(pool);
    }
    pc_pool *pool;
    assert_int_equal(pc_pool_new(&pool, 0), PC_OK);
    assert_true(pc_pool_threads(pool) >= 1);
    run_and_check(pool, 50);
    pc_pool_free(pool);
    assert_int_equal(pc_pool_new(&pool, -1), PC_ERR_USAGE);
    assert_null(pool);
    assert_int_equal(pc_pool_new(&pool, 100000), PC_ERR_USAGE);
    for (long n = 1; n <= 2; n++) {
        pc_alloc_fail_at(n, false);
        assert_int_equal(pc_pool_new(&pool, 3), PC_ERR_MEMORY);
        assert_null(pool);
    }
    pc_alloc_fail_at(0, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_item_runs_once),
        cmocka_unit_test(many_short_sections),
        cmocka_unit_test(caller_waits_for_slow_items),
        cmocka_unit_test(pool_may_be_missing_or_unused),
        cmocka_unit_test(pinned_threads_stay),
        cmocka_unit_test(pinned_threads_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
