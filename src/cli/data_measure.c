/* `percept data measure DATASET...` */
#include "base/signal.h"
#include "cli/data.h"
#include "cli/options.h"
#include "instruct/measure.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

typedef struct measure_options {
    int64_t n, sample, top, seed;
    bool json;
} measure_options;

static const pc_field fields[] = {
    {.name = "n", .type = PC_FIELD_INT, .offset = offsetof(measure_options, n), .fallback = "0", .high = 1e15,
     .help = "look at so many samples of each dataset; 0 = all"},
    {.name = "sample", .type = PC_FIELD_INT, .offset = offsetof(measure_options, sample), .fallback = "1000", .low = 2, .high = 100000,
     .help = "exchanges that self-BLEU and distinct n-grams are computed from; compare sets at one number"},
    {.name = "top", .type = PC_FIELD_INT, .offset = offsetof(measure_options, top), .fallback = "5", .high = 1000,
     .help = "name so many of the most frequent openings and pairs of verb and noun"},
    {.name = "seed", .type = PC_FIELD_INT, .offset = offsetof(measure_options, seed), .fallback = "1", .high = 9e15,
     .help = "which exchanges are drawn"},
    {.name = "json", .type = PC_FIELD_BOOL, .offset = offsetof(measure_options, json), .help = "the report as JSON"},
};

static const pc_options options = {
    .usage = "percept data measure DATASET... [OPTION]...\n\n"
             "How diverse the questions and answers of instruction data are (different texts, distinct n-grams, self-BLEU, openings,\n"
             "pairs of verb and noun), and which tasks they cover. Tasks and pairs are found by lists of words, in English and\n"
             "Chinese (pairs: English alone).",
    .fields = {fields, sizeof fields / sizeof fields[0]},
    .min_arguments = 1,
    .max_arguments = 64,
};

static void show(void *user, int64_t done, int64_t all)
{
    (void)user;
    if (isatty(2) && (done % 1000 == 0 || done == all)) {
        fprintf(stderr, "\r\033[K%" PRId64 " of %" PRId64 " samples%s", done, all, done == all ? "\r\033[K" : "");
    }
}

static int stop_wanted(void *user)
{
    (void)user;
    return pc_signal_pending();
}

static void print_phrases(const char *what, const pc_json *node)
{
    const pc_json *top = pc_json_get(node, "top");
    printf("  %-12s %" PRId64 " different, as diverse as %.1f equally frequent ones (found in %.1f %%)\n", what,
           pc_json_get_integer(node, "different", 0), pc_json_get_number(node, "effective", 0), 100 * pc_json_get_number(node, "found", 0));
    for (size_t i = 0; i < pc_json_length(top); i++) {
        const pc_json *pair = pc_json_at(top, i);
        printf("    %8" PRId64 "  %s\n", pc_json_integer(pc_json_at(pair, 1), 0), pc_json_text(pc_json_at(pair, 0)));
    }
}

static void print_side(const pc_json *report, const char *key)
{
    const pc_json *side = pc_json_get(report, key);
    printf("%s: %.1f words each, %.1f %% different\n", key, pc_json_get_number(side, "words", 0), 100 * pc_json_get_number(side, "different", 0));
    printf("  of %" PRId64 " drawn: distinct-1 %.3f  distinct-2 %.3f  distinct-3 %.3f  distinct-4 %.3f  self-BLEU %.3f\n",
           pc_json_get_integer(side, "sampled", 0), pc_json_get_number(side, "distinct_1", 0), pc_json_get_number(side, "distinct_2", 0),
           pc_json_get_number(side, "distinct_3", 0), pc_json_get_number(side, "distinct_4", 0), pc_json_get_number(side, "self_bleu", 0));
    print_phrases("openings", pc_json_get(side, "openings"));
    if (pc_json_get(side, "verb_noun")) {
        print_phrases("verb noun", pc_json_get(side, "verb_noun"));
    }
}

static void print_counts(const pc_json *counts, int64_t all)
{
    for (void *it = pc_json_first(counts); it; it = pc_json_next(counts, it)) {
        int64_t count = pc_json_integer(pc_json_value(it), 0);
        printf("  %-14s %10" PRId64 "  %5.1f %%\n", pc_json_key(it), count, 100 * (double)count / (double)all);
    }
}

static void print_report(const pc_json *report)
{
    int64_t exchanges = pc_json_get_integer(report, "exchanges", 0);
    printf("%" PRId64 " samples (%" PRId64 " with pictures, %" PRId64 " unreadable), %" PRId64 " questions with answers\n",
           pc_json_get_integer(report, "samples", 0), pc_json_get_integer(report, "with_pictures", 0),
           pc_json_get_integer(report, "skipped", 0), exchanges);
    print_side(report, "questions");
    print_side(report, "answers");
    print_counts(pc_json_get(report, "answer_forms"), exchanges);
    printf("tasks: %" PRId64 " of %" PRId64 " covered, as evenly as %.1f equally frequent ones\n", pc_json_get_integer(report, "tasks_covered", 0),
           pc_json_get_integer(report, "tasks_known", 0), pc_json_get_number(report, "tasks_effective", 0));
    print_counts(pc_json_get(report, "tasks"), exchanges);
}

static pc_status measure(const pc_arguments *arguments, const measure_options *given)
{
    const pc_measure_options how = {.limit = given->n, .sample = given->sample, .top = given->top, .seed = (uint64_t)given->seed,
                                    .progress = show, .stop = stop_wanted};
    pc_json *report;
    pc_str text = {0};
    PC_TRY(pc_measure_data(&report, arguments->items, arguments->count, &how));
    pc_status status = given->json ? pc_json_write(&text, report, 2) : PC_OK;
    if (status == PC_OK && given->json) {
        printf("%s\n", text.data);
    } else if (status == PC_OK) {
        print_report(report);
    }
    pc_str_clear(&text);
    pc_json_free(report);
    return status;
}

pc_status pc_data_measure(int argc, char **argv)
{
    measure_options given;
    pc_arguments arguments;
    pc_status status = pc_options_parse(&options, &given, &arguments, argc, argv);
    status = status == PC_OK && !arguments.help ? measure(&arguments, &given) : status;
    pc_fields_clear(&options.fields, &given);
    return status;
}
