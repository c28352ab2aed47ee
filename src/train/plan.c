#include "train/plan.h"

#include "base/file.h"
#include "base/str.h"
#include "train/data.h"
#include "train/setup.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { WARM_UP = 2, LEAST = 3 };

static double read_clock(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static double now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

/* Of all threads of this process. */
static double cpu_now(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

/* The most that was ever resident. */
static size_t peak_bytes(void)
{
    char line[256];
    unsigned long long kilobytes = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file)) {
        if (sscanf(line, "VmHWM: %llu kB", &kilobytes) == 1) {
            break;
        }
    }
    if (file) {
        fclose(file);
    }
    return (size_t)kilobytes * 1024;
}

/* What some steps took; the first WARM_UP of them don't count. */
typedef struct timing {
    double spent, cpu; /* seconds */
    int64_t steps, tokens, images;
} timing;

/* Steps from the first one on, for about `seconds`, at most `most`. */
static pc_status take_steps(timing *out, const pc_training *p, const pc_recipe *recipe, double seconds, int64_t most)
{
    double started = now();
    const pc_batch *batches;
    pc_step_result result;
    *out = (timing){0};
    PC_TRY(pc_loader_seek(p->data.loader, 0));
    for (int64_t step = 0; step < most && (step < WARM_UP + LEAST || now() - started < seconds); step++) {
        double before = now(), cpu = cpu_now();
        PC_TRY(pc_loader_next(p->data.loader, &batches));
        PC_TRY(pc_rollout_step(p->rollout, p->learner, batches, recipe->accumulation, step, 0, &result)); /* rate 0: weights stay good */
        if (step >= WARM_UP || step == most - 1) {
            out->spent += now() - before;
            out->cpu += cpu_now() - cpu;
            out->tokens += result.tokens;
            out->images += result.images;
            out->steps++;
        }
    }
    return PC_OK;
}

static pc_status measure(pc_plan *out, const pc_training *p, const pc_recipe *recipe, double seconds)
{
    bool cached = recipe->feature_cache != NULL;
    int64_t in_first = out->steps < out->steps_per_epoch ? out->steps : out->steps_per_epoch; /* steps of the first epoch */
    timing first, later;
    out->cpu_seconds = cpu_now(); /* until here */
    PC_TRY(take_steps(&first, p, recipe, cached ? seconds / 2 : seconds, cached ? out->steps_per_epoch : INT64_MAX));
    later = first;
    if (cached) { /* the same steps again: now every picture is there */
        PC_TRY(take_steps(&later, p, recipe, seconds / 2, first.steps + WARM_UP));
    }
    out->measured = first.steps;
    out->tokens_per_step = (double)first.tokens / (double)first.steps;
    out->images_per_step = (double)first.images / (double)first.steps;
    out->seconds_per_step = first.spent / (double)first.steps;
    out->seconds_per_step_cached = later.spent / (double)later.steps;
    out->seconds = out->seconds_to_start + out->seconds_per_step * (double)in_first +
                   out->seconds_per_step_cached * (double)(out->steps - in_first);
    out->cpu_seconds += first.cpu / (double)first.steps * (double)in_first +
                        later.cpu / (double)later.steps * (double)(out->steps - in_first);
    return PC_OK;
}

static size_t stored_bytes(const pc_params *params)
{
    size_t bytes = 0;
    for (size_t i = 0; i < params->count; i++) {
        const pc_param *param = &params->items[i]->param;
        bytes += pc_param_bytes(param);
    }
    return bytes;
}

static void compute_sizes(pc_plan *out, const pc_training *p, const pc_recipe *recipe)
{
    size_t state = pc_learner_state_bytes(p->learner);
    size_t own = p->adapter ? stored_bytes(&p->adapter->params) : 0; /* the weights themselves are not saved again */
    out->parameters = pc_params_elements(&p->model->params, NULL) +
                      (p->adapter ? pc_params_elements(&p->adapter->params, NULL) : 0);
    out->trained = pc_learner_trained(p->learner);
    out->weights = stored_bytes(&p->model->params) + own;
    out->gradients = (size_t)out->trained * sizeof(float);
    out->moments = state;
    out->activations = pc_learner_bytes(p->learner) - out->gradients - state + (p->rollout ? pc_rollout_bytes(p->rollout) : 0);
    size_t saved = p->adapter ? own : out->weights, checkpoint = saved + state;
    int64_t kept = recipe->save_total_limit > 0 ? recipe->save_total_limit
                   : recipe->save_steps > 0     ? out->steps / recipe->save_steps + 1
                                                : 1;
    out->disk = checkpoint * (size_t)(kept + 1) + saved; /* one more while the oldest is still there */
}

static pc_status plan(pc_plan *out, pc_training *p, const pc_recipe *recipe, const pc_backend *backend, double seconds)
{
    double started = now();
    PC_TRY(pc_training_open(p, recipe, backend));
    size_t before = peak_bytes();
    out->seconds_to_start = now() - started;
    out->steps_per_epoch = pc_loader_steps_per_epoch(p->data.loader);
    out->steps = pc_setup_steps(recipe, p->data.loader);
    out->tokens_per_image = !p->model->connector.type ? 0 : pc_model_pictures_apart(p->model) ? 1 : p->model->connector.tokens;
    compute_sizes(out, p, recipe);
    PC_TRY(measure(out, p, recipe, seconds));
    out->expected = peak_bytes();
    out->most = before + out->gradients + out->moments + out->activations;
    out->most = out->most > out->expected ? out->most : out->expected;
    out->flops_per_step = pc_learner_cost(p->learner).flops * (double)recipe->accumulation;
    return PC_OK;
}

pc_status pc_plan_recipe(pc_plan *out, const pc_recipe *recipe, const pc_backend *backend, double seconds)
{
    pc_training p = {0};
    pc_recipe alone = *recipe;
    pc_str cache = {0};
    pc_status status = PC_OK;
    *out = (pc_plan){0};
    if (recipe->feature_cache) {
        status = pc_str_printf(&cache, "%s.plan-%ld", recipe->feature_cache, (long)getpid());
        alone.feature_cache = cache.data;
    }
    status = status == PC_OK ? plan(out, &p, &alone, backend, seconds) : status;
    pc_training_close(&p);
    if (cache.data && pc_remove_tree(cache.data) != PC_OK && status == PC_OK) {
        status = PC_ERR_IO;
    }
    pc_str_clear(&cache);
    return status;
}
