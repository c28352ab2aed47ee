/* `percept arena`: a page on which people vote between models' answers; and a case study, the same answers side by side. */
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/signal.h"
#include "cli/command.h"
#include "cli/options.h"
#include "eval/gallery.h"
#include "server/arena.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

typedef struct arena_options {
    char *task, *data, *votes, *page, *ids;
    int64_t seed, limit, port, draw_seed;
    bool all;
} arena_options;

#define TEXT(key, standard, text) \
    {.name = #key, .type = PC_FIELD_TEXT, .offset = offsetof(arena_options, key), .fallback = standard, .help = text}
#define NUMBER(key, standard, least, most, text)                                                                             \
    {.name = #key, .type = PC_FIELD_INT, .offset = offsetof(arena_options, key), .fallback = standard, .low = least, .high = most, \
     .help = text}
static const pc_field fields[] = {
    TEXT(task, NULL, "the task that was answered, as in percept eval --tasks"),
    TEXT(data, NULL, "its data, as in percept eval"),
    NUMBER(seed, "900001", 0, 9e15, "of drawn questions, as in percept eval"),
    TEXT(votes, "votes.jsonl", "file of the votes; pairs that it holds are not shown again"),
    NUMBER(port, "0", 0, 65535, "of 127.0.0.1; 0 = a free one, which is printed"),
    NUMBER(draw_seed, "1", 0, 9e15, "of the order of pairs and of who stands on the left"),
    NUMBER(limit, "200", 1, 1 << 20, "questions at most"),
    TEXT(ids, NULL, "only these questions, separated by commas"),
    TEXT(page, NULL, "write a case study to this HTML file, names and truths shown, in place of serving"),
    {.name = "all", .type = PC_FIELD_BOOL, .offset = offsetof(arena_options, all), .fallback = "false",
     .help = "in the case study also questions that all models answer alike"},
};
#undef TEXT
#undef NUMBER

static void wait_for_signal(void)
{
    while (!pc_signal_pending()) {
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    }
}

static pc_status serve(const arena_options *o, const pc_gallery *gallery)
{
    pc_arena_page *page;
    int64_t pairs, voted;
    PC_TRY(pc_arena_page_new(&page, &(pc_arena_options){.gallery = gallery, .votes = o->votes, .seed = (uint64_t)o->draw_seed,
                                                        .port = (int)o->port}));
    pc_arena_page_counts(page, &pairs, &voted);
    printf("http://127.0.0.1:%d/\n", pc_arena_page_port(page));
    fflush(stdout);
    pc_log(PC_LOG_INFO, "%" PRId64 " pairs of answers, %" PRId64 " with votes in %s; Ctrl-C ends", pairs, voted, o->votes);
    wait_for_signal();
    pc_arena_page_counts(page, &pairs, &voted);
    pc_arena_page_free(page);
    pc_log(PC_LOG_INFO, "%" PRId64 " votes; percept score bradley_terry --predictions %s --references %s", voted, o->votes, o->votes);
    pc_signal_reset(); /* that is how it ends */
    return PC_OK;
}

static pc_status compare(const arena_options *o, const pc_arguments *arguments)
{
    pc_gallery gallery = {0};
    pc_gallery_options options = {.models = (int)arguments->count, .limit = o->limit, .differing = !(o->page && o->all), .ids = o->ids,
                                  .task_options = {.data = o->data, .seed = (uint64_t)o->seed}};
    const char *files[PC_GALLERY_MODELS];
    pc_status status;
    if (!o->task) {
        return pc_fail(PC_ERR_USAGE, "--task is needed: the one that was answered");
    }
    for (int i = 0; i < options.models; i++) {
        files[i] = arguments->items[i];
    }
    options.files = files;
    PC_GO(pc_task_find(&options.task, &options.task_options.path, o->task, o->data));
    PC_GO(pc_gallery_load(&gallery, &options));
    PC_GO(o->page ? pc_gallery_write(&gallery, o->page, o->task) : serve(o, &gallery));
done:
    pc_gallery_clear(&gallery);
    return status;
}

static pc_status run(int argc, char **argv)
{
    arena_options o = {0};
    pc_arguments arguments;
    pc_options spec = {
        .usage = "percept arena --task TASK A/samples_TASK.jsonl B/samples_TASK.jsonl [C/...]... [--votes FILE] [--port N]\n"
                 "percept arena --task TASK A/samples_TASK.jsonl B/samples_TASK.jsonl ... --page FILE.html\n\n"
                 "Serves a page on which a person votes, without seeing names, between two models' answers to one question.\n"
                 "The files are of percept eval --output_path; a model is named for its folder.",
        .fields = {fields, sizeof fields / sizeof fields[0]},
        .min_arguments = 2,
        .max_arguments = PC_GALLERY_MODELS,
    };
    pc_status status = pc_options_parse(&spec, &o, &arguments, argc, argv);
    if (status == PC_OK && !arguments.help) {
        status = compare(&o, &arguments);
    }
    pc_fields_clear(&spec.fields, &o);
    return status;
}

const pc_command pc_command_arena = {
    .name = "arena", .summary = "people vote between models' answers on a page; case studies", .run = run};
