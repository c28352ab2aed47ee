/* Rows of results, each beside the limit that bounds it. */
#include "base/cpu.h"
#include "base/json.h"
#include "cli/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double seconds_of(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

double pc_bench_now(void) { return seconds_of(CLOCK_MONOTONIC); }

double pc_bench_processor(void) { return seconds_of(CLOCK_PROCESS_CPUTIME_ID); }

int pc_bench_compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

size_t pc_bench_peak_memory(void)
{
    char line[256];
    unsigned long long kilobytes = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file)) {
        if (sscanf(line, "VmHWM: %llu kB", &kilobytes) == 1) {
            break;
        }
    }
    if (file) {
        fclose(file);
    }
    return (size_t)kilobytes * 1024;
}

/* 5 resets the peak (proc(5)); where that isn't allowed the peak is that of all rows so far. */
void pc_bench_reset_peak_memory(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "w");
    if (file) {
        fputs("5", file);
        fclose(file);
    }
}

static void sorted(const pc_bench_row *row, double out[PC_BENCH_RUNS])
{
    memcpy(out, row->ms, (size_t)row->runs * sizeof *out);
    qsort(out, (size_t)row->runs, sizeof *out, pc_bench_compare);
}

double pc_bench_median(const pc_bench_row *row)
{
    double ms[PC_BENCH_RUNS];
    sorted(row, ms);
    return row->runs % 2 ? ms[row->runs / 2] : 0.5 * (ms[row->runs / 2 - 1] + ms[row->runs / 2]);
}

/* The limit in the row's own measure, and what was reached of it per second. */
static double limit_of(const pc_cpu_limits *limits, const pc_bench_row *row, const char **name, double *reached)
{
    const double seconds = 1e-3 * pc_bench_median(row);
    *reached = (row->limit == PC_LIMIT_READ ? row->bytes : row->flops) / seconds;
    switch (row->limit) {
    case PC_LIMIT_F32: *name = "f32 peak"; return limits->f32;
    case PC_LIMIT_BF16: *name = "bf16 peak"; return limits->bf16;
    case PC_LIMIT_INT8: *name = "int8 peak"; return limits->int8;
    case PC_LIMIT_READ: *name = "read bandwidth"; return limits->read;
    case PC_LIMIT_NONE: break;
    }
    *name = "";
    return 0;
}

pc_status pc_bench_report_open(pc_bench_report *report, const pc_bench_options *options, const pc_backend *backend)
{
    *report = (pc_bench_report){.options = options, .backend = backend};
    PC_TRY(pc_cpu_measure_limits(backend, &report->limits));
    report->root = pc_json_new_object();
    PC_TRY(pc_json_set(report->root, "results", pc_json_new_array()));
    PC_TRY(pc_bench_report_text(report, "level", pc_cpu_backend_level(backend)));
    PC_TRY(pc_bench_report_number(report, "threads", pc_pool_threads(backend->pool)));
    pc_json *limits = pc_json_new_object();
    PC_TRY(pc_json_set(report->root, "limits", limits));
    PC_TRY(pc_json_set(limits, "read_gb_per_s", pc_json_new_number(1e-9 * report->limits.read)));
    PC_TRY(pc_json_set(limits, "f32_gflops", pc_json_new_number(1e-9 * report->limits.f32)));
    PC_TRY(pc_json_set(limits, "bf16_gflops", pc_json_new_number(1e-9 * report->limits.bf16)));
    if (report->limits.int8 > 0) {
        PC_TRY(pc_json_set(limits, "int8_gops", pc_json_new_number(1e-9 * report->limits.int8)));
    }
    if (!options->json) {
        printf("machine: level %s, %d threads; read %.1f GB/s; f32 %.0f, bf16 %.0f GFLOP/s", pc_cpu_backend_level(backend),
               pc_pool_threads(backend->pool), 1e-9 * report->limits.read, 1e-9 * report->limits.f32,
               1e-9 * report->limits.bf16);
        if (report->limits.int8 > 0) {
            printf(", int8 %.0f GOP/s", 1e-9 * report->limits.int8);
        }
        printf("\n");
    }
    return PC_OK;
}

static void print_row(const pc_bench_report *report, const pc_bench_row *row)
{
    const char *name;
    double ms[PC_BENCH_RUNS], reached;
    const double middle = pc_bench_median(row), limit = limit_of(&report->limits, row, &name, &reached);
    sorted(row, ms);
    printf("%-22s %10.2f ms (%.2f to %.2f)", row->test, middle, ms[0], ms[row->runs - 1]);
    if (row->unit) {
        printf("  %9.2f %s/s", row->count / (1e-3 * middle), row->unit);
    }
    if (limit > 0) {
        printf("  %8.1f %s  %5.1f %% of the %s", 1e-9 * reached, row->limit == PC_LIMIT_READ ? "GB/s" : "GFLOP/s",
               100 * reached / limit, name);
    }
    if (row->memory) {
        printf("  peak %.0f MB", (double)row->memory / 1e6);
    }
    printf("\n");
    fflush(stdout);
}

pc_status pc_bench_report_add(pc_bench_report *report, const pc_bench_row *row)
{
    const char *name;
    double ms[PC_BENCH_RUNS], reached;
    const double middle = pc_bench_median(row), limit = limit_of(&report->limits, row, &name, &reached);
    pc_json *entry = pc_json_new_object();
    sorted(row, ms);
    PC_TRY(pc_json_push(pc_json_get(report->root, "results"), entry));
    PC_TRY(pc_json_set(entry, "test", pc_json_new_text(row->test)));
    PC_TRY(pc_json_set(entry, "ms", pc_json_new_number(middle)));
    PC_TRY(pc_json_set(entry, "ms_min", pc_json_new_number(ms[0])));
    PC_TRY(pc_json_set(entry, "ms_max", pc_json_new_number(ms[row->runs - 1])));
    PC_TRY(pc_json_set(entry, "runs", pc_json_new_integer(row->runs)));
    if (row->unit) {
        char key[32];
        snprintf(key, sizeof key, "%s_per_s", row->unit);
        PC_TRY(pc_json_set(entry, row->unit, pc_json_new_number(row->count)));
        PC_TRY(pc_json_set(entry, key, pc_json_new_number(row->count / (1e-3 * middle))));
    }
    if (row->limit != PC_LIMIT_NONE) {
        const char *key = row->limit == PC_LIMIT_READ ? "gb_per_s" : "gflops";
        PC_TRY(pc_json_set(entry, key, pc_json_new_number(1e-9 * reached)));
        PC_TRY(pc_json_set(entry, "limit", pc_json_new_text(name)));
        if (limit > 0) {
            PC_TRY(pc_json_set(entry, "fraction", pc_json_new_number(reached / limit)));
        }
    }
    if (row->memory) {
        PC_TRY(pc_json_set(entry, "peak_memory_bytes", pc_json_new_integer((int64_t)row->memory)));
    }
    if (!report->options->json) {
        print_row(report, row);
    }
    return PC_OK;
}

pc_status pc_bench_report_number(pc_bench_report *report, const char *key, double value)
{
    return pc_json_set(report->root, key, pc_json_new_number(value));
}

pc_status pc_bench_report_text(pc_bench_report *report, const char *key, const char *value)
{
    return pc_json_set(report->root, key, pc_json_new_text(value));
}

pc_status pc_bench_report_close(pc_bench_report *report, pc_str *text)
{
    PC_TRY(pc_json_write(text, report->root, 2));
    if (report->options->json) {
        printf("%s\n", text->data);
    }
    return PC_OK;
}

void pc_bench_report_clear(pc_bench_report *report)
{
    pc_json_free(report->root);
    report->root = NULL;
}
