/* `percept data clean DATASET FOLDER` */
#include "base/json.h"
#include "base/signal.h"
#include "clean/clean.h"
#include "cli/data.h"
#include "cli/options.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

static pc_status read_config(void *object, const char *path)
{
    return pc_clean_read_options(object, path);
}

static pc_options options(void)
{
    return (pc_options){
        .usage = "percept data clean DATASET FOLDER [OPTION]...\n\n"
                 "Goes over pairs of pictures and captions and keeps those that no rule refuses, as tar shards or rows that percept reads.\n"
                 "DATASET is any that percept reads (a file, a folder, shards{00000..00127}.tar, scenes?n=1000). Rules are off until they\n"
                 "have a limit; recipes/clean has those that others published. FOLDER/report.json says how many samples each rule\n"
                 "dropped, FOLDER/dropped.jsonl names each of them with its reason: seen = kept + dropped + damaged. A run that was\n"
                 "broken off goes on when the same command is given again.",
        .fields = pc_clean_fields,
        .min_arguments = 2,
        .max_arguments = 2,
        .read_config = read_config,
    };
}

static void show(void *user, int64_t seen, int64_t all, int64_t kept)
{
    (void)user;
    if (isatty(2)) {
        fprintf(stderr, "\r\033[K%" PRId64 " of %" PRId64 " samples, %" PRId64 " kept", seen, all, kept);
    }
}

static int stop_wanted(void *user)
{
    (void)user;
    return pc_signal_pending();
}

/* The first line of a message. */
static int first_line(const char *text)
{
    int length = 0;
    while (text[length] && text[length] != '\n') {
        length++;
    }
    return length;
}

static void print_examples(const pc_json *examples)
{
    for (size_t i = 0; i < pc_json_length(examples); i++) {
        const pc_json *example = pc_json_at(examples, i);
        const char *where = pc_json_get_text(example, "where", ""), *found = pc_json_get_text(example, "found", "");
        bool named = pc_starts_with(found, where); /* messages of readers begin with it */
        printf("      %s%s%.*s\n", named ? "" : where, named ? "" : ": ", first_line(found), found);
    }
}

static void print_report(const pc_json *report, const char *folder)
{
    const pc_json *rules = pc_json_get(report, "rules"), *cosines = pc_json_get(report, "similarity_below");
    int64_t seen = pc_json_get_integer(report, "seen", 0);
    double percent = seen > 0 ? 100.0 / (double)seen : 0;
    printf("%s: %" PRId64 " seen = %" PRId64 " kept + %" PRId64 " dropped + %" PRId64 " damaged\n", folder, seen,
           pc_json_get_integer(report, "kept", 0), pc_json_get_integer(report, "dropped", 0), pc_json_get_integer(report, "damaged", 0));
    for (size_t i = 0; i < pc_json_length(rules); i++) {
        const pc_json *rule = pc_json_at(rules, i);
        int64_t dropped = pc_json_get_integer(rule, "dropped", 0), lacking = pc_json_get_integer(rule, "lacking", 0);
        printf("  %-16s %10" PRId64 "  %5.1f %%", pc_json_get_text(rule, "rule", ""), dropped, percent * (double)dropped);
            if (lacking) {
            printf("  (%" PRId64 " lack the score)", lacking);
        }
        printf("\n");
        print_examples(pc_json_get(rule, "examples"));
    }
    if (pc_json_get(report, "damaged_examples")) {
        printf("  damaged\n");
        print_examples(pc_json_get(report, "damaged_examples"));
    }
    for (void *it = pc_json_first(cosines); it; it = pc_json_next(cosines, it)) {
        printf("  %s of the cosines measured are below %.3f\n", pc_json_key(it), pc_json_number(pc_json_value(it), 0));
    }
}

static pc_status clean(const pc_clean_options *given, const char *dataset, const char *folder)
{
    const pc_clean_hooks hooks = {.progress = show, .stop = stop_wanted};
    pc_json *report = NULL;
    pc_status status = pc_clean_data(&report, dataset, folder, given, &hooks);
    if (isatty(2)) {
        fprintf(stderr, "\r\033[K");
    }
    PC_TRY(status);
    print_report(report, folder);
    pc_json_free(report);
    return PC_OK;
}

pc_status pc_data_clean(int argc, char **argv)
{
    pc_clean_options given;
    pc_arguments arguments;
    const pc_options how = options();
    pc_status status = pc_options_parse(&how, &given, &arguments, argc, argv);
    if (status == PC_OK && !arguments.help) {
        status = clean(&given, arguments.items[0], arguments.items[1]);
    }
    pc_fields_clear(&pc_clean_fields, &given);
    return status;
}
