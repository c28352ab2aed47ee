/* `percept data answers DIR MODEL ROWS...` */
#include "cli/asker.h"
#include "cli/data.h"
#include "instruct/answers.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

typedef struct answers_options {
    char *as, *media_dir;
    int64_t answers, n;
    pc_cli_asker asker;
} answers_options;

#define FIELD(key, kind, standard, least, most, text)                                                               \
    {.name = #key, .type = kind, .offset = offsetof(answers_options, key), .fallback = standard, .low = least, .high = most, .help = text}
static const pc_field fields[] = {
    FIELD(answers, PC_FIELD_INT, "1", 1, 64, "to each prompt; more than one need a temperature"),
    FIELD(as, PC_FIELD_TEXT, NULL, 0, 0, "how the rows name the model; unset = its own name"),
    FIELD(media_dir, PC_FIELD_TEXT, NULL, 0, 0, "where pictures lie; unset = beside the first file"),
    FIELD(n, PC_FIELD_INT, "0", 0, 1e15, "so many rows; 0 = all"),
    PC_ASKER_FIELDS(answers_options),
};
#undef FIELD

static const pc_options options = {
    .usage = "percept data answers DIR MODEL ROWS... [OPTION]...\n\n"
             "Lets a model (here, or behind --base_url) answer the prompts of rows (prompt, question, or the first turn of a conversation). Its\n"
             "answers stand in DIR/answers.jsonl behind those that the rows have, so that one call after the other collects those of several\n"
             "models; `percept data judge` rates them. The same command goes on where it was stopped.",
    .fields = {fields, sizeof fields / sizeof fields[0]},
    .min_arguments = 3,
    .max_arguments = 2 + 16,
};

static pc_status collect(const pc_arguments *arguments, const answers_options *o, const pc_cli_answerer *who)
{
    pc_answers_counts counts;
    const pc_answers_options how = {
        .rows = arguments->items + 2, .row_count = arguments->count - 2, .media_dir = o->media_dir,
        .model = o->as ? o->as : pc_cli_asker_model(who), .answers = o->answers, .limit = o->n,
        .asking = pc_cli_asker_options(&o->asker, who, arguments->items[0])};
    pc_status status = pc_collect_answers(&how, &counts);
    if (counts.asking.done) {
        pc_cli_asker_tell(&o->asker, &counts.asking);
    }
    if (status == PC_OK) {
        printf("%s/answers.jsonl: %" PRId64 " rows, %" PRId64 " answers\n", arguments->items[0], counts.rows, counts.answers);
    }
    return status;
}

pc_status pc_data_answers(int argc, char **argv)
{
    answers_options given;
    pc_arguments arguments;
    pc_status status = pc_options_parse(&options, &given, &arguments, argc, argv);
    if (status == PC_OK && !arguments.help && given.answers > 1 && given.asker.temperature <= 0) {
        status = pc_fail(PC_ERR_USAGE, "--answers %" PRId64 " needs --temperature above 0: greedy answers are the same", given.answers);
    } else if (status == PC_OK && !arguments.help) {
        pc_cli_answerer who = {0};
        status = pc_cli_asker_open(&who, &given.asker, arguments.items[1]);
        status = status == PC_OK ? collect(&arguments, &given, &who) : status;
        pc_cli_answerer_close(&who);
    }
    pc_fields_clear(&options.fields, &given);
    return status;
}
