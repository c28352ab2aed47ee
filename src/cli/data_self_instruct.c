/* `percept data self-instruct DIR MODEL ANNOTATIONS...` */
#include "base/memory.h"
#include "cli/asker.h"
#include "cli/data.h"
#include "cli/share.h"
#include "instruct/self_instruct.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

typedef struct self_options {
    char *kinds, *kind_file, *lang, *image_name, *media_dir;
    int64_t n, seeds;
    pc_cli_asker asker;
} self_options;

#define FIELD(key, kind, standard, least, most, text)                                                            \
    {.name = #key, .type = kind, .offset = offsetof(self_options, key), .fallback = standard, .low = least, .high = most, .help = text}
static const pc_field fields[] = {
    FIELD(kinds, PC_FIELD_TEXT, "conversation,detailed,reasoning", 0, 0,
          "kinds of instructions, separated by commas: conversation, detailed, reasoning, caption (which sees the picture), or one of --kind_file"),
    FIELD(kind_file, PC_FIELD_TEXT, NULL, 0, 0, "a file of kinds beside recipes/instruct/kinds.json, with its own rules and examples"),
    FIELD(lang, PC_FIELD_TEXT, "en", 0, 0, "language of the rules: en, zh, or another one of --kind_file"),
    FIELD(seeds, PC_FIELD_INT, "-1", -1, 1000, "examples that go with each request at most; -1 = all of the kind"),
    FIELD(n, PC_FIELD_INT, "0", 0, 1e15, "so many pictures; 0 = all"),
    FIELD(image_name, PC_FIELD_TEXT, NULL, 0, 0, "name of pictures that annotations number: COCO_val2014_{12}.jpg"),
    FIELD(media_dir, PC_FIELD_TEXT, NULL, 0, 0, "where pictures lie; unset = beside the first annotations"),
    PC_ASKER_FIELDS(self_options),
};
#undef FIELD

static const pc_options options = {
    .usage = "percept data self-instruct DIR MODEL ANNOTATIONS... [OPTION]...\n\n"
             "Lets a model (here, or behind --base_url) write questions and answers from the captions and boxes of pictures, behind rules and\n"
             "examples: LLaVA-Instruct's way. DIR/replies.jsonl is written reply by reply, and the same command goes on where it was stopped;\n"
             "then DIR/instructions.json is LLaVA JSON, and DIR/apart.jsonl has the replies that were refusals, malformed or cut.",
    .fields = {fields, sizeof fields / sizeof fields[0]},
    .min_arguments = 3,
    .max_arguments = 64,
};

static pc_status write(const pc_arguments *arguments, const self_options *o, const pc_cli_answerer *who, const char *installed)
{
    const char *files[2] = {installed, o->kind_file};
    pc_self_instruct_counts counts;
    const pc_self_instruct_options how = {
        .annotations = arguments->items + 2, .annotation_count = arguments->count - 2, .kind_files = installed ? files : files + 1,
        .kind_file_count = (installed != NULL) + (o->kind_file != NULL), .kinds = o->kinds, .language = o->lang, .image_name = o->image_name,
        .media_dir = o->media_dir, .model = pc_cli_asker_model(who), .limit = o->n, .seeds = o->seeds,
        .asking = pc_cli_asker_options(&o->asker, who, arguments->items[0])};
    pc_status status = pc_self_instruct(&how, &counts);
    if (counts.asking.done) {
        pc_cli_asker_tell(&o->asker, &counts.asking);
    }
    if (status == PC_OK) {
        printf("%s/instructions.json: %" PRId64 " rows, %" PRId64 " questions with answers of %" PRId64 " pictures\n", arguments->items[0],
               counts.rows, counts.exchanges, counts.pictures);
    }
    return status;
}

pc_status pc_data_self_instruct(int argc, char **argv)
{
    self_options given;
    pc_arguments arguments;
    char *installed = NULL;
    pc_status status = pc_options_parse(&options, &given, &arguments, argc, argv);
    if (status == PC_OK && !arguments.help) {
        pc_cli_answerer who = {0};
        status = pc_share_find(&installed, "recipes/instruct/kinds.json", "recipes/instruct/kinds.json");
        status = status == PC_OK ? pc_cli_asker_open(&who, &given.asker, arguments.items[1]) : status;
        status = status == PC_OK ? write(&arguments, &given, &who, installed) : status;
        pc_cli_answerer_close(&who);
    }
    pc_free(installed);
    pc_fields_clear(&options.fields, &given);
    return status;
}
