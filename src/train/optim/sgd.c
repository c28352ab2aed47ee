/* Stochastic gradient descent: nothing is kept for a parameter, or with momentum its velocity. */
#include "ops/sgd.h"
#include "train/optimizer.h"

_Static_assert(sizeof(pc_sgd_step) <= PC_OPTIMIZER_STEP, "the step fits");

static int moments(const pc_optimizer_settings *settings, const pc_param *param)
{
    (void)param;
    return settings->momentum > 0;
}

static void begin(void *step, const pc_optimizer_settings *settings, const pc_optimizer_now *now)
{
    *(pc_sgd_step *)step = (pc_sgd_step){
        .momentum = settings->momentum,
        .gradient_scale = now->gradient_scale,
        .scale_rate = now->scale_rate,
    };
}

static void update(pc_graph *graph, const pc_optimizer_slot *slot, const void *step)
{
    pc_sgd(graph, slot->param, slot->grad, slot->moments[0],
           (pc_sgd_params){.step = step, .rate = slot->rate, .decay = slot->decay});
}

const pc_optimizer pc_optimizer_sgd = {
    .name = "sgd",
    .moments = moments,
    .begin = begin,
    .update = update,
};
