/* `percept runs`, `percept runs show ID`, `percept runs plot ID...` */
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/record.h"
#include "runs/plot.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLOTTED = 32 };

typedef struct runs_options {
    char *file, *metric, *output;
    int64_t limit;
    bool json;
} runs_options;

static const pc_field fields[] = {
    {.name = "file", .type = PC_FIELD_TEXT, .offset = offsetof(runs_options, file), .help = "the record; unset = the usual one"},
    {.name = "limit", .type = PC_FIELD_INT, .offset = offsetof(runs_options, limit), .fallback = "30", .high = 1e15,
     .help = "list at most so many; 0 = all"},
    {.name = "metric", .type = PC_FIELD_TEXT, .offset = offsetof(runs_options, metric), .fallback = "loss", .help = "what to plot"},
    {.name = "output", .type = PC_FIELD_TEXT, .offset = offsetof(runs_options, output),
     .help = "file of the plot; unset = standard output"},
    {.name = "json", .type = PC_FIELD_BOOL, .offset = offsetof(runs_options, json), .help = "list or show as JSON"},
};

static const pc_option_alias aliases[] = {{"-o", "output"}, {NULL, NULL}};

static const pc_options options = {
    .usage = "percept runs [show ID | plot ID...] [OPTION]...\n\n"
             "Every training, evaluation and bench is recorded. Without arguments the newest ones are listed; show tells all about\n"
             "one; plot draws the curves of one or several as SVG.",
    .fields = {fields, sizeof fields / sizeof fields[0]},
    .aliases = aliases,
    .max_arguments = PLOTTED + 1,
};

static pc_status print_json(const pc_json *json)
{
    pc_str text = {0};
    pc_status status = pc_json_write(&text, json, 2);
    if (status == PC_OK) {
        puts(text.data);
    }
    pc_str_clear(&text);
    return status;
}

static pc_status set_text(pc_json *json, const char *key, const char *text)
{
    return pc_json_set(json, key, pc_json_new_text(text));
}

/* --- list --- */

static pc_status print_row(void *user, const pc_run *run)
{
    char loss[24] = "";
    (void)user;
    if (isfinite(run->loss)) {
        snprintf(loss, sizeof loss, "%.4f", run->loss);
    }
    printf("%5" PRId64 "  %-6s %-8s %-20s %8" PRId64 " %9s  %s\n", run->id, run->kind, run->state, run->started, run->steps,
           loss, run->name);
    return PC_OK;
}

static pc_status fill_json(pc_json *json, const pc_run *run, bool all)
{
    PC_TRY(pc_json_set(json, "id", pc_json_new_integer(run->id)));
    PC_TRY(set_text(json, "kind", run->kind));
    PC_TRY(set_text(json, "name", run->name));
    PC_TRY(set_text(json, "state", run->state));
    PC_TRY(set_text(json, "started", run->started));
    PC_TRY(set_text(json, "ended", run->ended));
    PC_TRY(set_text(json, "folder", run->folder));
    PC_TRY(set_text(json, "version", run->version));
    PC_TRY(pc_json_set(json, "steps", pc_json_new_integer(run->steps)));
    PC_TRY(isfinite(run->loss) ? pc_json_set(json, "loss", pc_json_new_number(run->loss)) : PC_OK);
    PC_TRY(all ? set_text(json, "settings", run->settings) : PC_OK);
    return set_text(json, "result", run->result);
}

static pc_status push_row(void *list, const pc_run *run)
{
    pc_json *row = pc_json_new_object();
    pc_status status = row ? fill_json(row, run, false) : pc_fail_memory(0, "a list of runs");
    if (status != PC_OK) {
        pc_json_free(row);
        return status;
    }
    return pc_json_push(list, row);
}

static pc_status list_runs(pc_runs *runs, const runs_options *given)
{
    if (!given->json) {
        printf("%5s  %-6s %-8s %-20s %8s %9s  %s\n", "id", "kind", "state", "started", "steps", "loss", "name");
        return pc_runs_list(runs, given->limit, print_row, NULL);
    }
    pc_json *list = pc_json_new_array();
    pc_status status = list ? pc_runs_list(runs, given->limit, push_row, list) : pc_fail_memory(0, "a list of runs");
    status = status == PC_OK ? print_json(list) : status;
    pc_json_free(list);
    return status;
}

/* --- show --- */

static pc_status print_run(void *user, const pc_run *run)
{
    (void)user;
    printf("run       %" PRId64 " (%s)\nname      %s\nstate     %s\nstarted   %s\nended     %s\nfolder    %s\nversion   %s\n", run->id,
           run->kind, run->name, run->state, run->started, run->ended, run->folder, run->version);
    printf("result    %s\nsettings\n", run->result);
    for (const char *line = run->settings; *line;) {
        int length = (int)strcspn(line, "\n");
        printf("  %.*s\n", length, line);
        line += length + (line[length] == '\n');
    }
    return PC_OK;
}

static pc_status print_metric(void *user, const char *metric, int64_t points, double last, double least, double most)
{
    if (!*(bool *)user) {
        printf("%-20s %8s %12s %12s %12s\n", "metric", "points", "last", "least", "most");
        *(bool *)user = true;
    }
    printf("%-20s %8" PRId64 " %12.6g %12.6g %12.6g\n", metric, points, last, least, most);
    return PC_OK;
}

static pc_status put_run(void *json, const pc_run *run)
{
    return fill_json(json, run, true);
}

static pc_status put_metric(void *json, const char *metric, int64_t points, double last, double least, double most)
{
    pc_json *entry = pc_json_new_object();
    PC_TRY(pc_json_set(json, metric, entry));
    PC_TRY(pc_json_set(entry, "points", pc_json_new_integer(points)));
    PC_TRY(pc_json_set(entry, "last", pc_json_new_number(last)));
    PC_TRY(pc_json_set(entry, "least", pc_json_new_number(least)));
    return pc_json_set(entry, "most", pc_json_new_number(most));
}

static pc_status show_json(pc_runs *runs, int64_t id)
{
    pc_json *root = pc_json_new_object(), *metrics = pc_json_new_object();
    pc_status status = pc_json_set(root, "metrics", metrics);
    status = status == PC_OK ? pc_runs_get(runs, id, put_run, root) : status;
    status = status == PC_OK ? pc_runs_metrics(runs, id, put_metric, metrics) : status;
    status = status == PC_OK ? print_json(root) : status;
    pc_json_free(root);
    return status;
}

static pc_status show_run(pc_runs *runs, int64_t id, const runs_options *given)
{
    bool headed = false;
    if (given->json) {
        return show_json(runs, id);
    }
    PC_TRY(pc_runs_get(runs, id, print_run, NULL));
    return pc_runs_metrics(runs, id, print_metric, &headed);
}

/* --- plot --- */

typedef struct drawing {
    pc_curve curves[PLOTTED];
    char names[PLOTTED][96];
    int count;
    double steps;
} drawing;

static pc_status note_step(void *user, int64_t step, double value)
{
    drawing *d = user;
    (void)value;
    d->steps = fmax(d->steps, (double)step);
    return PC_OK;
}

static pc_status add_point(void *user, int64_t step, double value)
{
    drawing *d = user;
    pc_curve_add(&d->curves[d->count], (double)step, d->steps, value);
    return PC_OK;
}

static pc_status name_curve(void *user, const pc_run *run)
{
    drawing *d = user;
    snprintf(d->names[d->count], sizeof d->names[0], "%" PRId64 " %s", run->id, run->name);
    d->curves[d->count].name = d->names[d->count];
    return PC_OK;
}

static pc_status draw(pc_runs *runs, drawing *d, const int64_t *ids, int count, const runs_options *given)
{
    pc_str svg = {0};
    pc_status status;
    for (int i = 0; i < count; i++) {
        PC_GO(pc_runs_points(runs, ids[i], given->metric, note_step, d));
    }
    for (d->count = 0; d->count < count; d->count++) {
        PC_GO(pc_runs_get(runs, ids[d->count], name_curve, d));
        PC_GO(pc_runs_points(runs, ids[d->count], given->metric, add_point, d));
    }
    PC_GO(pc_plot_svg(&svg, d->curves, count, d->steps, given->metric));
    if (given->output) {
        status = pc_file_write(given->output, svg.data, svg.length);
    } else {
        fwrite(svg.data, 1, svg.length, stdout);
    }
done:
    pc_str_clear(&svg);
    return status;
}

/* --- the command --- */

static pc_status read_id(const char *text, int64_t *id)
{
    char *end;
    errno = 0;
    *id = strtoll(text, &end, 10);
    return end != text && !*end && errno == 0 ? PC_OK : pc_fail(PC_ERR_USAGE, "'%s' is no number of a run", text);
}

static pc_status carry_out(pc_runs *runs, const pc_arguments *arguments, const runs_options *given)
{
    const char *what = arguments->count ? arguments->items[0] : "list";
    int64_t ids[PLOTTED];
    int count = arguments->count > 0 ? arguments->count - 1 : 0;
    for (int i = 0; i < count; i++) {
        PC_TRY(read_id(arguments->items[i + 1], &ids[i]));
    }
    if (strcmp(what, "list") == 0 && count == 0) {
        return list_runs(runs, given);
    }
    if (strcmp(what, "show") == 0 && count == 1) {
        return show_run(runs, ids[0], given);
    }
    if (strcmp(what, "plot") == 0 && count > 0) {
        drawing *d = NULL;
        PC_TRY(PC_NEW(d, "a plot"));
        pc_status status = draw(runs, d, ids, count, given);
        pc_free(d);
        return status;
    }
    return pc_fail(PC_ERR_USAGE, "expected `percept runs`, `percept runs show ID` or `percept runs plot ID...`");
}

static pc_status open_record(pc_runs **runs, const runs_options *given)
{
    char *usual = NULL;
    PC_TRY(pc_record_path(&usual));
    const char *path = given->file ? given->file : usual;
    pc_status status = path ? pc_runs_open(runs, path)
                            : pc_fail(PC_ERR_USAGE, "nothing is recorded: PERCEPT_RUNS is empty; --file names a record");
    pc_free(usual);
    return status;
}

static pc_status run(int argc, char **argv)
{
    runs_options given;
    pc_arguments arguments;
    pc_runs *runs = NULL;
    pc_status status = pc_options_parse(&options, &given, &arguments, argc, argv);
    if (status == PC_OK && !arguments.help) {
        status = open_record(&runs, &given);
        status = status == PC_OK ? carry_out(runs, &arguments, &given) : status;
    }
    pc_runs_close(runs);
    pc_fields_clear(&options.fields, &given);
    return status;
}

const pc_command pc_command_runs = {.name = "runs", .summary = "list, show and plot what was trained and measured", .run = run};
