#include "train/log.h"

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "runs/plot.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

enum { LOG_LIMIT = 1 << 30 };

static const char NAME[] = "train_log.jsonl";

/* Bytes of the whole lines whose step is at most `step`. */
static size_t keep_until(const char *text, size_t size, int64_t step)
{
    size_t kept = 0;
    for (size_t at = 0; at < size;) {
        const char *end = memchr(text + at, '\n', size - at);
        pc_json *line = NULL;
        if (!end || pc_json_parse(&line, text + at, (size_t)(end - text) - at, NAME) != PC_OK) {
            break;
        }
        bool wanted = pc_json_get_integer(line, "step", INT64_MAX) <= step;
        pc_json_free(line);
        if (!wanted) {
            break;
        }
        at = (size_t)(end - text) + 1;
        kept = at;
    }
    return kept;
}

static pc_status cut(const char *path, int64_t step)
{
    char *text;
    size_t size;
    if (!pc_path_exists(path)) {
        return PC_OK;
    }
    PC_TRY(pc_file_read(&text, &size, path, LOG_LIMIT));
    size_t kept = keep_until(text, size, step);
    pc_status status = kept < size ? pc_file_write(path, text, kept) : PC_OK;
    pc_free(text);
    return status;
}

pc_status pc_train_log_open(pc_train_log *log, const char *folder, int64_t step, bool tensorboard)
{
    memset(log, 0, sizeof *log);
    log->path = pc_path_join(folder, NAME);
    if (!log->path) {
        return pc_fail_memory(strlen(folder), "a path");
    }
    pc_status status = cut(log->path, step);
    if (status == PC_OK) {
        log->file = fopen(log->path, "a");
        status = log->file ? PC_OK : pc_fail(PC_ERR_IO, "%s: %s", log->path, strerror(errno));
    }
    return status == PC_OK && tensorboard ? pc_events_open(&log->events, folder) : status;
}

/* JSON has no NaN. */
static void print_number(FILE *file, const char *key, double value)
{
    if (isfinite(value)) {
        fprintf(file, ", \"%s\": %.9g", key, value);
    } else {
        fprintf(file, ", \"%s\": null", key);
    }
}

/* The tags that transformers' Trainer writes. */
static pc_status write_events(pc_events *events, const pc_progress *p)
{
    PC_TRY(pc_events_scalar(events, p->step, "train/loss", p->loss));
    PC_TRY(pc_events_scalar(events, p->step, "train/grad_norm", p->grad_norm));
    PC_TRY(pc_events_scalar(events, p->step, "train/learning_rate", p->learning_rate));
    PC_TRY(pc_events_scalar(events, p->step, "train/epoch", p->epoch));
    PC_TRY(pc_events_scalar(events, p->step, "train/tokens_per_second", p->tokens_per_second));
    for (int i = 0; p->metric_names && i < PC_STAGE_METRICS && p->metric_names[i]; i++) {
        char tag[64];
        snprintf(tag, sizeof tag, "train/%s", p->metric_names[i]);
        PC_TRY(pc_events_scalar(events, p->step, tag, p->metrics[i]));
    }
    return pc_events_flush(events);
}

pc_status pc_train_log_write(pc_train_log *log, const pc_progress *progress, bool skipped)
{
    fprintf(log->file, "{\"step\": %lld", (long long)progress->step);
    print_number(log->file, "epoch", progress->epoch);
    print_number(log->file, "loss", progress->loss);
    print_number(log->file, "grad_norm", progress->grad_norm);
    print_number(log->file, "learning_rate", progress->learning_rate);
    for (int i = 0; progress->metric_names && i < PC_STAGE_METRICS && progress->metric_names[i]; i++) {
        print_number(log->file, progress->metric_names[i], progress->metrics[i]);
    }
    fprintf(log->file, "%s}\n", skipped ? ", \"skipped\": true" : "");
    if (fflush(log->file) != 0) {
        return pc_fail(PC_ERR_IO, "%s: %s", log->path, strerror(errno));
    }
    return log->events ? write_events(log->events, progress) : PC_OK;
}

pc_status pc_train_log_sync(pc_train_log *log)
{
    if (fflush(log->file) != 0 || fsync(fileno(log->file)) != 0) {
        return pc_fail(PC_ERR_IO, "%s: %s", log->path, strerror(errno));
    }
    return PC_OK;
}

void pc_train_log_close(pc_train_log *log)
{
    if (log->file) {
        fclose(log->file);
    }
    pc_events_close(log->events);
    pc_free(log->path);
    memset(log, 0, sizeof *log);
}

/* --- loss.svg --- */

typedef struct plotted {
    pc_curve curve;
    double steps;
} plotted;

/* Once to find the last step, then for the losses. */
static void fill(plotted *out, const char *text, size_t size, bool measure)
{
    for (size_t at = 0; at < size;) {
        const char *end = memchr(text + at, '\n', size - at);
        pc_json *line = NULL;
        if (!end || pc_json_parse(&line, text + at, (size_t)(end - text) - at, NAME) != PC_OK) {
            return;
        }
        double step = pc_json_get_number(line, "step", 0), loss = pc_json_get_number(line, "loss", NAN);
        pc_json_free(line);
        at = (size_t)(end - text) + 1;
        if (measure) {
            out->steps = fmax(out->steps, step);
        } else {
            pc_curve_add(&out->curve, step, out->steps, loss);
        }
    }
}

pc_status pc_train_log_plot(const char *folder)
{
    plotted values = {0};
    pc_str svg = {0};
    char *log = pc_path_join(folder, NAME), *target = pc_path_join(folder, "loss.svg"), *text = NULL;
    size_t size;
    pc_status status = log && target ? pc_file_read(&text, &size, log, LOG_LIMIT) : pc_fail_memory(0, "a path");
    if (status == PC_OK) {
        fill(&values, text, size, true);
        fill(&values, text, size, false);
        status = pc_plot_svg(&svg, &values.curve, 1, values.steps, "loss");
    }
    if (status == PC_OK) {
        status = pc_file_write(target, svg.data, svg.length);
    }
    pc_str_clear(&svg);
    pc_free(text);
    pc_free(log);
    pc_free(target);
    return status;
}
