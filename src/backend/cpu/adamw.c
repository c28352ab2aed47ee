/* The optimizer's step: one pass over parameter, gradient and both moments. */
#include "ops/adamw.h"

#include "backend/cpu/node.h"

#include <math.h>

typedef struct work {
    const pc_cpu_rows *rows;
    pc_cpu_adamw step;
    float *p, *m, *v;
    const float *grad;
} work;

static void adamw_piece(void *context, int64_t from, int64_t to, int thread)
{
    const work *w = context;
    (void)thread;
    w->rows->adamw(w->p + from, w->grad + from, w->m + from, w->v + from, &w->step, to - from);
}

static void run(const pc_call *call, const pc_cpu_level *level)
{
    const pc_node *node = call->node;
    const pc_adamw_params *params = node->params;
    const pc_adamw_step *step = params->step;
    const double rate = params->rate * step->scale_rate;
    work w = {
        .rows = level->rows,
        .step = {
            .beta2 = (float)step->beta2,
            .one_less_beta1 = (float)(1 - step->beta1),
            .one_less_beta2 = (float)(1 - step->beta2),
            .eps = (float)step->eps,
            .gradient_scale = (float)step->gradient_scale,
            .rate = (float)(rate / step->correction1),
            .decay = (float)(rate * params->decay),
            .root_correction2 = (float)sqrt(step->correction2),
        },
        .p = pc_f32_mut(node->out[0]),
        .grad = pc_f32(node->in[1]),
        .m = pc_f32_mut(node->in[2]),
        .v = pc_f32_mut(node->in[3]),
    };
    pc_cpu_run_pieces(call->pool, pc_shape_count(&node->in[0]->shape), PC_CPU_BLOCK, adamw_piece, &w);
}

const pc_cpu_kernel pc_cpu_kernel_adamw = {.op = &pc_op_adamw, .run = run};
