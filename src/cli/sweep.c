/* `percept sweep SWEEP.yaml` */
#include "cli/sweep.h"

#include "base/file.h"
#include "base/signal.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/options.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST_ARGUMENTS = 256, LOG_TAIL = 4096, JSON_LIMIT = 64 << 20 };

static const pc_options options = {
    .usage = "percept sweep SWEEP.yaml\n\n"
             "Trains and evaluates every point of a grid. A point that fails is recorded and the others go on; the same command again\n"
             "goes on where it stopped and tries failed points anew. Writes results.json, table.md and plots into output_dir.\n\n"
             "keys of the file:\n"
             "  recipe          what each point trains (percept train)\n"
             "  output_dir      a folder for each point, and the results\n"
             "  tasks           what each point is asked (percept eval --tasks)\n"
             "  seeds           values of the recipe's key seed; each makes a training of its own\n"
             "  without_images  true: ask with grey pictures as well\n"
             "  set             recipe keys for all points\n"
             "  eval            options of percept eval\n"
             "  axes            NAME: a list of values of the recipe key NAME, or LABEL: {recipe keys} for each value",
    .min_arguments = 1,
    .max_arguments = 1,
};

/* What a program did. */
typedef struct outcome {
    int code;
    double wall, processor; /* seconds */
    double peak;            /* bytes resident */
} outcome;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + 1e-6 * (double)time.tv_usec;
}

static void become(char *const *arguments, int out, int log)
{
    if (dup2(out, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0) {
        _exit(126);
    }
    execv("/proc/self/exe", arguments);
    _exit(127);
}

/* Wait for it; a signal that asks this program to stop asks that one too. */
static int wait_for(pid_t child, struct rusage *usage)
{
    int state;
    bool told = false;
    while (wait4(child, &state, 0, usage) < 0) {
        if (errno != EINTR) {
            return 127;
        }
        if (pc_signal_pending() && !told) {
            kill(child, SIGTERM);
            told = true;
        }
    }
    return WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
}

/* percept with these arguments; stdout to the file `out`, stderr after what `log` has already. */
static pc_status run_program(outcome *result, char *const *arguments, const char *out, const char *log)
{
    struct rusage usage = {0};
    int out_file = open(out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    int log_file = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    pc_status status = PC_OK;
    double begin = now();
    pid_t child = out_file < 0 || log_file < 0 ? -1 : fork();
    if (child == 0) {
        become(arguments, out_file, log_file);
    }
    if (child < 0) {
        status = pc_fail(PC_ERR_IO, "%s: can't start a program: %s", log, strerror(errno));
    } else {
        result->code = wait_for(child, &usage);
        result->wall = now() - begin;
        result->processor = seconds(usage.ru_utime) + seconds(usage.ru_stime);
        result->peak = 1024.0 * (double)usage.ru_maxrss;
    }
    if (out_file >= 0) {
        close(out_file);
    }
    if (log_file >= 0) {
        close(log_file);
    }
    return status;
}

/* --- one point --- */

typedef struct work {
    pc_sweep *sweep;
    pc_sweep_point point;
    pc_json *record; /* becomes point.json */
    char *log;
} work;

static char *in_folder(work *w, const char *name)
{
    char *path = pc_path_join(w->point.folder, name), *kept = path ? pc_arena_strdup(&w->sweep->arena, path) : NULL;
    pc_free(path);
    return kept;
}

/* Texts in the arena; the list ends with NULL. */
typedef struct command {
    char *items[MOST_ARGUMENTS];
    int count;
} command;

static void add(work *w, command *c, const char *name, const char *value)
{
    size_t size = strlen(name) + strlen(value) + 1;
    char *text = c->count + 1 < MOST_ARGUMENTS ? pc_arena_alloc(&w->sweep->arena, size, 1) : NULL;
    if (text) {
        snprintf(text, size, "%s%s", name, value);
        c->items[c->count++] = text;
    } else {
        c->count = MOST_ARGUMENTS; /* `run` says so */
    }
}

static pc_status set_outcome(pc_json *record, const char *step, const outcome *o)
{
    pc_json *object = pc_json_new_object();
    PC_TRY(object ? PC_OK : pc_fail_memory(0, step));
    pc_status status;
    PC_GO(pc_json_set(object, "exit_code", pc_json_new_integer(o->code)));
    PC_GO(pc_json_set(object, "seconds", pc_json_new_number(o->wall)));
    PC_GO(pc_json_set(object, "processor_seconds", pc_json_new_number(o->processor)));
    PC_GO(pc_json_set(object, "peak_bytes", pc_json_new_number(o->peak)));
    return pc_json_set(record, step, object);
done:
    pc_json_free(object);
    return status;
}

/* The last line that the log has: why a program failed. */
static pc_status set_message(work *w)
{
    char tail[LOG_TAIL + 1] = "";
    FILE *file = fopen(w->log, "rb");
    if (file) {
        if (fseek(file, -LOG_TAIL, SEEK_END) != 0) {
            rewind(file);
        }
        tail[fread(tail, 1, LOG_TAIL, file)] = '\0';
        fclose(file);
    }
    size_t length = strlen(tail);
    while (length > 0 && (tail[length - 1] == '\n' || tail[length - 1] == '\r')) {
        tail[--length] = '\0';
    }
    const char *line = strrchr(tail, '\n');
    line = line ? line + 1 : tail;
    bool readable = pc_utf8_valid_prefix(line, strlen(line)) == strlen(line);
    return pc_json_set(w->record, "message", pc_json_new_text(readable ? line : "see the log"));
}

/* Run it as step `step` of the point; *good = it ended with 0. PC_ERR_INTERRUPTED when somebody asked to stop. */
static pc_status run_step(work *w, command *c, const char *step, const char *out, bool *good)
{
    outcome o = {0};
    if (c->count >= MOST_ARGUMENTS) {
        return pc_fail(PC_ERR_USAGE, "%s: more than %d arguments, or memory is short", w->point.folder, MOST_ARGUMENTS);
    }
    PC_TRY(run_program(&o, c->items, out ? out : "/dev/null", w->log));
    if (pc_signal_pending()) {
        return pc_fail(PC_ERR_INTERRUPTED, "interrupted; the same command goes on from here");
    }
    PC_TRY(set_outcome(w->record, step, &o));
    *good = o.code == 0;
    return *good ? PC_OK : set_message(w);
}

/* percept train|plan RECIPE with the point's keys. */
static void add_recipe(work *w, command *c, const char *verb)
{
    add(w, c, "percept", "");
    add(w, c, verb, "");
    add(w, c, w->sweep->recipe, "");
    for (int i = 0; i < w->point.setting_count; i++) {
        add(w, c, w->point.settings[i], "");
    }
    add(w, c, "seed=", w->point.seed);
    add(w, c, "output_dir=", in_folder(w, "model"));
}

static pc_status train(work *w, bool *good)
{
    command c = {0};
    add_recipe(w, &c, "train");
    add(w, &c, "resume_from_checkpoint=latest", "");
    return run_step(w, &c, "train", NULL, good);
}

/* Run it and read the JSON that it prints; NULL when it failed. */
static pc_status ask(pc_json **out, work *w, command *c, const char *step, const char *file, bool *good)
{
    const char *path = in_folder(w, file);
    *out = NULL;
    PC_TRY(path ? run_step(w, c, step, path, good) : pc_fail_memory(0, "a path"));
    return *good ? pc_json_read(out, path, JSON_LIMIT) : PC_OK;
}

static pc_status copy_number(work *w, const pc_json *from, const char *key)
{
    return pc_json_set(w->record, key, pc_json_new_number(pc_json_get_number(from, key, 0)));
}

/* Floating-point operations of the whole training, by the steps that `percept plan` takes. */
static pc_status plan(work *w, bool *good)
{
    command c = {0};
    pc_json *planned;
    add_recipe(w, &c, "plan");
    add(w, &c, "--json", "");
    add(w, &c, "--seconds=0", "");
    PC_TRY(ask(&planned, w, &c, "plan", "plan.json", good));
    double flops = pc_json_get_number(planned, "flops_per_step", 0) * pc_json_get_number(planned, "steps", 0);
    pc_json_free(planned);
    return *good ? pc_json_set(w->record, "training_flops", pc_json_new_number(flops)) : PC_OK;
}

static pc_status show(work *w, bool *good)
{
    command c = {0};
    pc_json *shown;
    add(w, &c, "percept", "");
    add(w, &c, "show", "");
    add(w, &c, in_folder(w, "model"), "");
    add(w, &c, "--json", "");
    PC_TRY(ask(&shown, w, &c, "show", "show.json", good));
    pc_status status = *good ? copy_number(w, shown, "parameters") : PC_OK;
    status = status == PC_OK && *good ? copy_number(w, shown, "tokens_per_image") : status;
    pc_json_free(shown);
    return status;
}

static pc_status evaluate(work *w, const char *step, bool blind, bool *good)
{
    command c = {0};
    pc_json *extra = pc_json_get(w->sweep->file, "eval"), *results = NULL;
    char *folder = in_folder(w, step);
    add(w, &c, "percept", "");
    add(w, &c, "eval", "");
    add(w, &c, in_folder(w, "model"), "");
    add(w, &c, "--tasks=", w->sweep->tasks);
    add(w, &c, "--output_path=", folder);
    for (void *at = pc_json_first(extra); at; at = pc_json_next(extra, at)) {
        char name[128];
        snprintf(name, sizeof name, "--%.100s=", pc_json_key(at));
        add(w, &c, name, pc_json_text(pc_json_value(at)));
    }
    if (blind) {
        add(w, &c, "--no-images", "");
    }
    PC_TRY(run_step(w, &c, step, NULL, good));
    if (!*good) {
        return PC_OK;
    }
    char *path = pc_path_join(folder, "results.json");
    pc_status status = path ? pc_json_read(&results, path, JSON_LIMIT) : pc_fail_memory(0, "a path");
    if (status == PC_OK) {
        status = pc_json_set(w->record, blind ? "results_blind" : "results", pc_json_copy(pc_json_get(results, "results")));
    }
    pc_json_free(results);
    pc_free(path);
    return status;
}

static pc_status carry_out(work *w)
{
    bool good = true;
    PC_TRY(plan(w, &good));
    PC_TRY(good ? train(w, &good) : PC_OK);
    PC_TRY(good ? show(w, &good) : PC_OK);
    PC_TRY(good ? evaluate(w, "eval", false, &good) : PC_OK);
    PC_TRY(good && w->sweep->without_images ? evaluate(w, "eval-blind", true, &good) : PC_OK);
    return pc_json_set(w->record, "status", pc_json_new_text(good ? "ok" : "failed"));
}

/* What the point is: {"axes": {NAME: LABEL}, "seed", "settings": [..]}. */
static pc_status describe(pc_json **out, const work *w)
{
    pc_json *axes = pc_json_new_object(), *settings = pc_json_new_array(), *record = pc_json_new_object();
    pc_status status = axes && settings && record ? PC_OK : pc_fail_memory(0, "a point");
    for (int a = 0; a < w->sweep->axes && status == PC_OK; a++) {
        status = pc_json_set(axes, pc_sweep_axis(w->sweep, a), pc_json_new_text(w->point.labels[a]));
    }
    for (int i = 0; i < w->point.setting_count && status == PC_OK; i++) {
        status = pc_json_push(settings, pc_json_new_text(w->point.settings[i]));
    }
    if (status == PC_OK) {
        status = pc_json_set(record, "axes", axes);
        axes = NULL;
    }
    if (status == PC_OK) {
        status = pc_json_set(record, "seed", pc_json_new_text(w->point.seed));
    }
    if (status == PC_OK) {
        status = pc_json_set(record, "settings", settings);
        settings = NULL;
    }
    pc_json_free(axes);
    pc_json_free(settings);
    if (status != PC_OK) {
        pc_json_free(record);
        record = NULL;
    }
    *out = record;
    return status;
}

static pc_status same_settings(bool *same, const pc_json *a, const pc_json *b)
{
    pc_str x = {0}, y = {0};
    pc_status status;
    PC_GO(pc_json_write(&x, pc_json_get(a, "settings"), 0));
    PC_GO(pc_json_write(&y, pc_json_get(b, "settings"), 0));
    *same = strcmp(x.data, y.data) == 0;
done:
    pc_str_clear(&x);
    pc_str_clear(&y);
    return status;
}

/* *done = the record of a point that was finished before with the same settings; NULL when there is none. */
static pc_status find_done(pc_json **done, work *w, const char *path)
{
    bool same = false;
    *done = NULL;
    if (!pc_path_exists(path)) {
        return PC_OK;
    }
    PC_TRY(pc_json_read(done, path, JSON_LIMIT));
    pc_status status = same_settings(&same, *done, w->record);
    if (status == PC_OK && !same) {
        status = pc_fail(PC_ERR_USAGE, "%s: made with other settings; take another output_dir or remove it", path);
    }
    if (status != PC_OK || strcmp(pc_json_get_text(*done, "status", ""), "ok") != 0) {
        pc_json_free(*done);
        *done = NULL;
    }
    return status;
}

/* results grows by the point's record. */
static pc_status do_point(pc_sweep *sweep, size_t index, pc_json *results)
{
    work w = {.sweep = sweep};
    pc_json *done = NULL;
    pc_status status;
    PC_TRY(pc_sweep_point_at(&w.point, sweep, index));
    PC_TRY(pc_make_directories(w.point.folder));
    char *path = in_folder(&w, "point.json");
    w.log = in_folder(&w, "log.txt");
    PC_TRY(path && w.log ? PC_OK : pc_fail_memory(0, "a path"));
    PC_TRY(describe(&w.record, &w));
    PC_GO(find_done(&done, &w, path));
    if (done) {
        pc_json_free(w.record);
        w.record = done;
    } else {
        PC_GO(carry_out(&w));
        PC_GO(pc_json_write_file(path, w.record, 2));
    }
    const char *message = pc_json_get_text(w.record, "message", "");
    fprintf(stderr, "point %zu/%zu  %s  %s%s%s\n", index + 1, pc_sweep_points(sweep), w.point.folder,
            done ? "done before" : pc_json_get_text(w.record, "status", ""), *message ? ": " : "", message);
    status = pc_json_push(results, w.record);
    w.record = NULL;
done:
    pc_json_free(w.record);
    return status;
}

static pc_status sweep_all(pc_sweep *sweep)
{
    pc_json *results = pc_json_new_array();
    pc_status status = results ? PC_OK : pc_fail_memory(0, "results");
    for (size_t i = 0; i < pc_sweep_points(sweep) && status == PC_OK; i++) {
        status = do_point(sweep, i, results);
        if (status == PC_OK) {
            status = pc_sweep_report(sweep, results); /* what is known so far, after each point */
        }
    }
    pc_json_free(results);
    return status;
}

static pc_status run(int argc, char **argv)
{
    pc_arguments arguments;
    pc_sweep sweep;
    struct {
        char unused;
    } nothing;
    PC_TRY(pc_options_parse(&options, &nothing, &arguments, argc, argv));
    if (arguments.help) {
        return PC_OK;
    }
    pc_status status = pc_sweep_read(&sweep, arguments.items[0]);
    if (status == PC_OK) {
        status = sweep_all(&sweep);
    }
    if (status == PC_OK) {
        printf("%s/table.md\n", sweep.output_dir);
    }
    pc_sweep_clear(&sweep);
    return status;
}

const pc_command pc_command_sweep = {.name = "sweep", .summary = "train and evaluate a grid of recipes", .run = run};
