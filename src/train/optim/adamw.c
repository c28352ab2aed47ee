/* AdamW (Loshchilov & Hutter 2019): two moments for each parameter. */
#include "ops/adamw.h"
#include "train/optimizer.h"

#include <math.h>

_Static_assert(sizeof(pc_adamw_step) <= PC_OPTIMIZER_STEP, "the step fits");

static int moments(const pc_optimizer_settings *settings, const pc_param *param)
{
    (void)param;
    (void)settings;
    return 2;
}

static void begin(void *step, const pc_optimizer_settings *settings, const pc_optimizer_now *now)
{
    *(pc_adamw_step *)step = (pc_adamw_step){
        .beta1 = settings->beta1,
        .beta2 = settings->beta2,
        .eps = settings->eps,
        .correction1 = 1 - pow(settings->beta1, (double)now->number),
        .correction2 = 1 - pow(settings->beta2, (double)now->number),
        .gradient_scale = now->gradient_scale,
        .scale_rate = now->scale_rate,
    };
}

static void update(pc_graph *graph, const pc_optimizer_slot *slot, const void *step)
{
    pc_adamw(graph, slot->param, slot->grad, slot->moments[0], slot->moments[1],
             (pc_adamw_params){.step = step, .rate = slot->rate, .decay = slot->decay});
}

const pc_optimizer pc_optimizer_adamw_torch = {
    .name = "adamw_torch",
    .moments = moments,
    .begin = begin,
    .update = update,
};
