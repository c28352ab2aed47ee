/* `percept data check RECIPE [key=value]...` */
#include "base/json.h"
#include "base/log.h"
#include "base/signal.h"
#include "cli/data.h"
#include "cli/options.h"
#include "train/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct check_options {
    bool json;
    int64_t threads;
} check_options;

static const pc_field fields[] = {
    {.name = "json", .type = PC_FIELD_BOOL, .offset = offsetof(check_options, json), .help = "the counts as JSON"},
    {.name = "threads", .type = PC_FIELD_INT, .offset = offsetof(check_options, threads), .high = 1024,
     .help = "threads; 0 = one for each processor"},
};

static const pc_options options = {
    .usage = "percept data check RECIPE.yaml [key=value]... [OPTION]...\n\n"
             "Goes over every sample of the recipe's data before anything trains: pictures that are missing or broken, marks\n"
             "and pictures that don't match, samples without anything to learn from, samples longer than cutoff_len. Each is\n"
             "told with file and line; the counts come last. The exit status is 3 when a sample is bad.",
    .fields = {fields, sizeof fields / sizeof fields[0]},
    .min_arguments = 1,
    .max_arguments = 64,
};

static void print_problem(void *user, pc_problem kind, const char *message)
{
    (void)kind;
    fprintf(user, "%s\n", message);
}

static int stop_wanted(void *user)
{
    (void)user;
    return pc_signal_pending();
}

static void print_counts(const pc_check_counts *c)
{
    int64_t good = c->samples - c->bad;
    double each = good > 0 ? (double)good : 1;
    printf("%" PRId64 " samples: %" PRId64 " good, %" PRId64 " bad\n", c->samples, good, c->bad);
    for (int i = 0; i < PC_PROBLEMS; i++) {
        if (c->problems[i]) {
            printf("  %" PRId64 " %s\n", c->problems[i], pc_problem_name((pc_problem)i));
        }
    }
    printf("%" PRId64 " lose turns to cutoff_len, %" PRId64 " have pictures without a mark (put in front), %" PRId64
           " have no picture, %" PRId64 " hold preferences\n", c->shortened, c->unmarked, c->text_only, c->preferences);
    printf("tokens: %" PRId64 " (%.1f a sample), %" PRId64 " with a loss (%.1f a sample); pictures: %" PRId64 "\n", c->tokens,
           (double)c->tokens / each, c->targets, (double)c->targets / each, c->images);
    if (c->longest) {
        printf("longest: %" PRId64 " tokens, %s\n", c->longest, c->longest_where);
    }
}

static pc_status print_json(const pc_check_counts *c)
{
    static const char *const keys[PC_PROBLEMS] = {"file", "row", "picture", "length", "answer"};
    const struct {
        const char *key;
        int64_t value;
    } counts[] = {
        {"samples", c->samples}, {"bad", c->bad}, {"shortened", c->shortened}, {"unmarked", c->unmarked},
        {"text_only", c->text_only}, {"preferences", c->preferences}, {"images", c->images}, {"tokens", c->tokens},
        {"targets", c->targets}, {"longest", c->longest},
    };
    pc_json *root = pc_json_new_object(), *problems = pc_json_new_object();
    pc_str text = {0};
    pc_status status = root ? PC_OK : pc_fail_memory(0, "counts");
    for (size_t i = 0; i < sizeof counts / sizeof counts[0] && status == PC_OK; i++) {
        status = pc_json_set(root, counts[i].key, pc_json_new_integer(counts[i].value));
    }
    for (int i = 0; i < PC_PROBLEMS && problems && status == PC_OK; i++) {
        status = pc_json_set(problems, keys[i], pc_json_new_integer(c->problems[i]));
    }
    if (status == PC_OK) {
        status = pc_json_set(root, "problems", problems);
        problems = NULL;
    }
    status = status == PC_OK ? pc_json_write(&text, root, 2) : status;
    if (status == PC_OK) {
        printf("%s\n", text.data);
    }
    pc_json_free(problems);
    pc_json_free(root);
    pc_str_clear(&text);
    return status;
}

static pc_status check(const pc_recipe *recipe, const check_options *given)
{
    pc_pool *pool = NULL;
    pc_check_counts counts;
    /* With --json the counts stand alone on standard output. */
    pc_check_hooks hooks = {.user = given->json ? stderr : stdout, .problem = print_problem, .stop = stop_wanted};
    PC_TRY(pc_pool_new(&pool, (int)given->threads));
    pc_status status = pc_check_data(recipe, pool, &hooks, &counts);
    pc_pool_free(pool);
    PC_TRY(status);
    if (given->json) {
        PC_TRY(print_json(&counts));
    } else {
        print_counts(&counts);
    }
    return counts.bad ? pc_fail(PC_ERR_DATA, "%" PRId64 " of %" PRId64 " samples are bad", counts.bad, counts.samples) : PC_OK;
}

pc_status pc_data_check(int argc, char **argv)
{
    check_options given;
    pc_arguments arguments;
    pc_recipe recipe = {0};
    pc_status status = pc_options_parse(&options, &given, &arguments, argc, argv);
    if (status == PC_OK && !arguments.help) {
        status = pc_recipe_read(&recipe, arguments.items[0], arguments.items + 1, arguments.count - 1);
        status = status == PC_OK ? check(&recipe, &given) : status;
        pc_recipe_clear(&recipe);
    }
    pc_fields_clear(&options.fields, &given);
    return status;
}
