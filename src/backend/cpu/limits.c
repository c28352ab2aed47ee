/* What the machine can do at most, measured with all threads at once: independent multiply-adds of each kind, and reading
 * memory that no cache holds. */
#include "backend/cpu/cpu.h"

#include "backend/cpu/node.h"
#include "base/memory.h"

#include <string.h>
#include <time.h>

enum {
    ROUNDS = 300000,       /* of multiply-adds in a measurement */
    REPEATS = 7,           /* the best counts: other processes only slow it down */
    STREAMS = 4,           /* places of memory that a thread reads in turn */
    STREAM_PIECE = 1024,   /* floats read at one place before the next has its turn */
    READ_BYTES = 256 << 20, /* in all; far more than a cache */
};

typedef double (*peak_of)(int64_t rounds);

typedef struct measurement {
    const pc_cpu_rows *rows;
    peak_of peak;
    double *operations; /* [threads] */
    const float *memory;
    int64_t floats; /* of a thread */
} measurement;

static double seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void run_peak(void *context, int64_t item, int thread)
{
    const measurement *m = context;
    (void)thread;
    m->operations[item] = m->peak(ROUNDS);
}

static double best_peak(const pc_backend *backend, measurement *m, peak_of peak)
{
    const int threads = pc_pool_threads(backend->pool);
    double best = 0;
    m->peak = peak;
    for (int i = 0; peak && i < REPEATS; i++) {
        double begin = seconds(), sum = 0;
        pc_pool_run(backend->pool, threads, run_peak, m);
        double rate = 1 / (seconds() - begin);
        for (int t = 0; t < threads; t++) {
            sum += m->operations[t];
        }
        best = sum * rate > best ? sum * rate : best;
    }
    return best;
}

static void run_read(void *context, int64_t item, int thread)
{
    const measurement *m = context;
    const int64_t part = m->floats / STREAMS;
    const float *begin = m->memory + item * m->floats;
    float sum = 0;
    (void)thread;
    for (int64_t i = 0; i + STREAM_PIECE <= part; i += STREAM_PIECE) {
        for (int s = 0; s < STREAMS; s++) {
            sum += m->rows->sum(begin + s * part + i, STREAM_PIECE);
        }
    }
    m->operations[item] = sum; /* so that nothing is left out */
}

static pc_status best_read(const pc_backend *backend, measurement *m, double *out)
{
    const int threads = pc_pool_threads(backend->pool);
    void *memory = NULL;
    PC_TRY(pc_pages_new(&memory, READ_BYTES, "a measurement"));
    memset(memory, 0, READ_BYTES); /* pages that were never written are all the same one */
    m->memory = memory;
    m->floats = READ_BYTES / (int64_t)sizeof(float) / threads;
    *out = 0;
    for (int i = 0; i < REPEATS; i++) {
        double begin = seconds();
        pc_pool_run(backend->pool, threads, run_read, m);
        double rate = (double)threads * (double)m->floats * sizeof(float) / (seconds() - begin);
        *out = rate > *out ? rate : *out;
    }
    pc_pages_free(memory, READ_BYTES);
    return PC_OK;
}

pc_status pc_cpu_measure_limits(const pc_backend *backend, pc_cpu_limits *out)
{
    const pc_cpu_level *level = pc_cpu_level_of(backend);
    measurement m = {.rows = level->rows};
    PC_TRY(PC_NEW_ARRAY(m.operations, (size_t)pc_pool_threads(backend->pool), "a measurement"));
    *out = (pc_cpu_limits){
        .f32 = best_peak(backend, &m, level->rows->peak),
        .bf16 = best_peak(backend, &m, level->peak_bf16 ? level->peak_bf16 : level->rows->peak),
        .int8 = best_peak(backend, &m, level->int8->peak),
    };
    pc_status status = best_read(backend, &m, &out->read);
    pc_free(m.operations);
    return status;
}
