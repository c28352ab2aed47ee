/* `percept plan RECIPE [key=value]...` */
#include "backend/cpu/cpu.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/options.h"
#include "train/plan.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

typedef struct plan_options {
    bool json;
    double seconds;
} plan_options;

static const pc_field fields[] = {
    {.name = "json", .type = PC_FIELD_BOOL, .offset = offsetof(plan_options, json), .help = "the figures as JSON"},
    {.name = "seconds", .type = PC_FIELD_FLOAT, .offset = offsetof(plan_options, seconds), .fallback = "10", .high = 86400,
     .help = "measure steps for about so long"},
};

static const pc_options options = {
    .usage = "percept plan RECIPE.yaml [key=value]... [OPTION]...\n\n"
             "Tells what a training will need before it starts: memory, time, disk. Some steps are taken on its first batches and\n"
             "thrown away; nothing that is written stays.",
    .fields = {fields, sizeof fields / sizeof fields[0]},
    .min_arguments = 1,
    .max_arguments = 64,
};

static double megabytes(size_t bytes)
{
    return (double)bytes / 1e6;
}

static void print_plan(const pc_plan *p)
{
    long seconds = (long)p->seconds;
    printf("parameters   %" PRId64 ", %" PRId64 " of them train\n", p->parameters, p->trained);
    printf("memory       %.0f MB expected, %.0f MB at the most\n", megabytes(p->expected), megabytes(p->most));
    printf("             weights %.1f, gradients %.1f, optimizer %.1f, activations up to %.1f MB\n", megabytes(p->weights),
           megabytes(p->gradients), megabytes(p->moments), megabytes(p->activations));
    printf("steps        %" PRId64 " (%" PRId64 " an epoch) of %.0f tokens and %.1f pictures (%" PRId64 " tokens each)\n", p->steps,
           p->steps_per_epoch, p->tokens_per_step, p->images_per_step, p->tokens_per_image);
    printf("time         %ld:%02ld:%02ld (%.4f s a step, measured over %" PRId64 " steps)\n", seconds / 3600, seconds / 60 % 60,
           seconds % 60, p->seconds_per_step, p->measured);
    long cpu = (long)p->cpu_seconds;
    printf("             %ld:%02ld:%02ld of processor time, all threads together\n", cpu / 3600, cpu / 60 % 60, cpu % 60);
    if (p->seconds_per_step_cached < p->seconds_per_step) {
        printf("             %.4f s a step when the feature cache has the pictures: all but the first epoch\n",
               p->seconds_per_step_cached);
    }
    printf("disk         up to %.1f MB in output_dir\n", megabytes(p->disk));
}

static pc_status print_json(const pc_plan *p)
{
    const struct {
        const char *key;
        double value;
    } numbers[] = {
        {"parameters", (double)p->parameters}, {"trained", (double)p->trained}, {"weights_bytes", (double)p->weights},
        {"gradients_bytes", (double)p->gradients}, {"optimizer_bytes", (double)p->moments},
        {"activations_bytes", (double)p->activations}, {"memory_bytes", (double)p->expected},
        {"memory_bytes_most", (double)p->most}, {"disk_bytes", (double)p->disk}, {"steps", (double)p->steps},
        {"steps_per_epoch", (double)p->steps_per_epoch}, {"tokens_per_step", p->tokens_per_step},
        {"images_per_step", p->images_per_step}, {"tokens_per_image", (double)p->tokens_per_image},
        {"seconds_per_step", p->seconds_per_step}, {"seconds_per_step_cached", p->seconds_per_step_cached},
        {"seconds_to_start", p->seconds_to_start}, {"seconds", p->seconds}, {"cpu_seconds", p->cpu_seconds},
        {"flops_per_step", p->flops_per_step}, {"steps_measured", (double)p->measured},
    };
    pc_json *root = pc_json_new_object();
    pc_str text = {0};
    pc_status status = root ? PC_OK : pc_fail_memory(0, "figures");
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0] && status == PC_OK; i++) {
        status = pc_json_set(root, numbers[i].key, pc_json_new_number(numbers[i].value));
    }
    status = status == PC_OK ? pc_json_write(&text, root, 2) : status;
    if (status == PC_OK) {
        puts(text.data);
    }
    pc_json_free(root);
    pc_str_clear(&text);
    return status;
}

static pc_status tell(const pc_recipe *recipe, const plan_options *given)
{
    pc_backend *backend = NULL;
    pc_plan plan;
    PC_TRY(pc_cpu_backend_new(&backend, (int)recipe->threads, 0));
    pc_status status = pc_plan_recipe(&plan, recipe, backend, given->seconds);
    pc_cpu_backend_free(backend);
    if (status == PC_OK && given->json) {
        return print_json(&plan);
    }
    if (status == PC_OK) {
        print_plan(&plan);
    }
    return status;
}

static pc_status run(int argc, char **argv)
{
    plan_options given;
    pc_arguments arguments;
    pc_recipe recipe = {0};
    pc_status status = pc_options_parse(&options, &given, &arguments, argc, argv);
    if (status == PC_OK && !arguments.help) {
        status = pc_recipe_read(&recipe, arguments.items[0], arguments.items + 1, arguments.count - 1);
        status = status == PC_OK ? tell(&recipe, &given) : status;
        pc_recipe_clear(&recipe);
    }
    pc_fields_clear(&options.fields, &given);
    return status;
}

const pc_command pc_command_plan = {.name = "plan", .summary = "tell memory and time of a training before it starts", .run = run};
