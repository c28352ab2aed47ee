/* `percept bench --kernels`: the speed of every kernel at the shapes of training a small model, beside what the machine can
 * do, measured in the same run. */
#include "backend/cpu/cpu.h"
#include "base/cpu.h"
#include "base/json.h"
#include "base/memory.h"
#include "cli/bench.h"
#include "cli/bench_cases.h"
#include "tensor/exec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct limits {
    double f32, bf16, int8; /* operations/s of one thread */
    double copy;      /* bytes/s read and written by one thread's memcpy */
} limits;

typedef struct result {
    char name[32];
    char shape[96];
    pc_dtype compute;
    int threads;
    double milliseconds, best; /* median and fastest */
    double flops, bytes;       /* of one run */
} result;

static pc_status measure_copy(double *out)
{
    enum { BYTES = 64 << 20, RUNS = 5 };
    void *from = NULL, *to = NULL;
    pc_status status;
    *out = 0;
    PC_GO(pc_pages_new(&from, BYTES, "a benchmark"));
    PC_GO(pc_pages_new(&to, BYTES, "a benchmark"));
    memset(from, 1, BYTES);
    for (int i = 0; i < RUNS; i++) {
        double begin = pc_bench_processor();
        memcpy(to, from, BYTES);
        double rate = 2.0 * BYTES / (pc_bench_processor() - begin);
        *out = i > 0 && rate > *out ? rate : *out;
    }
done:
    pc_pages_free(from, BYTES);
    pc_pages_free(to, BYTES);
    return status;
}

/* Runs the graph for about `seconds`; at least three times. One thread is timed by the processor's clock, which other work on the
 * machine doesn't move. */
static pc_status time_runs(pc_exec *exec, double seconds, result *r)
{
    enum { SAMPLES = 512 };
    double (*const now)(void) = r->threads == 1 ? pc_bench_processor : pc_bench_now;
    double times[SAMPLES];
    int count = 0;
    PC_TRY(pc_exec_run(exec)); /* touches all memory */
    for (double begin = now(); count < SAMPLES && (count < 3 || now() - begin < seconds); count++) {
        double start = now();
        PC_TRY(pc_exec_run(exec));
        times[count] = now() - start;
    }
    qsort(times, (size_t)count, sizeof times[0], pc_bench_compare);
    r->milliseconds = 1e3 * times[count / 2];
    r->best = 1e3 * times[0];
    return PC_OK;
}

static pc_status run_case(const pc_bench_case *item, const pc_backend *backend, double seconds, result *r)
{
    pc_graph *graph = NULL;
    pc_exec *exec = NULL;
    void *data[PC_MAX_INPUTS] = {0};
    pc_tensor *in[PC_MAX_INPUTS] = {0};
    pc_status status;
    PC_GO(pc_graph_new(&graph));
    for (int i = 0; i < item->inputs; i++) {
        const pc_bench_input *input = &item->in[i];
        if (input->shape.ndim > 0) {
            in[i] = pc_graph_input(graph, "input", input->dtype, input->shape);
            data[i] = pc_bench_data(input);
            if (!data[i]) {
                status = pc_fail_memory((unsigned long long)pc_shape_count(&input->shape) * 4, "a benchmark");
                goto done;
            }
        }
    }
    pc_tensor *out = pc_graph_add(graph, item->op, in, item->inputs, item->outputs, item->params);
    for (int i = 0; i < item->outputs && !pc_graph_failed(graph); i++) {
        pc_keep(graph, out->node->out[i]);
    }
    PC_GO(pc_exec_new(&exec, graph, backend));
    for (int i = 0; i < item->inputs; i++) {
        if (in[i]) {
            PC_GO(pc_exec_bind(exec, in[i], data[i], item->in[i].shape));
        }
    }
    r->threads = pc_pool_threads(backend->pool);
    PC_GO(time_runs(exec, seconds, r));
    const pc_cost cost = out->node->op->cost(out->node);
    r->flops = cost.flops;
    r->bytes = cost.bytes;
    r->compute = item->compute;
    snprintf(r->name, sizeof r->name, "%s", item->op->name);
    snprintf(r->shape, sizeof r->shape, "%s", item->what);
done:
    pc_exec_free(exec);
    pc_graph_free(graph);
    for (int i = 0; i < item->inputs; i++) {
        pc_free(data[i]);
    }
    return status;
}

/* Products against the arithmetic limit, the rest against copying. */
static double percent(const pc_bench_case *item, const result *r, const limits *limit)
{
    const double seconds = 1e-3 * r->milliseconds;
    if (item->arithmetic) {
        const double peak = r->compute == PC_U8 ? limit->int8 : r->compute == PC_BF16 ? limit->bf16 : limit->f32;
        return 100 * r->flops / seconds / (peak * r->threads);
    }
    return 100 * r->bytes / seconds / limit->copy;
}

static pc_status add_json(pc_json *list, const pc_bench_case *item, const result *r, const limits *limit)
{
    pc_json *entry = pc_json_new_object();
    const double seconds = 1e-3 * r->milliseconds;
    PC_TRY(pc_json_push(list, entry));
    PC_TRY(pc_json_set(entry, "kernel", pc_json_new_text(r->name)));
    PC_TRY(pc_json_set(entry, "shape", pc_json_new_text(r->shape)));
    PC_TRY(pc_json_set(entry, "compute", pc_json_new_text(pc_dtype_name(r->compute))));
    PC_TRY(pc_json_set(entry, "threads", pc_json_new_integer(r->threads)));
    PC_TRY(pc_json_set(entry, "ms", pc_json_new_number(r->milliseconds)));
    PC_TRY(pc_json_set(entry, "best_ms", pc_json_new_number(r->best)));
    PC_TRY(pc_json_set(entry, "gflops", pc_json_new_number(1e-9 * r->flops / seconds)));
    PC_TRY(pc_json_set(entry, "gb_per_s", pc_json_new_number(1e-9 * r->bytes / seconds)));
    return pc_json_set(entry, item->arithmetic ? "percent_of_peak" : "percent_of_copy",
                       pc_json_new_number(percent(item, r, limit)));
}

static void print_line(const pc_bench_case *item, const result *r, const limits *limit)
{
    const double seconds = 1e-3 * r->milliseconds;
    printf("%-20s %-34s %-5s %2d  %10.4f ms", r->name, r->shape, pc_dtype_name(r->compute), r->threads, r->milliseconds);
    if (item->arithmetic) {
        printf("  %8.1f GFLOP/s  %5.1f %% of peak\n", 1e-9 * r->flops / seconds, percent(item, r, limit));
    } else {
        printf("  %8.2f GB/s     %5.1f %% of one thread's copy\n", 1e-9 * r->bytes / seconds, percent(item, r, limit));
    }
    fflush(stdout);
}

/* Takes the list. */
static pc_status make_json(pc_str *text, pc_json *list, const limits *limit, const pc_backend *backend)
{
    pc_json *root = pc_json_new_object();
    pc_status status = pc_json_set(root, "kernels", list);
    PC_GO(status);
    PC_GO(pc_json_set(root, "level", pc_json_new_text(pc_cpu_backend_level(backend))));
    PC_GO(pc_json_set(root, "peak_f32_gflops", pc_json_new_number(1e-9 * limit->f32)));
    PC_GO(pc_json_set(root, "peak_bf16_gflops", pc_json_new_number(1e-9 * limit->bf16)));
    PC_GO(pc_json_set(root, "peak_int8_gops", pc_json_new_number(1e-9 * limit->int8)));
    PC_GO(pc_json_set(root, "copy_gb_per_s", pc_json_new_number(1e-9 * limit->copy)));
    PC_GO(pc_json_write(text, root, 2));
done:
    pc_json_free(root);
    return status;
}

/* The filter may name the operation, the shape, or the end of one and the beginning of the other. */
static bool is_wanted(const pc_bench_case *item, const char *filter)
{
    char name[128];
    snprintf(name, sizeof name, "%s %s", item->op->name, item->what);
    return !filter || strstr(name, filter);
}

static pc_status run_cases(const pc_bench_options *config, pc_backend *const backends[2], const limits *limit, pc_json *list)
{
    for (int i = 0; i < pc_bench_case_count; i++) {
        const pc_bench_case *item = &pc_bench_cases[i];
        result r = {0};
        if (!is_wanted(item, config->filter)) {
            continue;
        }
        PC_TRY(run_case(item, backends[item->one_thread ? 0 : 1], config->seconds, &r));
        PC_TRY(add_json(list, item, &r, limit));
        if (!config->json) {
            print_line(item, &r, limit);
        }
    }
    return PC_OK;
}

pc_status pc_bench_kernels(const pc_bench_options *config, pc_str *text)
{
    const uint32_t flags = pc_bench_level_flags(config->level);
    pc_backend *backends[2] = {0}; /* one thread, all threads */
    pc_json *list = NULL;
    limits limit;
    pc_status status;
    PC_GO(pc_cpu_backend_new(&backends[0], 1, flags));
    PC_GO(pc_cpu_backend_new(&backends[1], (int)config->threads, flags));
    limit.f32 = pc_cpu_peak_flops(flags, PC_F32);
    limit.bf16 = pc_cpu_peak_flops(flags, PC_BF16);
    limit.int8 = pc_cpu_peak_flops(flags, PC_U8);
    PC_GO(measure_copy(&limit.copy));
    list = pc_json_new_array();
    if (!config->json) {
        printf("level %s; one thread: %.1f GFLOP/s f32, %.1f GFLOP/s bf16, %.1f GOP/s int8, copy %.1f GB/s\n",
               pc_cpu_backend_level(backends[1]), 1e-9 * limit.f32, 1e-9 * limit.bf16, 1e-9 * limit.int8, 1e-9 * limit.copy);
    }
    PC_GO(run_cases(config, backends, &limit, list));
    pc_json *whole = list;
    list = NULL; /* owned by what is made of it */
    PC_GO(make_json(text, whole, &limit, backends[1]));
    if (config->json) {
        printf("%s\n", text->data);
    }
done:
    pc_json_free(list);
    pc_cpu_backend_free(backends[0]);
    pc_cpu_backend_free(backends[1]);
    return status;
}
