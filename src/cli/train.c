/* `percept train RECIPE.yaml [key=value]...` */
#include "backend/cpu/cpu.h"
#include "base/file.h"
#include "base/signal.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/record.h"
#include "train/trainer.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct display {
    pc_record record;
    int64_t every; /* steps between lines */
    bool terminal;
} display;

static void print_time(char out[32], double seconds)
{
    long whole = (long)seconds;
    if (whole >= 3600) {
        snprintf(out, 32, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
    } else {
        snprintf(out, 32, "%ld:%02ld", whole / 60, whole % 60);
    }
}

static void keep(pc_record *record, const pc_progress *p)
{
    pc_record_point(record, p->step, "loss", p->loss);
    pc_record_point(record, p->step, "grad_norm", p->grad_norm);
    pc_record_point(record, p->step, "learning_rate", p->learning_rate);
    pc_record_point(record, p->step, "tokens_per_second", p->tokens_per_second);
}

static void show(void *user, const pc_progress *p)
{
    display *d = user;
    keep(&d->record, p);
    char left[32];
    bool due = p->step % d->every == 0 || p->step == p->steps || p->step == 1;
    if (!due && !d->terminal) {
        return;
    }
    print_time(left, p->seconds_left);
    fprintf(stderr, "%sstep %lld/%lld  epoch %.2f  loss %.4f  norm %.3f  lr %.2e  %.0f tokens/s  %.1f images/s  %.0f MB  "
                    "left %s%s%s",
            d->terminal ? "\r\033[K" : "", (long long)p->step, (long long)p->steps, p->epoch, p->loss, p->grad_norm,
            p->learning_rate, p->tokens_per_second, p->images_per_second, (double)p->memory / 1e6, left,
            p->skipped_steps || p->skipped_samples ? "  (some skipped)" : "", due || !d->terminal ? "\n" : "");
}

static int stop_wanted(void *user)
{
    (void)user;
    return pc_signal_pending();
}

static void keep_fingerprint(void *user, const char *fingerprint)
{
    display *d = user;
    pc_record_setting(&d->record, "fingerprint", fingerprint);
}

static pc_status print_help(void)
{
    pc_str text = {0};
    pc_status status = pc_fields_help(&pc_recipe_fields, &text);
    if (status == PC_OK) {
        printf("usage: percept train RECIPE.yaml [key=value]...\n\n"
               "Trains a model by a recipe. SIGINT or SIGTERM saves a checkpoint and stops; resume_from_checkpoint=latest\n"
               "goes on from there and ends with the same bytes as a run that was never stopped.\n\nkeys:\n%s",
               text.data);
    }
    pc_str_clear(&text);
    return status;
}

static void begin_record(pc_record *record, const char *path, const pc_recipe *recipe)
{
    pc_str settings = {0};
    char folder[PATH_MAX];
    if (pc_recipe_write(recipe, &settings) == PC_OK) {
        bool there = realpath(recipe->output_dir, folder) != NULL;
        pc_record_begin(record, &(pc_run_start){.kind = "train", .name = pc_path_base(path), .settings = settings.data,
                                                .folder = there ? folder : recipe->output_dir});
    }
    pc_str_clear(&settings);
}

static pc_status train(const char *path, const char *const *overrides, int count)
{
    pc_recipe recipe;
    pc_backend *backend = NULL;
    pc_status status = pc_recipe_read(&recipe, path, overrides, count);
    if (status == PC_OK) {
        status = pc_cpu_backend_new(&backend, (int)recipe.threads, 0);
    }
    if (status == PC_OK) {
        display d = {.every = recipe.logging_steps, .terminal = isatty(2)};
        pc_trainer_hooks hooks = {.user = &d, .begins = keep_fingerprint, .progress = show, .stop = stop_wanted};
        begin_record(&d.record, path, &recipe);
        status = pc_train(&recipe, backend, &hooks);
        pc_record_end(&d.record, status, NULL);
        if (status == PC_OK) {
            printf("%s\n", recipe.output_dir);
        }
    }
    pc_cpu_backend_free(backend);
    pc_recipe_clear(&recipe);
    return status;
}

static pc_status run(int argc, char **argv)
{
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        return print_help();
    }
    if (argc < 2) {
        return pc_fail(PC_ERR_USAGE, "usage: percept train RECIPE.yaml [key=value]...");
    }
    return train(argv[1], (const char *const *)(argv + 2), argc - 2);
}

const pc_command pc_command_train = {.name = "train", .summary = "train a model by a recipe", .run = run};
