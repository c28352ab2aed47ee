/* `percept data judge DIR JUDGE ROWS...` */
#include "base/memory.h"
#include "cli/asker.h"
#include "cli/data.h"
#include "cli/share.h"
#include "instruct/judge.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

typedef struct judge_options {
    int by;
    char *rules, *media_dir;
    double margin;
    int64_t n;
    pc_cli_asker asker;
} judge_options;

static const char *const ways[] = {"auto", "text", "likelihood", NULL};

#define FIELD(key, kind, standard, least, most, text)                                                             \
    {.name = #key, .type = kind, .offset = offsetof(judge_options, key), .fallback = standard, .low = least, .high = most, .help = text}
static const pc_field fields[] = {
    {.name = "by", .type = PC_FIELD_CHOICE, .offset = offsetof(judge_options, by), .choices = ways,
     .help = "ratings that the judge writes with rationales (text), or the mean of 1 to 5 by its probabilities (likelihood, local models alone); "
             "auto = likelihood for a local model, text for an endpoint"},
    FIELD(margin, PC_FIELD_FLOAT, "0", 0, 4, "two answers are a pair when their scores differ by more"),
    FIELD(rules, PC_FIELD_TEXT, NULL, 0, 0, "file of rules and aspects in place of recipes/instruct/judge.json"),
    FIELD(media_dir, PC_FIELD_TEXT, NULL, 0, 0, "where pictures lie; unset = beside the first file"),
    FIELD(n, PC_FIELD_INT, "0", 0, 1e15, "so many rows; 0 = all"),
    PC_ASKER_FIELDS(judge_options),
};
#undef FIELD

static const pc_options options = {
    .usage = "percept data judge DIR JUDGE ROWS... [OPTION]...\n\n"
             "Lets a judge (a model here, or behind --base_url) rate several answers to each prompt from 1 to 5 on VLFeedback's aspects\n"
             "(helpfulness, visual faithfulness, ethical considerations), and makes every two answers with different means a preference pair, as\n"
             "Silkie does. Rows have a prompt and completions (`percept data answers`). DIR/ratings.jsonl has the ratings, DIR/pairs.jsonl the\n"
             "pairs for stages dpo and rm, DIR/apart.jsonl the replies that were malformed or cut. The same command goes on where it was stopped.",
    .fields = {fields, sizeof fields / sizeof fields[0]},
    .min_arguments = 3,
    .max_arguments = 2 + 16,
};

static void print_means(const pc_judge_counts *c)
{
    printf("%-28s %8s", "mean rating", "answers");
    for (int a = 0; a < c->aspect_count; a++) {
        printf("  %s", c->aspects[a]);
    }
    printf("\n");
    for (int m = 0; m < c->model_count; m++) {
        printf("%-28s %8" PRId64, c->models[m].name, c->models[m].answers);
        for (int a = 0; a < c->aspect_count; a++) {
            printf("  %*.2f", (int)strlen(c->aspects[a]), c->models[m].sum[a] / (double)c->models[m].answers);
        }
        printf("\n");
    }
}

static pc_status judge(const pc_arguments *arguments, const judge_options *o, const pc_cli_answerer *who, const char *rules)
{
    pc_judge_counts counts;
    bool likelihood = o->by == 2 || (o->by == 0 && !who->endpoint);
    if (likelihood && who->endpoint) {
        return pc_fail(PC_ERR_USAGE, "--by likelihood: an endpoint tells no likelihood of given texts; this needs a local model");
    }
    const pc_judge_options how = {
        .rows = arguments->items + 2, .row_count = arguments->count - 2, .rules = rules, .media_dir = o->media_dir,
        .model = pc_cli_asker_model(who), .likelihood = likelihood, .margin = o->margin, .limit = o->n,
        .asking = pc_cli_asker_options(&o->asker, who, arguments->items[0])};
    pc_status status = pc_judge(&how, &counts);
    if (counts.asking.done) {
        pc_cli_asker_tell(&o->asker, &counts.asking);
    }
    if (status == PC_OK) {
        printf("%s/pairs.jsonl: %" PRId64 " pairs of %" PRId64 " answers in %" PRId64 " rows, %" PRId64 " without a difference\n", arguments->items[0],
               counts.pairs, counts.answers, counts.rows, counts.ties);
        print_means(&counts);
    }
    return status;
}

pc_status pc_data_judge(int argc, char **argv)
{
    judge_options given;
    pc_arguments arguments;
    char *installed = NULL;
    pc_status status = pc_options_parse(&options, &given, &arguments, argc, argv);
    if (status == PC_OK && !arguments.help) {
        pc_cli_answerer who = {0};
        status = given.rules ? PC_OK : pc_share_find(&installed, "recipes/instruct/judge.json", "recipes/instruct/judge.json");
        const char *rules = given.rules ? given.rules : installed;
        status = status == PC_OK && !rules ? pc_fail(PC_ERR_IO, "recipes/instruct/judge.json is not beside the program; --rules FILE") : status;
        status = status == PC_OK ? pc_cli_asker_open(&who, &given.asker, arguments.items[1]) : status;
        status = status == PC_OK ? judge(&arguments, &given, &who, rules) : status;
        pc_cli_answerer_close(&who);
    }
    pc_free(installed);
    pc_fields_clear(&options.fields, &given);
    return status;
}
