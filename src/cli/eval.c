/* `percept eval`: how often a model answers right. */
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "agent/corrected.h"
#include "cli/answerer.h"
#include "cli/command.h"
#include "cli/eval_compare.h"
#include "cli/eval_options.h"
#include "cli/record.h"
#include "decode/think.h"
#include "eval/environment.h"
#include "eval/metric/metric.h"
#include "eval/report.h"
#include "eval/tally.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef pc_eval_options eval_options;

enum { TASKS_MAX = 16 };

typedef struct asked_task {
    const pc_task *task;
    pc_task_about about;
    const char *path;
    /* in results and file names: the task's, with the file's base name when there is one */
    char name[80];
    pc_tally score;
    pc_json *measured; /* what a task found that asks no questions, or NULL */
    pc_json *samples;  /* array of all, when a metric or a report needs them, or NULL */
    pc_json *metric;   /* what the task's metric found, or NULL */
} asked_task;

typedef struct evaluating {
    eval_options options;
    char *words; /* --tasks, cut at its commas */
    asked_task tasks[TASKS_MAX];
    int count;
    pc_cli_answerer who;
    pc_think think;
    pc_corrected corrected;
    pc_answerer thinker; /* who, with steps before the answer or not */
    pc_answerer answers; /* the same, corrected or not */
    pc_str result; /* JSON, for the record */
    double told_ms; /* when progress was told last */
} evaluating;

/* --- tasks --- */

/* questions of val.jsonl -> "val"; a folder or a task without files -> the task's name. */
static void name_task(asked_task *asked)
{
    memcpy(asked->name, asked->about.name, sizeof asked->about.name);
    if (asked->path && pc_ends_with(asked->path, ".jsonl")) {
        const char *base = pc_path_base(asked->path);
        snprintf(asked->name, sizeof asked->name, "%.*s",
                 (int)(strlen(base) - strlen(".jsonl")), base);
    }
    /* data:FOLDER?content=test -> data_content-test */
    const char *choice = asked->path ? strchr(asked->path, '?') : NULL;
    if (choice) {
        size_t length = strlen(asked->name);
        snprintf(asked->name + length, sizeof asked->name - length, "_%s", choice + 1);
        for (char *c = asked->name + length; *c; c++) {
            *c = isalnum((unsigned char)*c) || *c == '_' ? *c : '-';
        }
    }
}

static pc_status check_names(const evaluating *e)
{
    for (int i = 0; i < e->count; i++) {
        for (int k = 0; k < i; k++) {
            if (strcmp(e->tasks[i].name, e->tasks[k].name) == 0) {
                return pc_fail(PC_ERR_USAGE, "--tasks: two are named '%s'", e->tasks[i].name);
            }
        }
    }
    return PC_OK;
}

static pc_status find_tasks(evaluating *e)
{
    if (!e->options.tasks || !e->options.tasks[0]) {
        return pc_fail(PC_ERR_USAGE, "--tasks is needed: scenes, FILE.jsonl or a folder");
    }
    e->words = pc_strdup(e->options.tasks);
    if (!e->words) {
        return pc_fail_memory(strlen(e->options.tasks), "a list of tasks");
    }
    char *rest = e->words;
    for (char *word; (word = strsep(&rest, ","));) {
        if (e->count == TASKS_MAX) {
            return pc_fail(PC_ERR_USAGE, "--tasks: at most %d at once", TASKS_MAX);
        }
        asked_task *asked = &e->tasks[e->count++];
        PC_TRY(pc_task_find(&asked->task, &asked->path, word, e->options.data));
        PC_TRY(pc_task_describe(&asked->about, asked->task, asked->path));
        name_task(asked);
    }
    return check_names(e);
}

/* --- asking --- */

static void tell_progress(void *user, int64_t asked, int64_t right)
{
    evaluating *e = user;
    double now = pc_cli_now_ms();
    if (now - e->told_ms > 5000) {
        e->told_ms = now;
        pc_log(PC_LOG_INFO, "%" PRId64 " questions, %.1f %% right", asked,
               100 * pc_tally_accuracy(right, asked));
    }
}

/* *out = DIR/samples_NAME.jsonl, or NULL without --output_path. */
static pc_status samples_path(const evaluating *e, const asked_task *asked, char **out)
{
    char name[128];
    *out = NULL;
    if (!e->options.output_path) {
        return PC_OK;
    }
    snprintf(name, sizeof name, "samples_%s.jsonl", asked->name);
    *out = pc_path_join(e->options.output_path, name);
    return *out ? PC_OK : pc_fail_memory(sizeof name, "a path");
}

/* How answers are chosen, where it isn't greedily. */
static pc_status set_way(const eval_options *o, pc_json *into)
{
    PC_TRY(o->decoding ? pc_json_set(into, "decoding", pc_json_new_text(o->decoding)) : PC_OK);
    PC_TRY(o->think ? pc_json_set(into, "think", pc_json_new_text(o->think)) : PC_OK);
    PC_TRY(o->conclude ? pc_json_set(into, "conclude", pc_json_new_text(o->conclude)) : PC_OK);
    PC_TRY(o->correct ? pc_json_set(into, "correct", pc_json_new_bool(true)) : PC_OK);
    PC_TRY(o->visual_tokens ? pc_json_set(into, "visual_tokens", pc_json_new_text(o->visual_tokens)) : PC_OK);
    return o->temperature > 0 ? pc_json_set(into, "temperature", pc_json_new_number(o->temperature)) : PC_OK;
}

/* What decides the answers; a run goes on only where all of it is equal. */
static pc_status make_setup(const evaluating *e, const asked_task *asked, pc_json **out)
{
    const eval_options *o = &e->options;
    const struct {
        const char *key, *text;
    } texts[] = {{"model", e->who.model}, {"stamp", e->who.stamp}, {"fingerprint", e->who.fingerprint.whole},
                 {"task", asked->about.version}, {"path", asked->path}, {"data", o->data}, {"system", o->system}, {"dtype", o->dtype},
                 {"adapter", o->adapter}, {"shots_select", o->shots ? o->shots_select : NULL}, {"shots_task", o->shots_task},
                 {"shots_data", o->shots_data}, {"template", e->who.template_name}, {"base_url", o->base_url}};
    const struct {
        const char *key;
        int64_t value;
    } numbers[] = {{"limit", o->limit}, {"seed", o->seed}, {"max_new_tokens", o->max_new_tokens}, {"context", o->context},
                   {"no_images", o->no_images}, {"shots", o->shots}, {"shots_pool", o->shots ? o->shots_pool : 0},
                   {"shots_seed", o->shots ? o->shots_seed : 0}};
    pc_json *json = pc_json_new_object();
    pc_status status = PC_OK;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        PC_GO(pc_json_set(json, texts[i].key, pc_json_new_text(texts[i].text ? texts[i].text : "")));
    }
    PC_GO(pc_cli_cache_note(json, &o->cache));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        PC_GO(pc_json_set(json, numbers[i].key, pc_json_new_integer(numbers[i].value)));
    }
    PC_GO(set_way(o, json));
    *out = json;
    return PC_OK;
done:
    pc_json_free(json);
    return status;
}

static pc_status claim(const evaluating *e, const asked_task *asked, const char *samples)
{
    pc_json *setup;
    if (!samples) {
        return PC_OK;
    }
    PC_TRY(make_setup(e, asked, &setup));
    return pc_environment_claim(e->options.output_path, asked->name, samples, setup);
}

static pc_status apply_metric(asked_task *asked)
{
    const pc_metric *metric;
    pc_metric_items items = {0};
    pc_json *found = NULL;
    pc_status status = PC_OK;
    if (!asked->about.metric[0]) {
        return PC_OK;
    }
    PC_GO(pc_metric_find(&metric, asked->about.metric));
    PC_GO(pc_metric_take_samples(&items, asked->samples, asked->name));
    items.data = asked->about.metric_data[0] ? asked->about.metric_data : NULL;
    PC_GO(pc_metric_score(&found, metric, &items, false));
    asked->metric = pc_json_copy(pc_json_get(found, "corpus"));
    PC_GO(asked->metric ? PC_OK : pc_fail_memory(0, "a metric's values"));
done:
    pc_json_free(found);
    pc_metric_items_clear(&items);
    return status;
}

static pc_status measure_task(evaluating *e, asked_task *asked)
{
    pc_task_options task = {.path = asked->path, .seed = (uint64_t)e->options.seed,
                            .limit = e->options.limit};
    const pc_cli_model *opened = &e->who.opened;
    if (!opened->model) {
        return pc_fail(PC_ERR_USAGE, "--tasks %s looks into a model: an endpoint can't be asked", asked->name);
    }
    pc_task_subject subject = {.model = opened->model, .backend = opened->backend,
                               .context = e->options.context, .compute = opened->compute, .cache = &e->who.cache};
    return asked->task->measure(&asked->measured, &task, &subject);
}

/* The pool must not be the questions themselves: another task, other data, or drawn with another seed. */
static pc_status find_shots(const evaluating *e, const asked_task *asked, pc_shots **out)
{
    const eval_options *o = &e->options;
    pc_shots_options shots = {.select = o->shots_select, .count = o->shots, .pool = o->shots_pool, .seed = (uint64_t)o->shots_seed,
                              .task = asked->task, .local = e->who.local,
                              .task_options = {.path = asked->path, .data = o->shots_data, .seed = (uint64_t)o->shots_seed}};
    *out = NULL;
    if (!o->shots) {
        return PC_OK;
    }
    if (o->shots_task) {
        PC_TRY(pc_task_find(&shots.task, &shots.task_options.path, o->shots_task, o->shots_data));
    } else if (asked->path && !o->shots_data) {
        return pc_fail(PC_ERR_USAGE, "--shots: the examples of %s need --shots_task or --shots_data; its own questions are no examples",
                       asked->name);
    }
    return pc_shots_new(out, &shots);
}

static pc_status ask_task(evaluating *e, asked_task *asked)
{
    char *samples;
    pc_shots *shots = NULL;
    pc_task_options task = {.path = asked->path, .data = e->options.data, .seed = (uint64_t)e->options.seed};
    PC_TRY(samples_path(e, asked, &samples));
    pc_status status = claim(e, asked, samples);
    if (status == PC_OK && (samples || asked->about.metric[0]) && !(asked->samples = pc_json_new_array())) {
        status = pc_fail_memory(0, "samples");
    }
    pc_tally_options options = {
        .limit = e->options.limit ? e->options.limit : asked->about.usual_limit,
        .max_tokens = (size_t)e->options.max_new_tokens,
        .temperature = e->options.temperature,
        .blank_images = e->options.no_images,
        .system = e->options.system,
        .max_failures = e->options.max_failures,
        .batch = e->options.batch_size,
        .samples = samples,
        .kept = asked->samples,
        .on_sample = tell_progress,
        .user = e,
    };
    double start = pc_cli_now_ms();
    e->told_ms = start;
    if (status == PC_OK) {
        status = find_shots(e, asked, &shots);
        options.shots = shots;
    }
    if (status == PC_OK) {
        status = pc_tally_task(&asked->score, &e->answers, asked->task, &task, &options);
    }
    double seconds = (pc_cli_now_ms() - start) / 1e3;
    if (status == PC_OK) {
        pc_log(PC_LOG_INFO, "%s: %" PRId64 " questions in %.1f s, %" PRId64 " of them answered before", asked->name,
               asked->score.asked, seconds, asked->score.resumed);
        status = apply_metric(asked);
    }
    if (status == PC_OK && samples) {
        status = pc_environment_note(e->options.output_path, asked->name, seconds, (int)e->options.threads);
    }
    pc_shots_free(shots);
    pc_free(samples);
    return status;
}

/* --- results --- */

static void print_row(const char *name, int64_t right, int64_t asked)
{
    printf("  %-24s %8" PRId64 " / %-8" PRId64 " %6.1f %%  +- %.1f\n", name, right, asked,
           100 * pc_tally_accuracy(right, asked), 100 * pc_tally_error(right, asked));
}

static void print_measured(const asked_task *asked)
{
    printf("%s (%s)\n", asked->name, asked->about.version);
    for (void *it = pc_json_first(asked->measured); it; it = pc_json_next(asked->measured, it)) {
        pc_json *value = pc_json_value(it);
        if (pc_json_is_integer(value)) {
            printf("  %-24s %8" PRId64 "\n", pc_json_key(it), pc_json_integer(value, 0));
        } else {
            printf("  %-24s %13.4f\n", pc_json_key(it), pc_json_number(value, 0));
        }
    }
}

static void print_table(const evaluating *e)
{
    for (int i = 0; i < e->count; i++) {
        const asked_task *asked = &e->tasks[i];
        if (asked->measured) {
            print_measured(asked);
            continue;
        }
        printf("%s (%s)%s\n", asked->name, asked->about.version,
               e->options.no_images ? ", pictures blanked" : "");
        for (int k = 0; k < asked->score.kind_count; k++) {
            const pc_tally_kind *kind = &asked->score.kinds[k];
            print_row(kind->name, kind->right, kind->asked);
        }
        print_row("all", asked->score.right, asked->score.asked);
        if (asked->score.failed) {
            printf("  %-24s %8" PRId64 "\n", "without an answer", asked->score.failed);
        }
        for (void *it = asked->metric ? pc_json_first(asked->metric) : NULL; it; it = pc_json_next(asked->metric, it)) {
            if (pc_json_is_number(pc_json_value(it))) {
                printf("  %-24s %28.2f\n", pc_json_key(it), pc_json_number(pc_json_value(it), 0));
            }
        }
    }
}

static pc_status set_config(const evaluating *e, const asked_task *asked, pc_json *into)
{
    pc_json *config = pc_json_new_object();
    PC_TRY(pc_json_set(into, asked->name, config));
    PC_TRY(pc_json_set(config, "task", pc_json_new_text(asked->about.name)));
    PC_TRY(pc_json_set(config, "limit", pc_json_new_integer(e->options.limit)));
    if (!asked->path) {
        PC_TRY(pc_json_set(config, "seed", pc_json_new_integer(e->options.seed)));
    }
    PC_TRY(pc_json_set(config, "no_images", pc_json_new_bool(e->options.no_images)));
    PC_TRY(pc_json_set(config, "max_new_tokens", pc_json_new_integer(e->options.max_new_tokens)));
    if (e->options.shots) {
        PC_TRY(pc_json_set(config, "shots", pc_json_new_integer(e->options.shots)));
        PC_TRY(pc_json_set(config, "shots_select", pc_json_new_text(e->options.shots_select)));
    }
    PC_TRY(set_way(&e->options, config));
    return pc_json_set(config, "template",
                       pc_json_new_text(e->who.template_name));
}

static int64_t samples_of(const asked_task *asked)
{
    return asked->measured ? pc_json_get_integer(asked->measured, "tokens", 0) : asked->score.asked;
}

static pc_status set_fingerprint(const pc_fingerprint *fingerprint, pc_json *into)
{
    pc_json *parts = pc_json_new_object();
    PC_TRY(pc_json_set(into, "fingerprint", parts));
    for (int i = 0; i < PC_FINGERPRINT_PARTS; i++) {
        PC_TRY(pc_json_set(parts, pc_fingerprint_part(i), pc_json_new_text(fingerprint->part[i])));
    }
    return pc_json_set(parts, "whole", pc_json_new_text(fingerprint->whole));
}

static pc_status task_result(const asked_task *asked, pc_json **out)
{
    if (asked->measured) {
        *out = pc_json_copy(asked->measured);
        return *out ? PC_OK : pc_fail_memory(0, "a result");
    }
    PC_TRY(pc_tally_to_json(&asked->score, out));
    pc_status status = asked->metric ? pc_json_set(*out, asked->about.metric, pc_json_copy(asked->metric)) : PC_OK;
    if (status != PC_OK) {
        pc_json_free(*out);
    }
    return status;
}

/* The keys are those of lmms-eval. No times and no machine: equal models give equal files. */
static pc_status make_results(const evaluating *e, pc_json **out)
{
    pc_json *json = pc_json_new_object(), *parts[4] = {NULL};
    static const char *const keys[4] = {"results", "versions", "configs", "n-samples"};
    pc_status status;
    const char *model = e->options.base_url ? e->who.model : pc_path_base(e->who.model);
    PC_GO(pc_json_set(json, "model", pc_json_new_text(model)));
    PC_GO(pc_json_set(json, "dtype", pc_json_new_text(e->options.dtype)));
    PC_GO(e->options.base_url ? PC_OK : set_fingerprint(&e->who.fingerprint, json));
    for (int i = 0; i < 4; i++) {
        parts[i] = pc_json_new_object();
        PC_GO(pc_json_set(json, keys[i], parts[i]));
    }
    for (int i = 0; i < e->count; i++) {
        const asked_task *asked = &e->tasks[i];
        pc_json *score;
        PC_GO(task_result(asked, &score));
        PC_GO(pc_json_set(parts[0], asked->name, score));
        PC_GO(pc_json_set(parts[1], asked->name, pc_json_new_text(asked->about.version)));
        PC_GO(set_config(e, asked, parts[2]));
        PC_GO(pc_json_set(parts[3], asked->name, pc_json_new_integer(samples_of(asked))));
    }
done:
    if (status != PC_OK) {
        pc_json_free(json);
        json = NULL;
    }
    *out = json;
    return status;
}

static pc_status print_json(const pc_json *results)
{
    pc_str text = {0};
    pc_status status = pc_json_write(&text, results, 0);
    if (status == PC_OK) {
        puts(text.data);
    }
    pc_str_clear(&text);
    return status;
}

static pc_status write_results(const evaluating *e, const pc_json *results)
{
    char *path = pc_path_join(e->options.output_path, "results.json");
    pc_status status = path ? pc_json_write_file(path, results, 2)
                            : pc_fail_memory(strlen(e->options.output_path), "a path");
    pc_free(path);
    return status;
}

static pc_status write_report(const evaluating *e, const pc_json *results)
{
    char *path = pc_path_join(e->options.output_path, "report.html");
    pc_report_task tasks[TASKS_MAX];
    int count = 0;
    for (int i = 0; i < e->count; i++) {
        const asked_task *asked = &e->tasks[i];
        if (asked->samples) {
            tasks[count++] = (pc_report_task){
                .name = asked->name, .task = asked->task, .score = &asked->score, .samples = asked->samples,
                .metric = asked->about.metric,
                .options = {.path = asked->path, .data = e->options.data, .seed = (uint64_t)e->options.seed},
                .result = pc_json_get(pc_json_get(results, "results"), asked->name)};
        }
    }
    pc_status status = path ? pc_report_write(path, e->options.base_url ? e->who.model : pc_path_base(e->who.model), tasks, count)
                            : pc_fail_memory(strlen(e->options.output_path), "a path");
    pc_free(path);
    return status;
}

static pc_status tell_results(evaluating *e)
{
    pc_json *results = NULL;
    pc_status status;
    PC_GO(make_results(e, &results));
    PC_GO(pc_json_write(&e->result, results, 0));
    if (e->options.json) {
        PC_GO(print_json(results));
    } else {
        print_table(e);
    }
    if (e->options.output_path) {
        PC_GO(write_results(e, results));
        PC_GO(write_report(e, results));
    }
done:
    pc_json_free(results);
    return status;
}

/* --- the command --- */

static pc_status check_who(const eval_options *o)
{
    bool endpoint = strcmp(o->model, "openai") == 0;
    if (!endpoint && strcmp(o->model, "local") != 0) {
        return pc_fail(PC_ERR_USAGE, "--model '%s': expected local or openai; the model itself is the first argument", o->model);
    }
    if (endpoint != (o->base_url != NULL)) {
        return pc_fail(PC_ERR_USAGE, endpoint ? "--model openai needs --base_url URL" : "--base_url needs --model openai");
    }
    return o->api_key_env && !endpoint ? pc_fail(PC_ERR_USAGE, "--api_key_env needs --model openai") : PC_OK;
}

static pc_status evaluate(evaluating *e, const char *path)
{
    const eval_options *o = &e->options;
    pc_status status;
    if (pc_cli_visual_help(o->visual_tokens, &status)) {
        return status;
    }
    PC_TRY(find_tasks(e));
    PC_TRY(check_who(o));
    if (o->conclude && !o->think) {
        return pc_fail(PC_ERR_USAGE, "--conclude needs --think TEXT");
    }
    if (o->log_samples && !o->output_path) {
        return pc_fail(PC_ERR_USAGE, "--log_samples needs --output_path DIR");
    }
    if (o->output_path) {
        PC_TRY(pc_make_directories(o->output_path));
    }
    PC_TRY(pc_cli_answerer_open(&e->who, &(pc_cli_answerer_options){
                                             .name = path, .base_url = o->base_url, .key_env = o->api_key_env, .tries = o->tries,
                                             .calls_a_minute = o->calls_a_minute, .dtype = o->dtype, .adapter = o->adapter,
                                             .template_name = o->template_name, .decoding = o->decoding, .threads = o->threads,
                                             .context = o->context, .batch = o->batch_size, .mmproj = o->mmproj,
                                             .visual_tokens = o->visual_tokens, .cache = o->cache, .pin = o->pin}));
    const pc_answerer *who = &e->who.answerer;
    e->think = (pc_think){.inner = who, .trigger = o->think, .conclude = o->conclude};
    e->thinker = o->think ? pc_think_answerer(&e->think) : *who;
    e->corrected = (pc_corrected){.first = &e->thinker, .corrector = {.detector = who, .vqa = who}};
    e->answers = o->correct ? pc_corrected_answerer(&e->corrected) : e->thinker;
    for (int i = 0; i < e->count; i++) {
        PC_TRY(e->tasks[i].task->measure ? measure_task(e, &e->tasks[i])
                                         : ask_task(e, &e->tasks[i]));
    }
    return tell_results(e);
}

static void begin_record(pc_record *record, const evaluating *e, const char *model)
{
    pc_json *settings = pc_json_new_object();
    pc_str text = {0};
    *record = (pc_record){0};
    if (pc_fields_to_json(&pc_eval_fields, &e->options, settings) == PC_OK && pc_json_write(&text, settings, 2) == PC_OK) {
        pc_record_begin(record, &(pc_run_start){.kind = "eval", .name = model, .settings = text.data,
                                                .folder = e->options.output_path ? e->options.output_path : ""});
    }
    pc_json_free(settings);
    pc_str_clear(&text);
}

static pc_status run(int argc, char **argv)
{
    evaluating e = {0};
    pc_arguments arguments;
    pc_options spec = {
        .usage = "percept eval MODEL --tasks scenes[,FILE.jsonl] [--limit N] [OPTION]...\n"
                 "percept eval NAME --model openai --base_url URL [--api_key_env VARIABLE] --tasks ...\n"
                 "percept eval compare A B [--json]\n\n"
                 "Asks questions, greedily unless --temp says otherwise, and compares the answers with the truth: equal when "
                 "in lower case,\ntrimmed and without a period at the end.",
        .fields = pc_eval_fields,
        .aliases = pc_eval_aliases,
        .min_arguments = 1,
        .max_arguments = 1,
    };
    if (argc > 1 && strcmp(argv[1], "compare") == 0) {
        return pc_cli_eval_compare(argc - 1, argv + 1);
    }
    pc_status status = pc_options_parse(&spec, &e.options, &arguments, argc, argv);
    if (status == PC_OK && !arguments.help) {
        pc_record record;
        begin_record(&record, &e, arguments.items[0]);
        status = evaluate(&e, arguments.items[0]);
        pc_record_end(&record, status, e.result.data);
    }
    pc_str_clear(&e.result);
    for (int i = 0; i < e.count; i++) {
        pc_json_free(e.tasks[i].measured);
        pc_json_free(e.tasks[i].samples);
        pc_json_free(e.tasks[i].metric);
    }
    pc_cli_answerer_close(&e.who);
    pc_fields_clear(&spec.fields, &e.options);
    pc_free(e.words);
    return status;
}

const pc_command pc_command_eval = {
    .name = "eval", .summary = "measure how often a model answers right", .run = run};
