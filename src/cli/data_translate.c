/* `percept data translate DIR MODEL ROWS...` */
#include "cli/asker.h"
#include "cli/data.h"
#include "instruct/translate.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

typedef struct translate_options {
    char *to, *to_name, *rules;
    int64_t n;
    pc_cli_asker asker;
} translate_options;

#define FIELD(key, kind, standard, least, most, text)                                                                 \
    {.name = #key, .type = kind, .offset = offsetof(translate_options, key), .fallback = standard, .low = least, .high = most, .help = text}
static const pc_field fields[] = {
    FIELD(to, PC_FIELD_TEXT, "zh", 0, 0, "code of the language: zh, ja, ko, ru, uk, ar, en, de, fr, es, pt, it or another one"),
    FIELD(to_name, PC_FIELD_TEXT, NULL, 0, 0, "what the model is told: \"Traditional Chinese\"; unset = by the code"),
    FIELD(rules, PC_FIELD_TEXT, NULL, 0, 0, "a further rule for the model, in its words"),
    FIELD(n, PC_FIELD_INT, "0", 0, 1e15, "so many rows; 0 = all"),
    PC_ASKER_FIELDS(translate_options),
};
#undef FIELD

static const pc_options options = {
    .usage = "percept data translate DIR MODEL ROWS... [OPTION]...\n\n"
             "Lets a model (here, or behind --base_url) translate the turns of conversations, rows of LLaVA JSON or messages, JSON or JSON\n"
             "Lines; all other members of a row stay. DIR/replies.jsonl is written reply by reply, and the same command goes on where it was\n"
             "stopped; then DIR/translated.json has the rows, and DIR/apart.jsonl the replies that were malformed, copied or cut.",
    .fields = {fields, sizeof fields / sizeof fields[0]},
    .min_arguments = 3,
    .max_arguments = 2 + 16,
};

static pc_status translate(const pc_arguments *arguments, const translate_options *o, const pc_cli_answerer *who)
{
    pc_translate_counts counts;
    const pc_translate_options how = {
        .rows = arguments->items + 2, .row_count = arguments->count - 2, .language = o->to, .language_name = o->to_name, .rules = o->rules,
        .model = pc_cli_asker_model(who), .limit = o->n, .asking = pc_cli_asker_options(&o->asker, who, arguments->items[0])};
    pc_status status = pc_translate(&how, &counts);
    if (counts.asking.done) {
        pc_cli_asker_tell(&o->asker, &counts.asking);
    }
    if (status == PC_OK) {
        printf("%s/translated.json: %" PRId64 " rows, %" PRId64 " texts\n", arguments->items[0], counts.rows, counts.turns);
    }
    return status;
}

pc_status pc_data_translate(int argc, char **argv)
{
    translate_options given;
    pc_arguments arguments;
    pc_status status = pc_options_parse(&options, &given, &arguments, argc, argv);
    if (status == PC_OK && !arguments.help) {
        pc_cli_answerer who = {0};
        status = pc_cli_asker_open(&who, &given.asker, arguments.items[1]);
        status = status == PC_OK ? translate(&arguments, &given, &who) : status;
        pc_cli_answerer_close(&who);
    }
    pc_fields_clear(&options.fields, &given);
    return status;
}
