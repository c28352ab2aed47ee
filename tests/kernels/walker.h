/* The walker of the kernel tests: runs one node by its reference and by the kernels of every instruction-set level and
 * thread count, and compares: odd sizes, edge and extreme values, guard bytes round each buffer and round the scratch, in
 * place where the operation allows it, and the same bits for 1, 2, 3 and 8 threads. */
#ifndef TESTS_KERNELS_WALKER_H
#define TESTS_KERNELS_WALKER_H

#include "backend/cpu/cpu.h"
#include "base/block_store.h"
#include "base/cpu.h"
#include "base/rng.h"
#include "tensor/op.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { WALKER_LEVELS = 5, WALKER_THREADS = 4, GUARD = 64 };

static const int walker_threads[WALKER_THREADS] = {1, 2, 3, 8};

typedef struct walker {
    pc_backend *backend[WALKER_LEVELS][WALKER_THREADS];
    int levels;
    pc_rng rng;
    /* The case at work. */
    pc_node node;
    pc_tensor in[PC_MAX_INPUTS];
    pc_tensor out[PC_MAX_OUTPUTS];
    void *original[PC_MAX_INPUTS]; /* what the inputs hold before each run */
    char params[256];
    bool accumulate;
    double absolute, relative; /* tolerance: |got - want| <= absolute + relative |want| */
    long checks;
} walker;

static inline int walker_setup(void **state)
{
    static const uint32_t flags[WALKER_LEVELS] = {PC_CPU_NEON, PC_CPU_AVX2, PC_CPU_AVX2 | PC_CPU_AVX512,
                                                  PC_CPU_AVX2 | PC_CPU_AVX512 | PC_CPU_AVX512_VNNI,
                                                  PC_CPU_AVX2 | PC_CPU_AVX512 | PC_CPU_AVX512_VNNI | PC_CPU_AVX512_BF16};
    walker *w = calloc(1, sizeof *w);
    for (int level = 0; w && level < WALKER_LEVELS; level++) {
        if (level > 0 && (pc_cpu_flags() & flags[level]) != flags[level]) {
            break; /* this processor has no more */
        }
        for (int t = 0; t < WALKER_THREADS; t++) {
            if (pc_cpu_backend_new(&w->backend[level][t], walker_threads[t], level ? flags[level] : 1u << 31) != PC_OK) {
                return -1;
            }
        }
        w->levels++;
    }
    *state = w;
    return w ? 0 : -1;
}

static inline int walker_teardown(void **state)
{
    walker *w = *state;
    for (int level = 0; level < w->levels; level++) {
        for (int t = 0; t < WALKER_THREADS; t++) {
            w->backend[level][t]->free(w->backend[level][t]);
        }
    }
    free(w);
    return 0;
}

/* Memory with guard bytes on both sides. */
static inline void *guarded_new(size_t bytes)
{
    char *block = aligned_alloc(64, (bytes + 2 * GUARD + 63) / 64 * 64);
    assert_non_null(block);
    memset(block, 0xa5, GUARD);
    memset(block + GUARD, 0xff, bytes); /* NaN: reading what nobody wrote shows */
    memset(block + GUARD + bytes, 0xa5, GUARD);
    return block + GUARD;
}

static inline void guarded_check(const void *data, size_t bytes, const char *what)
{
    const unsigned char *p = data;
    for (int i = 0; i < GUARD; i++) {
        if (p[-1 - i] != 0xa5 || p[bytes + (size_t)i] != 0xa5) {
            fail_msg("%s: guard byte %d %s was overwritten", what, i, p[-1 - i] != 0xa5 ? "before" : "behind");
        }
    }
}

static inline void guarded_free(void *data) { free(data ? (char *)data - GUARD : NULL); }

static inline void walker_begin(walker *w, const pc_op *op, const void *params)
{
    memset(&w->node, 0, sizeof w->node);
    memset(w->in, 0, sizeof w->in);
    memset(w->out, 0, sizeof w->out);
    if (params) {
        memcpy(w->params, params, op->params_size);
    }
    w->node.op = op;
    w->node.params = w->params;
    w->node.outputs = 1;
    w->accumulate = false;
    w->absolute = 1e-6;
    w->relative = 1e-5;
    pc_rng_init(&w->rng, 7, (uint64_t)w->checks++);
}

static inline pc_tensor *walker_tensor(walker *w, pc_dtype dtype, pc_shape shape)
{
    const int i = w->node.inputs++;
    pc_tensor *tensor = &w->in[i];
    *tensor = (pc_tensor){.name = "", .dtype = dtype, .shape = shape, .max = shape, .storage = PC_STORE_INPUT};
    tensor->data = guarded_new(pc_tensor_bytes(tensor));
    w->original[i] = malloc(pc_tensor_bytes(tensor) + 1);
    w->node.in[i] = tensor;
    return tensor;
}

/* Set what every run starts with. */
static inline void walker_set(walker *w, pc_tensor *tensor, int64_t i, double value)
{
    pc_tensor_set(tensor, i, value);
    memcpy(w->original[tensor - w->in], tensor->data, pc_tensor_bytes(tensor));
}

/* Normal numbers. */
static inline pc_tensor *walker_float(walker *w, pc_dtype dtype, pc_shape shape)
{
    pc_tensor *tensor = walker_tensor(w, dtype, shape);
    for (int64_t i = 0; i < pc_shape_count(&shape); i++) {
        pc_tensor_set(tensor, i, pc_rng_normal(&w->rng));
    }
    memcpy(w->original[tensor - w->in], tensor->data, pc_tensor_bytes(tensor));
    return tensor;
}

/* Normal numbers, rounded into the blocks of a cache. */
static inline pc_tensor *walker_blocks(walker *w, pc_dtype dtype, pc_shape shape)
{
    pc_tensor *tensor = walker_tensor(w, dtype, shape);
    const size_t count = (size_t)pc_shape_count(&shape);
    float *x = malloc((count + 1) * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < count; i++) {
        x[i] = (float)pc_rng_normal(&w->rng);
    }
    pc_block_store(dtype, tensor->data, x, count);
    memcpy(w->original[tensor - w->in], tensor->data, pc_tensor_bytes(tensor));
    free(x);
    return tensor;
}

/* Integers in [0, below). */
static inline pc_tensor *walker_int(walker *w, pc_shape shape, int64_t below)
{
    pc_tensor *tensor = walker_tensor(w, PC_I32, shape);
    for (int64_t i = 0; i < pc_shape_count(&shape); i++) {
        ((int32_t *)tensor->data)[i] = (int32_t)pc_rng_below(&w->rng, (uint64_t)below);
    }
    memcpy(w->original[tensor - w->in], tensor->data, pc_tensor_bytes(tensor));
    return tensor;
}

/* Distinct integers in [0, below). */
static inline pc_tensor *walker_distinct(walker *w, int64_t count, int64_t below)
{
    pc_tensor *tensor = walker_tensor(w, PC_I32, pc_dims(1, count));
    const uint64_t key = pc_rng_u64(&w->rng);
    for (int64_t i = 0; i < count; i++) {
        ((int32_t *)tensor->data)[i] = (int32_t)pc_rng_permute(key, 1, (uint64_t)below, (uint64_t)i);
    }
    memcpy(w->original[tensor - w->in], tensor->data, pc_tensor_bytes(tensor));
    return tensor;
}

static inline void walker_absent(walker *w) { w->node.inputs++; }

static inline void walker_end(walker *w)
{
    for (int i = 0; i < w->node.inputs; i++) {
        if (w->node.in[i]) {
            guarded_free(w->in[i].data);
            free(w->original[i]);
            w->original[i] = NULL;
        }
    }
}

/* Shapes of the outputs, and memory for them (out[0] is in[0]'s when it must be or `in_place`). */
static inline void walker_prepare(walker *w, bool in_place)
{
    for (int i = 0; i < w->node.outputs; i++) {
        w->out[i] = (pc_tensor){.name = "", .dtype = PC_F32, .storage = PC_STORE_PLANNED};
        w->node.out[i] = &w->out[i];
    }
    w->node.accumulate = w->accumulate;
    if (w->node.op->shape(&w->node) != PC_OK) {
        fail_msg("%s: %s", w->node.op->name, pc_error());
    }
    for (int i = 0; i < w->node.inputs; i++) {
        if (w->node.in[i] && pc_shape_equal(&w->in[i].shape, &w->in[i].max)) {
            memcpy(w->in[i].data, w->original[i], pc_tensor_bytes(&w->in[i]));
        }
    }
    for (int i = 0; i < w->node.outputs; i++) {
        pc_tensor *out = &w->out[i];
        out->max = out->shape;
        out->data = i == 0 && (in_place || w->node.op->writes_input) ? w->in[0].data : guarded_new(pc_tensor_bytes(out));
        if (w->accumulate && i == 0) {
            for (int64_t j = 0; j < pc_shape_count(&out->shape); j++) {
                pc_tensor_set(out, j, 0.25 * (double)(j % 7));
            }
        }
    }
}

static inline void walker_release(walker *w)
{
    for (int i = 0; i < w->node.outputs; i++) {
        if (w->out[i].data != w->in[0].data) {
            guarded_check(w->out[i].data, pc_tensor_bytes(&w->out[i]), w->node.op->name);
            guarded_free(w->out[i].data);
        }
    }
    for (int i = 0; i < w->node.inputs; i++) {
        if (w->node.in[i] && pc_shape_equal(&w->in[i].shape, &w->in[i].max)) {
            guarded_check(w->in[i].data, pc_tensor_bytes(&w->in[i]), w->node.op->name);
        }
    }
}

static inline void walker_call(walker *w, const pc_backend *backend)
{
    pc_kernel kernel = backend ? backend->kernel(backend, &w->node) : w->node.op->reference;
    size_t bytes = 0;
    if (!kernel) {
        fail_msg("%s: no kernel", w->node.op->name);
    }
    if (backend) {
        bytes = backend->scratch(backend, &w->node);
    } else if (w->node.op->reference_scratch) {
        bytes = w->node.op->reference_scratch(&w->node);
    }
    void *scratch = guarded_new(bytes);
    pc_call call = {&w->node, backend ? backend->pool : NULL, scratch, bytes};
    kernel(&call);
    guarded_check(scratch, bytes, "scratch");
    guarded_free(scratch);
}

/* All outputs, and inputs that the operation writes, end to end as f32. */
static inline double *walker_results(const walker *w, int64_t *count)
{
    const int writes = w->node.op->writes_input ? w->node.inputs : 0;
    int64_t total = 0;
    for (int i = 0; i < w->node.outputs; i++) {
        total += pc_shape_count(&w->out[i].shape);
    }
    for (int i = 0; i < writes; i++) {
        total += w->node.in[i] ? pc_shape_count(&w->in[i].shape) : 0;
    }
    double *results = malloc((size_t)(total + 1) * sizeof *results);
    *count = 0;
    for (int i = 0; i < w->node.outputs + writes; i++) {
        const pc_tensor *tensor = i < w->node.outputs ? &w->out[i] : w->node.in[i - w->node.outputs];
        for (int64_t j = 0; tensor && j < pc_shape_count(&tensor->shape); j++) {
            results[(*count)++] = pc_tensor_get(tensor, j);
        }
    }
    return results;
}

/* out[0] of one run; free() it. */
static inline float *walker_run(walker *w, int level, int thread_index)
{
    walker_prepare(w, false);
    walker_call(w, w->backend[level][thread_index]);
    const size_t bytes = pc_tensor_bytes(&w->out[0]);
    float *copy = malloc(bytes + 1);
    memcpy(copy, w->out[0].data, bytes);
    walker_release(w);
    return copy;
}

static inline void walker_compare(const walker *w, int level, int threads, const double *got, const double *want,
                                  int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        const bool same = got[i] == want[i] || (isnan(got[i]) && isnan(want[i]))
                          || fabs(got[i] - want[i]) <= w->absolute + w->relative * fabs(want[i]);
        if (!same) {
            char shape[96];
            fail_msg("%s at level %s, %d threads, first input %s: result %lld is %.9g, expected %.9g", w->node.op->name,
                     pc_cpu_backend_level(w->backend[level][0]), threads, pc_shape_text(&w->in[0].shape, shape),
                     (long long)i, got[i], want[i]);
        }
    }
}

/* Compare all levels and thread counts with the reference; ends the case. */
static inline void walker_check(walker *w)
{
    int64_t count, same;
    walker_prepare(w, false);
    walker_call(w, NULL);
    double *want = walker_results(w, &count);
    walker_release(w);
    for (int level = 0; level < w->levels; level++) {
        double *first = NULL;
        for (int t = 0; t < WALKER_THREADS; t++) {
            const bool in_place = w->node.op->in_place && t % 2;
            walker_prepare(w, in_place);
            walker_call(w, w->backend[level][t]);
            double *got = walker_results(w, &same);
            walker_release(w);
            walker_compare(w, level, walker_threads[t], got, want, count);
            if (first && memcmp(first, got, (size_t)count * sizeof *got) != 0) {
                fail_msg("%s at level %d: other bits with %d threads than with 1", w->node.op->name, level,
                         walker_threads[t]);
            }
            if (first) {
                free(got);
            } else {
                first = got;
            }
        }
        free(first);
    }
    free(want);
    walker_end(w);
}

#endif
