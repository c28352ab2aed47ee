/* `percept data adapt OUT ANNOTATIONS...` */
#include "base/memory.h"
#include "base/signal.h"
#include "cli/data.h"
#include "cli/options.h"
#include "cli/share.h"
#include "instruct/adapt.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

typedef struct adapt_options {
    char *tasks, *lang, *image_name, *media_dir;
    int form, box;
    bool square, balance, ocr_tokens, own_templates;
    int64_t most, turns, n, seed;
    double text_share;
} adapt_options;

static const char *const forms[] = {"both", "short", "long", NULL};
static const char *const boxes[] = {"unit", "thousand", "qwen", NULL}; /* as pc_box_form */

#define FIELD(key, kind, standard, least, most_, text)                                                             \
    {.name = #key, .type = kind, .offset = offsetof(adapt_options, key), .fallback = standard, .low = least, .high = most_, .help = text}
static const pc_field fields[] = {
    FIELD(tasks, PC_FIELD_TEXT, NULL, 0, 0, "make these tasks, separated by commas; unset = all that the annotations allow"),
    {.name = "form", .type = PC_FIELD_CHOICE, .offset = offsetof(adapt_options, form), .choices = forms,
     .help = "short answers, long ones (sentences), or both, drawn for each question"},
    FIELD(lang, PC_FIELD_TEXT, "en", 0, 0, "language of the templates: en, zh, or another one that a file of templates has"),
    FIELD(most, PC_FIELD_INT, "3", 1, 1000, "questions of one task for a picture that are made from boxes or text, at most; of positive and negative ones each"),
    FIELD(turns, PC_FIELD_INT, "0", 0, 1000, "questions in a row; 0 = all of a picture in one conversation"),
    FIELD(balance, PC_FIELD_BOOL, "true", 0, 0, "as many negative instructions as positive ones, picture by picture"),
    {.name = "box_format", .type = PC_FIELD_CHOICE, .offset = offsetof(adapt_options, box), .choices = boxes,
     .help = "boxes as [0.12, 0.30, 0.51, 0.94], [120, 300, 510, 940] or <box>(120,300),(510,940)</box>"},
    FIELD(square, PC_FIELD_BOOL, NULL, 0, 0, "boxes in the square that a picture is padded to, in place of the picture"),
    FIELD(ocr_tokens, PC_FIELD_BOOL, NULL, 0, 0, "text in the picture goes with the questions"),
    FIELD(text_share, PC_FIELD_FLOAT, "0.06", 0, 0.99, "with --text: share of rows without pictures"),
    FIELD(own_templates, PC_FIELD_BOOL, NULL, 0, 0, "the files of --templates alone, without those that come with percept"),
    FIELD(image_name, PC_FIELD_TEXT, NULL, 0, 0, "name of pictures that annotations number: COCO_val2014_{12}.jpg"),
    FIELD(media_dir, PC_FIELD_TEXT, NULL, 0, 0, "where pictures lie, for boxes in pixels when no file says their size"),
    FIELD(n, PC_FIELD_INT, "0", 0, 1e15, "so many pictures; 0 = all"),
    FIELD(seed, PC_FIELD_INT, "1", 0, 9e15, "another seed draws other templates"),
};
#undef FIELD

static const char usage[] =
    "percept data adapt OUT.json ANNOTATIONS... [OPTION]...\n\n"
    "Turns annotations into instruction conversations by templates: questions with answers, captions, classes, boxes, text in pictures;\n"
    "from boxes also positive and negative instructions as LRV-Instruction has them. Annotations are JSON lists, JSON Lines or files of COCO\n"
    "and VQA v2; all files together tell what is known of a picture. OUT is LLaVA JSON, or JSON Lines when it ends in .jsonl.";

static void show(void *user, int64_t done, int64_t all)
{
    (void)user;
    if (isatty(2) && (done % 100 == 0 || done == all)) {
        fprintf(stderr, "\r\033[K%" PRId64 " of %" PRId64 " pictures%s", done, all, done == all ? "\r\033[K" : "");
    }
}

static int stop_wanted(void *user)
{
    (void)user;
    return pc_signal_pending();
}

static void print_counts(const char *path, const pc_adapt_counts *c)
{
    printf("%s: %" PRId64 " rows, %" PRId64 " questions of %" PRId64 " pictures (%" PRId64 " without any)\n", path, c->rows + c->text_rows,
           c->exchanges, c->pictures, c->empty);
    for (int i = 0; i < pc_adapt_task_count(); i++) {
        if (c->of_task[i]) {
            printf("  %-14s %10" PRId64 "\n", pc_adapt_task_name(i), c->of_task[i]);
        }
    }
    const struct {
        const char *what;
        int64_t count;
    } others[] = {{"rows without pictures", c->text_rows},
                  {"positive instructions", c->positive},
                  {"negative instructions", c->negative},
                  {"things without a name in the language", c->unnamed},
                  {"boxes left out: none, or in pixels of a picture of unknown size", c->bad_boxes},
                  {"questions left out: they say '<image>' themselves", c->marked},
                  {"records left out: no picture's name, or unreadable", c->skipped}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (others[i].count) {
            printf("%" PRId64 " %s\n", others[i].count, others[i].what);
        }
    }
}

/* The installed file of templates, then those of --templates. */
static pc_status find_templates(const char **list, int *count, char **installed, const pc_option_list *own, bool alone)
{
    *count = 0;
    if (!alone) {
        PC_TRY(pc_share_find(installed, "recipes/instruct/templates.json", "recipes/instruct/templates.json"));
        if (!*installed) {
            return pc_fail(PC_ERR_IO, "recipes/instruct/templates.json is not beside the program; --own_templates takes those of --templates alone");
        }
        list[(*count)++] = *installed;
    }
    for (int i = 0; i < own->count; i++) {
        list[(*count)++] = own->items[i];
    }
    return *count ? PC_OK : pc_fail(PC_ERR_USAGE, "--own_templates needs --templates FILE");
}

static pc_status adapt(const pc_arguments *arguments, const adapt_options *o, const pc_option_list *lists)
{
    const char *templates[65];
    char *installed = NULL;
    int count;
    pc_adapt_counts counts;
    pc_status status = lists[0].count > 64 ? pc_fail(PC_ERR_USAGE, "more than 64 files of templates")
                                           : find_templates(templates, &count, &installed, &lists[0], o->own_templates);
    if (status == PC_OK) {
        static const int answers[] = {PC_ANSWERS_BOTH, PC_ANSWERS_SHORT, PC_ANSWERS_LONG};
        const pc_adapt_options how = {
            .annotations = arguments->items + 1, .annotation_count = arguments->count - 1, .templates = templates, .template_count = count,
            .texts = lists[1].items, .text_count = lists[1].count, .text_share = o->text_share, .tasks = o->tasks, .language = o->lang,
            .image_name = o->image_name, .media_dir = o->media_dir, .form = answers[o->form], .box = o->box, .square = o->square,
            .balance = o->balance, .ocr_tokens = o->ocr_tokens, .most = o->most, .turns = o->turns, .limit = o->n, .seed = (uint64_t)o->seed,
            .progress = show, .stop = stop_wanted};
        status = pc_adapt(arguments->items[0], &how, &counts);
    }
    if (status == PC_OK) {
        print_counts(arguments->items[0], &counts);
    }
    pc_free(installed);
    return status;
}

static void print_tasks(void)
{
    printf("\ntasks:\n");
    for (int i = 0; i < pc_adapt_task_count(); i++) {
        printf("  %-14s %s\n", pc_adapt_task_name(i), pc_adapt_task_help(i));
    }
}

pc_status pc_data_adapt(int argc, char **argv)
{
    adapt_options given;
    pc_arguments arguments;
    const char **items = NULL;
    pc_status status = PC_NEW_ARRAY(items, 2 * (size_t)argc, "arguments");
    pc_option_list lists[] = {{.name = "templates", .help = "a file of templates, words and names beside those that come with percept", .items = items},
                              {.name = "text", .help = "a dataset whose rows without pictures go among the others", .items = items ? items + argc : NULL},
                              {0}};
    const pc_options options = {
        .usage = usage, .fields = {fields, sizeof fields / sizeof fields[0]}, .lists = lists, .min_arguments = 2, .max_arguments = 64};
    if (status == PC_OK) {
        status = pc_options_parse(&options, &given, &arguments, argc, argv);
        if (status == PC_OK && arguments.help) {
            print_tasks();
        } else if (status == PC_OK) {
            status = adapt(&arguments, &given, lists);
        }
        pc_fields_clear(&options.fields, &given);
    }
    pc_free(items);
    return status;
}
