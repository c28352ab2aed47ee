/* `percept correct`: a description of a picture, put right by looking again. */
#include "agent/correct.h"
#include "agent/ask.h"
#include "base/file.h"
#include "cli/answerer.h"
#include "cli/command.h"
#include "cli/options.h"

#include <stdio.h>
#include <string.h>

typedef struct correct_options {
    char *image, *prompt, *base_url, *detector, *detector_url, *vqa, *vqa_url, *language, *language_url, *key_env, *dtype;
    int detect;
    int64_t threads, n;
    bool json;
} correct_options;

static const char *const styles[] = {"questions", "boxes", NULL};

#define TEXT(member, standard, text) \
    {.name = #member, .type = PC_FIELD_TEXT, .offset = offsetof(correct_options, member), .fallback = standard, .help = text}
static const pc_field fields[] = {
    TEXT(image, NULL, "the picture that is described"),
    TEXT(prompt, "Describe the picture in detail.", "what MODEL is asked when no TEXT is given"),
    TEXT(base_url, NULL, "MODEL is a name at this OpenAI-compatible address"),
    TEXT(detector, NULL, "model that finds things; unset = MODEL"),
    TEXT(detector_url, NULL, "address at which the detector is a name"),
    {.name = "detect", .type = PC_FIELD_CHOICE, .offset = offsetof(correct_options, detect), .choices = styles,
     .help = "how the detector is asked: whether there is one, how many, and where; or for boxes as JSON"},
    TEXT(vqa, NULL, "model that answers questions about attributes; unset = MODEL"),
    TEXT(vqa_url, NULL, "address at which it is a name"),
    TEXT(language, "rules", "model that finds concepts, asks, and writes anew; rules = plain rules for lists of things in English"),
    TEXT(language_url, NULL, "address at which it is a name"),
    {.name = "api_key_env", .type = PC_FIELD_TEXT, .offset = offsetof(correct_options, key_env),
     .help = "name of the environment variable that holds the endpoints' key"},
    TEXT(dtype, NULL, "arithmetic of matrix products: f32 or bf16"),
    {.name = "n", .alias = "max_tokens", .type = PC_FIELD_INT, .offset = offsetof(correct_options, n), .fallback = "256", .low = 1,
     .high = 1 << 20, .help = "most tokens of the description"},
    {.name = "threads", .type = PC_FIELD_INT, .offset = offsetof(correct_options, threads), .fallback = "0", .low = 0, .high = 1024,
     .help = "threads; 0 = one for each processor"},
    {.name = "json", .type = PC_FIELD_BOOL, .offset = offsetof(correct_options, json), .fallback = "false",
     .help = "print the record of all steps as one JSON object"},
};
#undef TEXT

enum { MODEL, DETECTOR, VQA, LANGUAGE, PARTS };

typedef struct correcting {
    correct_options options;
    pc_cli_answerer parts[PARTS];
    const pc_answerer *who[PARTS]; /* of `parts`, MODEL's where nobody else plays the part */
} correcting;

static pc_status open_part(correcting *c, int part, const char *name, const char *url)
{
    const correct_options *o = &c->options;
    c->who[part] = c->who[MODEL];
    if (!name) {
        return url ? pc_fail(PC_ERR_USAGE, "an address alone: which model is meant there?") : PC_OK;
    }
    PC_TRY(pc_cli_answerer_open(&c->parts[part], &(pc_cli_answerer_options){.name = name, .base_url = url, .key_env = o->key_env,
                                                                            .dtype = url ? NULL : o->dtype, .threads = o->threads}));
    c->who[part] = &c->parts[part].answerer;
    return PC_OK;
}

static pc_status open_parts(correcting *c, const char *model)
{
    const correct_options *o = &c->options;
    const bool rules = strcmp(o->language, "rules") == 0 && !o->language_url;
    PC_TRY(open_part(c, MODEL, model, o->base_url));
    PC_TRY(open_part(c, DETECTOR, o->detector, o->detector_url));
    PC_TRY(open_part(c, VQA, o->vqa, o->vqa_url));
    PC_TRY(open_part(c, LANGUAGE, rules ? NULL : o->language, o->language_url));
    c->who[LANGUAGE] = rules ? NULL : c->who[LANGUAGE];
    return PC_OK;
}

static pc_status print_text(const pc_json *record)
{
    const pc_json *corrections = pc_json_get(record, "corrections");
    printf("%s\n", pc_json_get_text(record, "corrected", ""));
    for (size_t i = 0; i < pc_json_length(corrections); i++) {
        const pc_json *entry = pc_json_at(corrections, i);
        const char *after = pc_json_get_text(entry, "after", "");
        pc_str boxes = {0};
        PC_TRY(pc_json_write(&boxes, pc_json_get(entry, "boxes"), 0));
        printf("- \"%s\" %s%s%s: %s %s\n", pc_json_get_text(entry, "before", ""), *after ? "became \"" : "was taken out", after,
               *after ? "\"" : "", pc_json_get_text(entry, "evidence", ""), boxes.data);
        pc_str_clear(&boxes);
    }
    return PC_OK;
}

static pc_status print_record(const pc_json *record, bool json)
{
    pc_str text = {0};
    if (!json) {
        return print_text(record);
    }
    pc_status status = pc_json_write(&text, record, 0);
    if (status == PC_OK) {
        puts(text.data);
    }
    pc_str_clear(&text);
    return status;
}

static pc_status correct(correcting *c, const pc_arguments *arguments)
{
    const correct_options *o = &c->options;
    const pc_answer_media picture = {.kind = PC_MEDIA_IMAGE, .path = o->image};
    pc_str text = {0};
    pc_json *record = NULL;
    pc_status status;
    if (!o->image) {
        return pc_fail(PC_ERR_USAGE, "--image F: which picture is described?");
    }
    if (!pc_path_exists(o->image)) {
        return pc_fail(PC_ERR_IO, "%s: there is no such file", o->image);
    }
    PC_TRY(open_parts(c, arguments->items[0]));
    PC_GO(arguments->count > 1 ? pc_str_puts(&text, arguments->items[1])
                               : pc_ask(c->who[MODEL], &picture, o->prompt, (size_t)o->n, &text));
    const pc_corrector corrector = {.detector = c->who[DETECTOR], .vqa = c->who[VQA], .language = c->who[LANGUAGE],
                                    .style = (pc_detect_style)o->detect};
    PC_GO(pc_correct(&corrector, &picture, text.data ? text.data : "", &record));
    status = print_record(record, o->json);
done:
    pc_json_free(record);
    pc_str_clear(&text);
    return status;
}

static pc_status run(int argc, char **argv)
{
    correcting c = {0};
    pc_arguments arguments;
    const pc_options spec = {
        .fields = {fields, sizeof fields / sizeof fields[0]},
        .min_arguments = 1,
        .max_arguments = 2,
        .usage = "percept correct MODEL [TEXT] --image F [OPTION]...\n\n"
                 "Corrects TEXT, or MODEL's own description of the picture: what it says to be there is looked for, what it says of that is\n"
                 "asked about, and what speaks against it is taken out or put right, each change with its evidence and its box.",
    };
    pc_status status = pc_options_parse(&spec, &c.options, &arguments, argc, argv);
    if (status == PC_OK && !arguments.help) {
        status = correct(&c, &arguments);
    }
    for (int i = PARTS; i-- > 0;) {
        pc_cli_answerer_close(&c.parts[i]);
    }
    pc_fields_clear(&spec.fields, &c.options);
    return status;
}

const pc_command pc_command_correct = {
    .name = "correct", .summary = "correct a description of a picture by looking again", .run = run};
