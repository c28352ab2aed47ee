/* `percept data`: make scenes is here, the other parts have files of their own (data.h). */
#include "base/field.h"
#include "base/log.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/data.h"
#include "data/scenes_write.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

typedef struct make_options {
    int64_t n, seed, first, side, min_objects, max_objects, threads;
    char *lang;
} make_options;

#define FIELD(key, kind, standard, least, most, text)                                                            \
    {.name = #key, .type = kind, .offset = offsetof(make_options, key), .fallback = standard, .low = least, .high = most, \
     .help = text}
static const pc_field fields[] = {
    FIELD(n, PC_FIELD_INT, "1000", 1, 10000000, "how many scenes"),
    FIELD(seed, PC_FIELD_INT, "1", 0, 9e15, "another seed gives other scenes"),
    FIELD(first, PC_FIELD_INT, "0", 0, 9e15, "index of the first scene: ranges of one seed never overlap"),
    FIELD(side, PC_FIELD_INT, "96", PC_SCENE_MIN_SIDE, PC_SCENE_MAX_SIDE, "width and height in pixels"),
    FIELD(min_objects, PC_FIELD_INT, "1", 1, PC_SCENE_OBJECTS, "fewest objects in a scene"),
    FIELD(max_objects, PC_FIELD_INT, "8", 1, PC_SCENE_OBJECTS, "most objects in a scene"),
    FIELD(threads, PC_FIELD_INT, "0", 0, 1024, "worker threads; 0 = one for each processor"),
    FIELD(lang, PC_FIELD_TEXT, "en", 0, 0, "language of the texts: en, zh, or en,zh for both in turn"),
};
#undef FIELD
static const pc_field_table table = {fields, sizeof fields / sizeof fields[0]};

static pc_status print_help(void)
{
    pc_str help = {0};
    pc_status status = pc_fields_help(&table, &help);
    if (status == PC_OK) {
        printf("usage: percept data make scenes DIR [--n N] [--seed S] [--OPTION VALUE]...\n\n"
               "Writes labelled pictures of shapes, digits and letters (generator %s):\n"
               "  DIR/images/*.png, train.json and captions.json (LLaVA JSON), questions.jsonl, scenes.jsonl, VERSION\n\n"
               "options:\n%s", PC_SCENE_VERSION, help.data);
    }
    pc_str_clear(&help);
    return status;
}

/* "--key value" or "--key=value"; anything else is the directory. */
static pc_status read_arguments(make_options *options, const char **directory, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (!pc_starts_with(argv[i], "--")) {
            if (*directory) {
                return pc_fail(PC_ERR_USAGE, "one directory expected, found also '%s'", argv[i]);
            }
            *directory = argv[i];
            continue;
        }
        const char *equals = strchr(argv[i], '=');
        char key[64];
        snprintf(key, sizeof key, "%.*s", equals ? (int)(equals - argv[i]) - 2 : (int)sizeof key - 1, argv[i] + 2);
        if (!equals && i + 1 == argc) {
            return pc_fail(PC_ERR_USAGE, "%s needs a value", argv[i]);
        }
        const char *value = equals ? equals + 1 : argv[++i];
        PC_TRY(pc_fields_set(&table, options, key, value, "option"));
    }
    return *directory ? PC_OK : pc_fail(PC_ERR_USAGE, "a directory is missing; see `percept data --help`");
}

static pc_status find_languages(pc_scene_set *set, const char *codes)
{
    for (const char *at = codes;;) {
        size_t length = strcspn(at, ",");
        char code[8];
        snprintf(code, sizeof code, "%.*s", length < sizeof code ? (int)length : 0, at);
        const pc_scene_language *language = pc_scene_language_find(code);
        if (!language || set->language_count == PC_SCENE_LANGUAGES) {
            return pc_fail(PC_ERR_USAGE, "--lang '%s': expected en, zh or en,zh", codes);
        }
        set->languages[set->language_count++] = language;
        if (!at[length]) {
            return PC_OK;
        }
        at += length + 1;
    }
}

static pc_status make_scenes(int argc, char **argv)
{
    make_options options = {0};
    const char *directory = NULL;
    pc_pool *pool = NULL;
    pc_status status;
    PC_GO(pc_fields_default(&table, &options));
    PC_GO(read_arguments(&options, &directory, argc, argv));
    pc_scene_set set = {
        .seed = (uint64_t)options.seed, .first = options.first, .count = options.n,
        .options = {(int)options.side, (int)options.min_objects, (int)options.max_objects}};
    PC_GO(find_languages(&set, options.lang));
    PC_GO(pc_pool_new(&pool, (int)options.threads));
    PC_GO(pc_scene_set_write(directory, &set, pool));
    printf("%s: %" PRId64 " scenes of %s, seed %" PRId64 ", from index %" PRId64 "\n", directory, options.n,
           PC_SCENE_VERSION, options.seed, options.first);
done:
    pc_pool_free(pool);
    pc_fields_clear(&table, &options);
    return status;
}

static pc_status make(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            return print_help();
        }
    }
    if (argc < 2 || strcmp(argv[1], "scenes") != 0) {
        return pc_fail(PC_ERR_USAGE, "expected `percept data make scenes DIR`; see `percept data make --help`");
    }
    return make_scenes(argc - 2, argv + 2);
}

/* Each is called with its own name as argv[0]. */
static const pc_command parts[] = {
    {.name = "make", .summary = "write labelled pictures of shapes", .run = make},
    {.name = "check", .summary = "go over every sample of a recipe's data", .run = pc_data_check},
    {.name = "show", .summary = "show a sample of a recipe's data as the model sees it", .run = pc_data_show},
    {.name = "mistakes", .summary = "preference pairs from a model's own answers", .run = pc_data_mistakes},
    {.name = "clean", .summary = "keep the pairs of picture and caption that are worth training on", .run = pc_data_clean},
    {.name = "adapt", .summary = "instruction conversations from annotations, by templates", .run = pc_data_adapt},
    {.name = "self-instruct", .summary = "instructions that a model writes from captions and boxes", .run = pc_data_self_instruct},
    {.name = "translate", .summary = "conversations in another language, by a model", .run = pc_data_translate},
    {.name = "answers", .summary = "several models' answers to the same prompts", .run = pc_data_answers},
    {.name = "judge", .summary = "preference pairs from a judge's ratings of answers", .run = pc_data_judge},
    {.name = "measure", .summary = "how diverse instructions are, and which tasks they cover", .run = pc_data_measure},
};
enum { PARTS = sizeof parts / sizeof parts[0] };

static pc_status print_parts(void)
{
    printf("usage: percept data COMMAND ...\n\ncommands (each has --help):\n");
    for (int i = 0; i < PARTS; i++) {
        printf("  %-13s %s\n", parts[i].name, parts[i].summary);
    }
    return PC_OK;
}

static pc_status run(int argc, char **argv)
{
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        return print_parts();
    }
    for (int i = 0; argc > 1 && i < PARTS; i++) {
        if (strcmp(argv[1], parts[i].name) == 0) {
            return parts[i].run(argc - 1, argv + 1);
        }
    }
    return pc_fail(PC_ERR_USAGE, "expected a command; `percept data --help` lists them");
}

const pc_command pc_command_data = {.name = "data", .summary = "make, check and show data to train with", .run = run};
