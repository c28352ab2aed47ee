/* What the parts of `percept bench` share: options, rows of results, and how they are told. */
#ifndef PC_CLI_BENCH_H
#define PC_CLI_BENCH_H

#include "backend/cpu/cpu.h"
#include "base/dtype.h"
#include "base/json.h"
#include "base/str.h"
#include "cli/cache.h"

typedef struct pc_bench_options {
    bool kernels, train, json, pin;
    int64_t threads;
    int level;
    char *filter, *prompts, *dtype, *mmproj, *visual_tokens;
    pc_cli_cache cache;
    double seconds;
    int64_t predict, depth, images, batch, repeat;
} pc_bench_options;

/* Each measures, prints lines as they come (unless options->json), and gives everything as JSON in *text. */
pc_status pc_bench_kernels(const pc_bench_options *options, pc_str *text);
pc_status pc_bench_model(const pc_bench_options *options, const char *path, pc_str *text);
pc_status pc_bench_train(const pc_bench_options *options, pc_str *text);

double pc_bench_now(void);       /* seconds, monotonic */
double pc_bench_processor(void); /* seconds that this process had a processor */
int pc_bench_compare(const void *a, const void *b); /* of doubles, for qsort */
uint32_t pc_bench_level_flags(int level); /* what pc_cpu_backend_new wants for options->level */
size_t pc_bench_peak_memory(void); /* the most that was ever resident, or since the last reset; bytes */
void pc_bench_reset_peak_memory(void);

typedef enum pc_bench_limit { PC_LIMIT_NONE, PC_LIMIT_F32, PC_LIMIT_BF16, PC_LIMIT_INT8, PC_LIMIT_READ } pc_bench_limit;

enum { PC_BENCH_RUNS = 64 };

/* One thing measured. */
typedef struct pc_bench_row {
    char test[64];       /* "pp512" */
    const char *unit;    /* what `count` counts: "tokens", "images"; NULL: a latency alone */
    double count;        /* in a run */
    double flops, bytes; /* of a run: arithmetic, and memory that must be read */
    pc_bench_limit limit;
    double ms[PC_BENCH_RUNS];
    int runs;
    size_t memory;       /* peak, 0 = told once for all */
} pc_bench_row;

double pc_bench_median(const pc_bench_row *row); /* ms */

/* Rows as they were measured, and the limits of this machine beside them. */
typedef struct pc_bench_report {
    const pc_bench_options *options;
    const pc_backend *backend;
    pc_cpu_limits limits;
    pc_json *root; /* "results" is in it */
} pc_bench_report;

/* Measures the limits. Clear it also after a failure. */
pc_status pc_bench_report_open(pc_bench_report *report, const pc_bench_options *options, const pc_backend *backend);
pc_status pc_bench_report_add(pc_bench_report *report, const pc_bench_row *row);
pc_status pc_bench_report_number(pc_bench_report *report, const char *key, double value);
pc_status pc_bench_report_text(pc_bench_report *report, const char *key, const char *value);
pc_status pc_bench_report_close(pc_bench_report *report, pc_str *text);
void pc_bench_report_clear(pc_bench_report *report);

#endif
