/* `percept data mistakes RECIPE DIR [key=value]...` */
#include "backend/cpu/cpu.h"
#include "base/signal.h"
#include "cli/data.h"
#include "cli/options.h"
#include "train/mistakes.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

typedef struct mistake_options {
    int64_t n, pairs;
} mistake_options;

static const pc_field fields[] = {
    {.name = "n", .type = PC_FIELD_INT, .offset = offsetof(mistake_options, n), .fallback = "0", .high = 1e15,
     .help = "ask so many of the data's samples; 0 = all"},
    {.name = "pairs", .type = PC_FIELD_INT, .offset = offsetof(mistake_options, pairs), .fallback = "0", .high = 1e15,
     .help = "end as soon as there are so many pairs; 0 = never"},
};

static const pc_options options = {
    .usage = "percept data mistakes RECIPE.yaml DIR [key=value]... [OPTION]...\n\n"
             "Lets the recipe's model answer its data num_generations times at `temperature`, judges the answers by reward_rule\n"
             "against those that the data brings, and writes DIR/pairs.jsonl with DIR/images: the best answer (or the data's,\n"
             "where none is as good) chosen, the worst one rejected. The recipe is one of stage grpo: recipes/align/mistakes.yaml.\n"
             "Stages dpo and rm train on the file. The same recipe gives the same pairs.",
    .fields = {fields, sizeof fields / sizeof fields[0]},
    .min_arguments = 2,
    .max_arguments = 64,
};

static void show(void *user, int64_t asked, int64_t pairs)
{
    (void)user;
    if (isatty(2)) {
        fprintf(stderr, "\r\033[K%" PRId64 " prompts, %" PRId64 " pairs", asked, pairs);
    }
}

static int stop_wanted(void *user)
{
    (void)user;
    return pc_signal_pending();
}

static pc_status make(const pc_recipe *recipe, const char *folder, const mistake_options *given)
{
    pc_backend *backend = NULL;
    pc_mistake_counts counts;
    const pc_mistake_options how = {
        .folder = folder, .most = given->n, .pairs = given->pairs, .progress = show, .stop = stop_wanted};
    PC_TRY(pc_cpu_backend_new(&backend, (int)recipe->threads, 0));
    pc_status status = pc_mistakes_make(recipe, backend, &how, &counts);
    pc_cpu_backend_free(backend);
    if (isatty(2)) {
        fprintf(stderr, "\r\033[K");
    }
    PC_TRY(status);
    printf("%s/pairs.jsonl: %" PRId64 " pairs of %" PRId64 " prompts (%" PRId64 " with the data's answer chosen), %" PRId64
           " without a difference, %" PRId64 " skipped\n%" PRId64 " answers, mean score %.4f; %" PRId64 " cut\n",
           folder, counts.pairs, counts.asked, counts.truths, counts.agreed, counts.skipped, counts.answers, counts.score,
           counts.cut);
    return PC_OK;
}

pc_status pc_data_mistakes(int argc, char **argv)
{
    mistake_options given;
    pc_arguments arguments;
    pc_recipe recipe = {0};
    pc_status status = pc_options_parse(&options, &given, &arguments, argc, argv);
    if (status == PC_OK && !arguments.help) {
        status = pc_recipe_read(&recipe, arguments.items[0], arguments.items + 2, arguments.count - 2);
        status = status == PC_OK ? make(&recipe, arguments.items[1], &given) : status;
        pc_recipe_clear(&recipe);
    }
    pc_fields_clear(&options.fields, &given);
    return status;
}
