#include "train/log.h"

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"

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

pc_status pc_train_log_open(pc_train_log *log, const char *folder, int64_t step)
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
    return status;
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

pc_status pc_train_log_write(pc_train_log *log, const pc_progress *progress, bool skipped)
{
    fprintf(log->file, "{\"step\": %lld", (long long)progress->step);
    print_number(log->file, "epoch", progress->epoch);
    print_number(log->file, "loss", progress->loss);
    print_number(log->file, "grad_norm", progress->grad_norm);
    print_number(log->file, "learning_rate", progress->learning_rate);
    fprintf(log->file, "%s}\n", skipped ? ", \"skipped\": true" : "");
    if (fflush(log->file) != 0) {
        return pc_fail(PC_ERR_IO, "%s: %s", log->path, strerror(errno));
    }
    return PC_OK;
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
    pc_free(log->path);
    memset(log, 0, sizeof *log);
}

/* --- loss.svg --- */

enum { WIDTH = 800, HEIGHT = 400, MARGIN = 60, COLUMNS = 400 };

typedef struct curve {
    double sum[COLUMNS];
    int64_t count[COLUMNS];
    double steps, top;
} curve;

/* Mean loss in each of COLUMNS equal stretches of the run. */
static void fill(curve *out, const char *text, size_t size, bool measure)
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
        } else if (isfinite(loss)) {
            int column = (int)fmin(COLUMNS - 1, step / (out->steps + 1) * COLUMNS);
            out->sum[column] += loss;
            out->count[column]++;
        }
    }
}

static pc_status draw(const curve *values, pc_str *out)
{
    PC_TRY(pc_str_printf(out,
                         "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" "
                         "font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
                         WIDTH, HEIGHT));
    for (int i = 0; i <= 4; i++) {
        double y = HEIGHT - MARGIN - (HEIGHT - 2.0 * MARGIN) * i / 4;
        PC_TRY(pc_str_printf(out, "<path d=\"M%d %.1fH%d\" stroke=\"#ddd\"/><text x=\"8\" y=\"%.1f\">%.3g</text>\n",
                             MARGIN, y, WIDTH - MARGIN, y + 4, values->top * i / 4));
    }
    PC_TRY(pc_str_puts(out, "<polyline fill=\"none\" stroke=\"#06c\" stroke-width=\"1.5\" points=\""));
    for (int i = 0; i < COLUMNS; i++) {
        if (values->count[i]) {
            double mean = values->sum[i] / (double)values->count[i];
            PC_TRY(pc_str_printf(out, "%.1f,%.1f ", MARGIN + (WIDTH - 2.0 * MARGIN) * (i + 0.5) / COLUMNS,
                                 HEIGHT - MARGIN - (HEIGHT - 2.0 * MARGIN) * mean / values->top));
        }
    }
    return pc_str_printf(out, "\"/>\n<text x=\"%d\" y=\"%d\">step %.0f</text><text x=\"8\" y=\"20\">loss</text>\n</svg>\n",
                         WIDTH - 2 * MARGIN, HEIGHT - 20, values->steps);
}

pc_status pc_train_log_plot(const char *folder)
{
    curve values = {0};
    pc_str svg = {0};
    char *log = pc_path_join(folder, NAME), *target = pc_path_join(folder, "loss.svg"), *text = NULL;
    size_t size;
    pc_status status = log && target ? pc_file_read(&text, &size, log, LOG_LIMIT) : pc_fail_memory(0, "a path");
    if (status == PC_OK) {
        fill(&values, text, size, true);
        fill(&values, text, size, false);
        for (int i = 0; i < COLUMNS; i++) {
            values.top = values.count[i] ? fmax(values.top, values.sum[i] / (double)values.count[i]) : values.top;
        }
        values.top = values.top > 0 ? values.top : 1;
        status = draw(&values, &svg);
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
