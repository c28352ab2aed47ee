/* The backend object: picks the level by CPU flags, finds kernels, packs parameters, measures the peak. */
#include "backend/cpu/cpu.h"

#include "backend/cpu/node.h"
#include "base/cpu.h"
#include "base/file.h"
#include "base/memory.h"

#include <stdio.h>
#include <time.h>

/* --- levels, lowest first --- */

#if defined(__x86_64__)
#define PC_CPU_LEVELS(X) X(c) X(avx2) X(avx512) X(avx512vnni) X(avx512bf16)
#else
#define PC_CPU_LEVELS(X) X(c)
#endif

#define LEVEL_INDEX(level) LEVEL_##level,
enum { PC_CPU_LEVELS(LEVEL_INDEX) LEVEL_COUNT };
#undef LEVEL_INDEX

#define LEVEL_POINTER(level) &pc_cpu_level_##level,
static const pc_cpu_level *const levels[LEVEL_COUNT] = {PC_CPU_LEVELS(LEVEL_POINTER)};
#undef LEVEL_POINTER

static int level_for(uint32_t flags)
{
    const uint32_t all = pc_cpu_flags();
    const uint32_t usable = flags ? flags & all : all;
    int best = 0;
    for (int i = 0; i < LEVEL_COUNT; i++) {
        if ((levels[i]->flags & ~usable) == 0) {
            best = i;
        }
    }
    return best;
}

/* --- kernels: a pc_kernel knows no level, so that each pair of kernel and level has a function of its own --- */

#define RUN_AT(name, level) \
    static void run_##name##_##level(const pc_call *call) { pc_cpu_kernel_##name.run(call, &pc_cpu_level_##level); }
#if defined(__x86_64__)
#define RUN_AT_ALL(name) \
    RUN_AT(name, c) RUN_AT(name, avx2) RUN_AT(name, avx512) RUN_AT(name, avx512vnni) RUN_AT(name, avx512bf16)
#define RUNS(name) {run_##name##_c, run_##name##_avx2, run_##name##_avx512, run_##name##_avx512vnni, run_##name##_avx512bf16}
#else
#define RUN_AT_ALL(name) RUN_AT(name, c)
#define RUNS(name) {run_##name##_c}
#endif

#define PC_CPU_KERNEL(name)                           \
    extern const pc_cpu_kernel pc_cpu_kernel_##name;  \
    RUN_AT_ALL(name)
#include "backend/cpu/list.h"
#undef PC_CPU_KERNEL

typedef struct entry {
    const pc_cpu_kernel *kernel;
    pc_kernel run[LEVEL_COUNT];
} entry;

#define PC_CPU_KERNEL(name) {&pc_cpu_kernel_##name, RUNS(name)},
static const entry entries[] = {
#include "backend/cpu/list.h"
};
#undef PC_CPU_KERNEL

typedef struct state {
    int level;
} state;

const pc_cpu_level *pc_cpu_level_of(const pc_backend *backend) { return levels[((const state *)backend->state)->level]; }

bool pc_cpu_plain(const pc_node *node)
{
    for (int i = 0; i < node->inputs; i++) {
        if (node->in[i] && node->in[i]->dtype != PC_F32 && node->in[i]->dtype != PC_I32) {
            return false;
        }
    }
    for (int i = 0; i < node->outputs; i++) {
        if (node->out[i] && node->out[i]->dtype != PC_F32 && node->out[i]->dtype != PC_I32) {
            return false;
        }
    }
    return true;
}

static const entry *find_entry(const pc_node *node)
{
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
        const pc_cpu_kernel *kernel = entries[i].kernel;
        if (kernel->op == node->op && (kernel->supports ? kernel->supports(node) : pc_cpu_plain(node))) {
            return &entries[i];
        }
    }
    return NULL;
}

static pc_kernel find_kernel(const pc_backend *backend, const pc_node *node)
{
    const entry *found = find_entry(node);
    return found ? found->run[((const state *)backend->state)->level] : NULL;
}

static size_t scratch_bytes(const pc_backend *backend, const pc_node *node)
{
    const entry *found = find_entry(node);
    if (!found || !found->kernel->scratch) {
        return 0;
    }
    return found->kernel->scratch(node, pc_cpu_level_of(backend), pc_pool_threads(backend->pool));
}

/* --- packed parameters --- */

typedef struct packing {
    const pc_cpu_packed *packed;
    pc_cpu_matrix source;
} packing;

/* Of a panel. */
static int64_t units_of(const pc_cpu_packed *packed)
{
    return pc_ceil_div(packed->k, packed->gemm->pairs ? 2 : packed->gemm->unit);
}

static void pack_item(void *context, int64_t item, int thread)
{
    const packing *work = context;
    const pc_cpu_packed *packed = work->packed;
    const pc_cpu_gemm *gemm = packed->gemm;
    const int64_t units = units_of(packed), panels = pc_ceil_div(packed->n, gemm->cols);
    const int64_t matrix = item / panels, row = item % panels * gemm->cols;
    pc_cpu_matrix source = work->source;
    (void)thread;
    source.data = (const char *)source.data
                  + pc_dtype_size(source.dtype) * (size_t)((matrix * packed->n + row) * source.row_stride);
    (gemm->pairs ? gemm->pairs->pack : gemm->pack)((float *)packed->panels + matrix * packed->floats + row * units, gemm->cols,
                                                   &source, pc_least(gemm->cols, packed->n - row), packed->k);
}

static void unpack(const pc_backend *backend, pc_param *param)
{
    pc_cpu_packed *packed = param->packed;
    (void)backend;
    if (packed) {
        if (!packed->borrowed) {
            pc_pages_free(packed->panels, packed->bytes);
        }
        pc_free(packed);
        param->packed = NULL;
    }
}

/* *out without panels, which are to be made or taken; NULL for a parameter that gains nothing by them. */
static pc_status prepare(pc_cpu_packed **out, const pc_backend *backend, pc_param *param, pc_dtype compute)
{
    const pc_cpu_level *level = pc_cpu_level_of(backend);
    const pc_cpu_gemm *gemm = compute == PC_BF16 ? level->bf16 : level->f32;
    const bool is_float = param->dtype == PC_F32 || param->dtype == PC_BF16 || param->dtype == PC_F16;
    const int stack = param->shape.ndim == 3; /* dims before N */
    const int64_t count = stack ? param->shape.dim[0] : 1, n = param->shape.ndim >= 2 ? param->shape.dim[stack] : 0;
    const int64_t k = n > 0 && count > 0 ? pc_shape_count(&param->shape) / n / count : 0;
    pc_cpu_packed *packed = NULL;
    *out = NULL;
    if (param->trains || !is_float || n == 0 || k == 0) {
        return PC_OK;
    }
    unpack(backend, param);
    const int64_t panels = pc_ceil_div(n, gemm->cols);
    PC_TRY(PC_NEW(packed, "a packed parameter"));
    *packed = (pc_cpu_packed){.gemm = gemm, .compute = compute, .count = count, .n = n, .k = k};
    const int64_t units = units_of(packed);
    size_t rows = 0, matrix = 0;
    if (!pc_mul_size((size_t)panels, (size_t)gemm->cols * sizeof(float), &rows)
        || !pc_mul_size(rows, (size_t)units, &matrix) || !pc_mul_size(matrix, (size_t)count, &packed->bytes)) {
        pc_free(packed);
        return pc_fail(PC_ERR_MEMORY, "the packed form of '%s' is too large", param->name ? param->name : "");
    }
    packed->floats = panels * gemm->cols * units;
    *out = packed;
    return PC_OK;
}

static pc_status pack(const pc_backend *backend, pc_param *param, pc_dtype compute)
{
    pc_cpu_packed *packed;
    PC_TRY(prepare(&packed, backend, param, compute));
    if (!packed) {
        return PC_OK;
    }
    pc_status status = pc_pages_new(&packed->panels, packed->bytes, "a packed parameter");
    if (status != PC_OK) {
        pc_free(packed);
        return status;
    }
    packing work = {packed, {param->data, param->dtype, packed->k, 1}};
    pc_pool_run(backend->pool, packed->count * pc_ceil_div(packed->n, packed->gemm->cols), pack_item, &work);
    param->packed = packed;
    return PC_OK;
}

const void *pc_cpu_packed_panels(const pc_param *param, size_t *bytes)
{
    const pc_cpu_packed *packed = param->packed;
    *bytes = packed ? packed->bytes : 0;
    return packed ? packed->panels : NULL;
}

pc_status pc_cpu_packed_take(const pc_backend *backend, pc_param *param, pc_dtype compute, const void *panels, size_t bytes)
{
    pc_cpu_packed *packed;
    PC_TRY(prepare(&packed, backend, param, compute));
    if (!packed || packed->bytes != bytes) {
        const size_t wanted = packed ? packed->bytes : 0;
        pc_free(packed);
        return pc_fail(PC_ERR_DATA, "%s: panels of %zu bytes, expected %zu", param->name ? param->name : "", bytes, wanted);
    }
    packed->panels = (void *)panels; /* nobody writes into panels */
    packed->borrowed = true;
    param->packed = packed;
    return PC_OK;
}

pc_status pc_cpu_packed_layout(const pc_backend *backend, pc_dtype compute, char out[PC_CPU_LAYOUT])
{
    enum { N = 70, K = 37, HASH = 16 };
    char name[] = "a layout's sample", hash[65];
    size_t bytes;
    float *values = NULL;
    PC_TRY(pc_new_array(&values, N * K, sizeof *values, name));
    for (int i = 0; i < N * K; i++) {
        values[i] = (float)(i % 251 + i / 251 * 0.5); /* bf16 has most of them, and all differ in their neighbourhood */
    }
    pc_param sample = {.name = name, .dtype = PC_F32, .shape = pc_dims(2, N, K), .data = values};
    pc_status status = pack(backend, &sample, compute);
    if (status == PC_OK) {
        const void *panels = pc_cpu_packed_panels(&sample, &bytes);
        pc_sha256(panels, bytes, hash);
        snprintf(out, PC_CPU_LAYOUT, "%s-%s-%.*s", pc_cpu_backend_level(backend), pc_dtype_name(compute), HASH, hash);
        unpack(backend, &sample);
    }
    pc_free(values);
    return status;
}

/* --- the object --- */

void pc_cpu_backend_free(pc_backend *backend)
{
    if (backend) {
        pc_pool_free(backend->pool);
        pc_free(backend->state);
        pc_free(backend);
    }
}

pc_status pc_cpu_backend_new(pc_backend **out, int threads, uint32_t cpu_flags)
{
    pc_backend *backend = NULL;
    state *own = NULL;
    pc_status status;
    *out = NULL;
    PC_TRY(PC_NEW(backend, "a backend"));
    PC_GO(PC_NEW(own, "a backend"));
    own->level = level_for(cpu_flags);
    *backend = (pc_backend){
        .name = "cpu",
        .kernel = find_kernel,
        .scratch = scratch_bytes,
        .pack = pack,
        .unpack = unpack,
        .free = pc_cpu_backend_free,
        .state = own,
    };
    PC_GO(pc_pool_new(&backend->pool, threads));
    *out = backend;
    return PC_OK;
done:
    if (backend) {
        backend->state = own;
    }
    pc_cpu_backend_free(backend);
    return status;
}

const char *pc_cpu_backend_level(const pc_backend *backend)
{
    return pc_cpu_level_of(backend)->name;
}

static double seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

double pc_cpu_peak_flops(uint32_t cpu_flags, pc_dtype dtype)
{
    const pc_cpu_level *level = levels[level_for(cpu_flags)];
    double (*peak)(int64_t) = dtype == PC_U8                         ? level->int8->peak
                             : dtype == PC_BF16 && level->peak_bf16 ? level->peak_bf16
                                                                    : level->rows->peak;
    double best = 0;
    for (int i = 0; i < 10; i++) { /* the best of ten: other processes only slow it down */
        double begin = seconds();
        double flops = peak(300000);
        double rate = flops / (seconds() - begin);
        best = rate > best ? rate : best;
    }
    return best;
}
