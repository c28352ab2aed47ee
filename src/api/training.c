/* The public API of training: a recipe and who hears of its steps. */
#include <percept/percept.h>

#include "backend/cpu/cpu.h"
#include "train/trainer.h"

typedef struct listener {
    int (*on_step)(void *user, const pc_percept_step *step);
    void *user;
    bool enough;
} listener;

static void pass_step(void *user, const pc_progress *p)
{
    listener *l = user;
    const pc_percept_step step = {
        .step = p->step,
        .steps = p->steps,
        .loss = p->loss,
        .grad_norm = p->grad_norm,
        .learning_rate = p->learning_rate,
        .tokens_per_second = p->tokens_per_second,
        .images_per_second = p->images_per_second,
        .seconds_left = p->seconds_left,
        .memory = p->memory,
    };
    l->enough = l->enough || (l->on_step && !l->on_step(l->user, &step));
}

static int stop_wanted(void *user)
{
    return ((const listener *)user)->enough;
}

int pc_percept_train(const char *path, const char *const *settings, int (*on_step)(void *user, const pc_percept_step *step),
                     void *user)
{
    listener l = {.on_step = on_step, .user = user};
    const pc_trainer_hooks hooks = {.user = &l, .progress = pass_step, .stop = stop_wanted};
    pc_recipe recipe;
    pc_backend *backend = NULL;
    int count = 0;
    if (!path) {
        return pc_fail(PC_ERR_USAGE, "pc_percept_train: a recipe is needed");
    }
    while (settings && settings[count]) {
        count++;
    }
    pc_status status = pc_recipe_read(&recipe, path, settings, count);
    if (status == PC_OK) {
        status = pc_cpu_backend_new(&backend, (int)recipe.threads, 0);
    }
    if (status == PC_OK) {
        status = pc_train(&recipe, backend, &hooks);
    }
    pc_cpu_backend_free(backend);
    pc_recipe_clear(&recipe);
    return status;
}
