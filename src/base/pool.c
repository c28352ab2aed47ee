/* The thread pool.
 *
 *   caller                                   worker
 *   write run, context, items, next = 0      wait until `epoch` moves (spin, then sleep)
 *   gate = OPEN                              gate: OPEN|n -> OPEN|n+1, or go back to waiting if it is shut
 *   epoch++, wake sleepers                   take items by next++ until none is left
 *   take items by next++                     gate: n -> n-1; the last one wakes a sleeping caller
 *   gate &= ~OPEN, wait until it is 0
 *
 * A worker that wakes too late finds the gate shut and touches nothing: the caller never waits for a thread that has
 * no item. Sleeping follows the pattern "announce, then look again" on both sides with sequentially consistent
 * operations, so no wake-up is lost. */
#include "base/pin.h"

#include "base/memory.h"

#include <errno.h>
#include <hwloc.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

enum {
    GATE_OPEN = 1 << 30,
    SPIN_NANOSECONDS = 40000, /* longer than the gap between two operations of a graph, shorter than a time slice */
    SPIN_CHECK = 32,          /* pauses between two looks at the clock */
    THREADS_MOST = 1024,
    CACHE_LINE = 64,
};

typedef struct worker {
    pc_pool *pool;
    pthread_t thread;
    int index; /* 1 .. threads-1; the caller is 0 */
} worker;

struct pc_pool {
    int threads;
    int started; /* workers whose threads exist */
    bool spin;   /* false when there are more threads than processors */
    worker *workers;
    cpu_set_t before; /* processors of the caller's thread before it was pinned */
    bool pinned;

    pc_pool_work run; /* written while the gate is shut, read inside it */
    void *context;
    int64_t items;

    /* Each in a cache line of its own: `next` is written by all threads for each item. */
    char pad0[CACHE_LINE];
    atomic_llong next;
    char pad1[CACHE_LINE];
    atomic_int gate;
    char pad2[CACHE_LINE];
    atomic_uint epoch;
    atomic_int sleepers;
    atomic_bool stop;
    atomic_bool caller_sleeps;
    char pad3[CACHE_LINE];

    pthread_mutex_t lock;
    pthread_cond_t wake; /* workers wait here for a new epoch */
    pthread_cond_t idle; /* the caller waits here for an empty gate */
};

static inline void cpu_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int64_t now_nanoseconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static bool has_news(pc_pool *pool, unsigned seen)
{
    return atomic_load(&pool->epoch) != seen || atomic_load(&pool->stop);
}

static bool gate_is_empty(pc_pool *pool, unsigned unused)
{
    (void)unused;
    return atomic_load(&pool->gate) == 0;
}

/* Spin until the condition holds or the time is over; tells whether it holds. */
static bool spin_until(pc_pool *pool, bool (*holds)(pc_pool *, unsigned), unsigned seen)
{
    if (holds(pool, seen)) {
        return true;
    }
    if (!pool->spin) {
        return false;
    }
    int64_t end = now_nanoseconds() + SPIN_NANOSECONDS;
    do {
        for (int i = 0; i < SPIN_CHECK; i++) {
            cpu_pause();
            if (holds(pool, seen)) {
                return true;
            }
        }
    } while (now_nanoseconds() < end);
    return false;
}

static void wait_for_news(pc_pool *pool, unsigned seen)
{
    if (spin_until(pool, has_news, seen)) {
        return;
    }
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add(&pool->sleepers, 1);
    while (!has_news(pool, seen)) {
        pthread_cond_wait(&pool->wake, &pool->lock);
    }
    atomic_fetch_sub(&pool->sleepers, 1);
    pthread_mutex_unlock(&pool->lock);
}

static void take_items(pc_pool *pool, int thread)
{
    for (;;) {
        int64_t item = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
        if (item >= pool->items) {
            return;
        }
        pool->run(pool->context, item, thread);
    }
}

static bool enter_gate(pc_pool *pool)
{
    int gate = atomic_load(&pool->gate);
    while (gate & GATE_OPEN) {
        if (atomic_compare_exchange_weak(&pool->gate, &gate, gate + 1)) {
            return true;
        }
    }
    return false;
}

static void leave_gate(pc_pool *pool)
{
    if (atomic_fetch_sub(&pool->gate, 1) == 1 && atomic_load(&pool->caller_sleeps)) {
        pthread_mutex_lock(&pool->lock);
        pthread_cond_signal(&pool->idle);
        pthread_mutex_unlock(&pool->lock);
    }
}

static void *work(void *argument)
{
    worker *self = argument;
    pc_pool *pool = self->pool;
    unsigned seen = 0;
    while (!atomic_load(&pool->stop)) {
        wait_for_news(pool, seen);
        seen = atomic_load(&pool->epoch);
        if (enter_gate(pool)) {
            take_items(pool, self->index);
            leave_gate(pool);
        }
    }
    return NULL;
}

static int processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) {
        return 1;
    }
    int count = CPU_COUNT(&set);
    return count > 0 ? count : 1;
}

static pc_status start_workers(pc_pool *pool)
{
    /* Signals are for the program's own thread. */
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int error = 0;
    for (int i = 0; i < pool->threads - 1 && !error; i++) {
        pool->workers[i] = (worker){.pool = pool, .index = i + 1};
        error = pthread_create(&pool->workers[i].thread, NULL, work, &pool->workers[i]);
        pool->started += !error;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return error ? pc_fail(PC_ERR_MEMORY, "thread %d of %d cannot be started: %s", pool->started + 2, pool->threads,
                           strerror(error))
                 : PC_OK;
}

pc_status pc_pool_new(pc_pool **out, int threads)
{
    pc_pool *pool = NULL;
    pc_status status;
    *out = NULL;
    if (threads < 0 || threads > THREADS_MOST) {
        return pc_fail(PC_ERR_USAGE, "the number of threads is %d; expected 0 (all processors) to %d", threads,
                       THREADS_MOST);
    }
    int available = processors();
    PC_TRY(PC_NEW(pool, "a thread pool"));
    pool->threads = threads ? threads : available > THREADS_MOST ? THREADS_MOST : available;
    pool->spin = pool->threads <= available;
    pthread_mutex_init(&pool->lock, NULL); /* these three cannot fail with default attributes */
    pthread_cond_init(&pool->wake, NULL);
    pthread_cond_init(&pool->idle, NULL);
    PC_GO(PC_NEW_ARRAY(pool->workers, (size_t)pool->threads, "the workers of a thread pool"));
    PC_GO(start_workers(pool));
    *out = pool;
    return PC_OK;
done:
    pc_pool_free(pool);
    return status;
}

/* Bind thread `index` to the first processor of a set. */
static int pin_thread(pc_pool *pool, hwloc_topology_t topology, int index, hwloc_bitmap_t set)
{
    const pthread_t thread = index ? pool->workers[index - 1].thread : pthread_self();
    hwloc_bitmap_singlify(set);
    return hwloc_set_thread_cpubind(topology, thread, set, 0) == 0 ? 0 : errno;
}

static int pin_all(pc_pool *pool, hwloc_topology_t topology, hwloc_bitmap_t *sets)
{
    hwloc_obj_t root = hwloc_get_root_obj(topology);
    int error = hwloc_distrib(topology, &root, 1, sets, (unsigned)pool->threads, INT_MAX, 0) == 0 ? 0 : EINVAL;
    for (int i = 0; i < pool->threads; i++) {
        if (sets[i]) {
            error = error ? error : pin_thread(pool, topology, i, sets[i]);
            hwloc_bitmap_free(sets[i]);
        }
    }
    return error;
}

static void unpin(pc_pool *pool)
{
    if (pool->pinned) {
        pthread_setaffinity_np(pthread_self(), sizeof pool->before, &pool->before);
    }
    pool->pinned = false;
}

/* hwloc sees the processors that this process may use (control groups, affinity), packages, caches and cores. */
pc_status pc_pool_pin(pc_pool *pool)
{
    hwloc_topology_t topology;
    hwloc_bitmap_t *sets = NULL;
    PC_TRY(PC_NEW_ARRAY(sets, (size_t)pool->threads, "the processors of a thread pool"));
    int error = pthread_getaffinity_np(pthread_self(), sizeof pool->before, &pool->before);
    if (!error && hwloc_topology_init(&topology) != 0) {
        error = ENOMEM;
    } else if (!error) {
        hwloc_topology_set_flags(topology, HWLOC_TOPOLOGY_FLAG_RESTRICT_TO_CPUBINDING);
        error = hwloc_topology_load(topology) == 0 ? 0 : EIO;
        error = error ? error : pin_all(pool, topology, sets);
        hwloc_topology_destroy(topology);
        pool->pinned = true;
    }
    pc_free(sets);
    if (!error) {
        return PC_OK;
    }
    for (int i = 0; pool->pinned && i < pool->started; i++) {
        pthread_setaffinity_np(pool->workers[i].thread, sizeof pool->before, &pool->before);
    }
    unpin(pool);
    return pc_fail(PC_ERR_IO, "threads cannot be bound to processors: %s", strerror(error));
}

void pc_pool_free(pc_pool *pool)
{
    if (!pool) {
        return;
    }
    unpin(pool);
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->stop, true);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->started; i++) {
        pthread_join(pool->workers[i].thread, NULL);
    }
    pthread_cond_destroy(&pool->idle);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    pc_free(pool->workers);
    pc_free(pool);
}

int pc_pool_threads(const pc_pool *pool)
{
    return pool ? pool->threads : 1;
}

/* Wake as many sleepers as can find an item beside the caller's. */
static void wake_workers(pc_pool *pool, int64_t items)
{
    int sleepers = atomic_load(&pool->sleepers);
    if (sleepers == 0) {
        return;
    }
    pthread_mutex_lock(&pool->lock);
    if (items - 1 >= sleepers) {
        pthread_cond_broadcast(&pool->wake);
    } else {
        for (int64_t i = 0; i < items - 1; i++) {
            pthread_cond_signal(&pool->wake);
        }
    }
    pthread_mutex_unlock(&pool->lock);
}

static void wait_until_idle(pc_pool *pool)
{
    if (spin_until(pool, gate_is_empty, 0)) {
        return;
    }
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->caller_sleeps, true);
    while (!gate_is_empty(pool, 0)) {
        pthread_cond_wait(&pool->idle, &pool->lock);
    }
    atomic_store(&pool->caller_sleeps, false);
    pthread_mutex_unlock(&pool->lock);
}

void pc_pool_run(pc_pool *pool, int64_t items, pc_pool_work run, void *context)
{
    if (!pool || pool->threads == 1 || items <= 1) {
        for (int64_t item = 0; item < items; item++) {
            run(context, item, 0);
        }
        return;
    }
    pool->run = run;
    pool->context = context;
    pool->items = items;
    atomic_store(&pool->next, 0);
    atomic_store(&pool->gate, GATE_OPEN);
    atomic_fetch_add(&pool->epoch, 1);
    wake_workers(pool, items);
    take_items(pool, 0);
    atomic_fetch_and(&pool->gate, ~GATE_OPEN);
    wait_until_idle(pool);
}
