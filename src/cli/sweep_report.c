/* What a sweep found: one row for each combination of the axes, means and deviations over its seeds. */
#include "base/file.h"
#include "base/str.h"
#include "cli/sweep.h"
#include "runs/plot.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NAME = 256 };

/* Mean and deviation (of the sample; 0 when there is one value) of what was found so far. */
typedef struct spread {
    double sum, squares;
    int count;
} spread;

static void spread_add(spread *s, double value)
{
    s->sum += value;
    s->squares += value * value;
    s->count++;
}

static double mean(const spread *s)
{
    return s->count ? s->sum / s->count : NAN;
}

static double deviation(const spread *s)
{
    double square = s->count > 1 ? (s->squares - s->sum * s->sum / s->count) / (s->count - 1) : 0;
    return square > 0 ? sqrt(square) : 0;
}

/* results[group * seeds ..]: the points of one combination that have been reached, of those the ones that went well. */
typedef struct group {
    const pc_json *results;
    size_t from, to;
    int failed;
} group;

static group group_at(const pc_sweep *sweep, const pc_json *results, size_t index)
{
    group g = {.results = results, .from = index * sweep->seed_count};
    size_t all = pc_json_length(results);
    g.to = g.from + sweep->seed_count < all ? g.from + sweep->seed_count : all;
    for (size_t i = g.from; i < g.to; i++) {
        g.failed += strcmp(pc_json_get_text(pc_json_at(results, i), "status", ""), "ok") != 0;
    }
    return g;
}

/* Of the number at outer.inner.key; outer or inner NULL = one level less. */
static spread gather(const group *g, const char *outer, const char *inner, const char *key)
{
    spread s = {0};
    for (size_t i = g->from; i < g->to; i++) {
        const pc_json *at = pc_json_at(g->results, i);
        at = outer ? pc_json_get(at, outer) : at;
        at = inner ? pc_json_get(at, inner) : at;
        const pc_json *number = pc_json_get(at, key);
        if (pc_json_is_number(number)) {
            spread_add(&s, pc_json_number(number, 0));
        }
    }
    return s;
}

static void name_group(char out[NAME], const pc_sweep *sweep, const group *g)
{
    const pc_json *axes = pc_json_get(pc_json_at(g->results, g->from), "axes");
    size_t used = 0;
    out[0] = '\0';
    for (int a = 0; a < sweep->axes && used < NAME; a++) {
        used += (size_t)snprintf(out + used, NAME - used, "%s%s", a ? " | " : "", pc_json_get_text(axes, pc_sweep_axis(sweep, a), ""));
    }
}

static pc_status put_percent(pc_str *out, spread s)
{
    if (!s.count) {
        return pc_str_puts(out, " – |");
    }
    return s.count > 1 ? pc_str_printf(out, " %.1f ± %.1f |", 100 * mean(&s), 100 * deviation(&s))
                       : pc_str_printf(out, " %.1f |", 100 * mean(&s));
}

static pc_status put_number(pc_str *out, spread s, double unit, const char *format)
{
    char text[64] = "–";
    if (s.count) {
        snprintf(text, sizeof text, format, mean(&s) / unit);
    }
    return pc_str_printf(out, " %s |", text);
}

/* The tasks that any point has answered, in the order of the first that has. */
static const pc_json *tasks_of(const pc_json *results)
{
    for (size_t i = 0; i < pc_json_length(results); i++) {
        const pc_json *found = pc_json_get(pc_json_at(results, i), "results");
        if (pc_json_length(found)) {
            return found;
        }
    }
    return NULL;
}

static pc_status put_head(pc_str *out, const pc_sweep *sweep, const pc_json *tasks)
{
    int columns = sweep->axes + 6;
    PC_TRY(pc_str_putc(out, '|'));
    for (int a = 0; a < sweep->axes; a++) {
        PC_TRY(pc_str_printf(out, " %s |", pc_sweep_axis(sweep, a)));
    }
    for (void *at = pc_json_first(tasks); at; at = pc_json_next(tasks, at)) {
        PC_TRY(pc_str_printf(out, " %s %% |", pc_json_key(at)));
        columns++;
        if (sweep->without_images) {
            PC_TRY(pc_str_printf(out, " %s, grey pictures %% |", pc_json_key(at)));
            columns++;
        }
    }
    PC_TRY(pc_str_puts(out, " seeds | tokens a picture | parameters, M | training, TFLOP | training, s | memory, MB |\n|"));
    for (int c = 0; c < columns; c++) {
        PC_TRY(pc_str_puts(out, "---|"));
    }
    return pc_str_putc(out, '\n');
}

static pc_status put_row(pc_str *out, const pc_sweep *sweep, const group *g, const pc_json *tasks)
{
    char name[NAME];
    name_group(name, sweep, g);
    PC_TRY(sweep->axes ? pc_str_printf(out, "| %s |", name) : pc_str_putc(out, '|'));
    for (void *at = pc_json_first(tasks); at; at = pc_json_next(tasks, at)) {
        PC_TRY(put_percent(out, gather(g, "results", pc_json_key(at), "accuracy")));
        if (sweep->without_images) {
            PC_TRY(put_percent(out, gather(g, "results_blind", pc_json_key(at), "accuracy")));
        }
    }
    int good = (int)(g->to - g->from) - g->failed;
    PC_TRY(g->failed ? pc_str_printf(out, " %d, %d failed |", good, g->failed) : pc_str_printf(out, " %d |", good));
    PC_TRY(put_number(out, gather(g, NULL, NULL, "tokens_per_image"), 1, "%.0f"));
    PC_TRY(put_number(out, gather(g, NULL, NULL, "parameters"), 1e6, "%.2f"));
    PC_TRY(put_number(out, gather(g, NULL, NULL, "training_flops"), 1e12, "%.1f"));
    PC_TRY(put_number(out, gather(g, NULL, "train", "seconds"), 1, "%.0f"));
    PC_TRY(put_number(out, gather(g, NULL, "train", "peak_bytes"), 1e6, "%.0f"));
    return pc_str_putc(out, '\n');
}

static pc_status write_text(const pc_sweep *sweep, const char *name, const pc_str *text)
{
    char *path = pc_path_join(sweep->output_dir, name);
    pc_status status = path ? pc_file_write(path, text->data, text->length) : pc_fail_memory(0, "a path");
    pc_free(path);
    return status;
}

static size_t groups_of(const pc_sweep *sweep, const pc_json *results)
{
    return (pc_json_length(results) + sweep->seed_count - 1) / sweep->seed_count;
}

static pc_status write_table(const pc_sweep *sweep, const pc_json *results, const pc_json *tasks)
{
    pc_str text = {0};
    pc_status status;
    PC_GO(put_head(&text, sweep, tasks));
    for (size_t i = 0; i < groups_of(sweep, results); i++) {
        group g = group_at(sweep, results, i);
        PC_GO(put_row(&text, sweep, &g, tasks));
    }
    PC_GO(write_text(sweep, "table.md", &text));
done:
    pc_str_clear(&text);
    return status;
}

/* Bars of the accuracy in percent, with the deviation over the seeds. */
static pc_status write_plot(const pc_sweep *sweep, const pc_json *results, const char *task)
{
    size_t groups = groups_of(sweep, results);
    pc_bar *bars = NULL;
    char(*names)[NAME] = NULL;
    char label[NAME], file[NAME];
    pc_str text = {0};
    pc_status status;
    int count = 0;
    PC_GO(PC_NEW_ARRAY(bars, groups, "bars"));
    PC_GO(PC_NEW_ARRAY(names, groups, "bars"));
    for (size_t i = 0; i < groups; i++) {
        group g = group_at(sweep, results, i);
        spread s = gather(&g, "results", task, "accuracy");
        if (s.count) {
            name_group(names[i], sweep, &g);
            bars[count++] = (pc_bar){names[i], 100 * mean(&s), 100 * deviation(&s)};
        }
    }
    snprintf(label, sizeof label, "%.100s: accuracy in %%", task);
    snprintf(file, sizeof file, "plot-%.100s.svg", task);
    PC_GO(pc_bars_svg(&text, bars, count, label));
    PC_GO(write_text(sweep, file, &text));
done:
    pc_str_clear(&text);
    pc_free(names);
    pc_free(bars);
    return status;
}

pc_status pc_sweep_report(const pc_sweep *sweep, const pc_json *results)
{
    const pc_json *tasks = tasks_of(results);
    char *path = pc_path_join(sweep->output_dir, "results.json");
    pc_status status = path ? pc_json_write_file(path, results, 2) : pc_fail_memory(0, "a path");
    pc_free(path);
    PC_TRY(status);
    PC_TRY(write_table(sweep, results, tasks));
    for (void *at = pc_json_first(tasks); at; at = pc_json_next(tasks, at)) {
        PC_TRY(write_plot(sweep, results, pc_json_key(at)));
    }
    return PC_OK;
}
