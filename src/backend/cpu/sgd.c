/* Gradient descent: one pass over parameter, gradient and velocity. */
#include "ops/sgd.h"

#include "backend/cpu/node.h"

typedef struct work {
    float momentum, gradient_scale, rate, decay;
    float *p, *v;
    const float *grad;
} work;

static void sgd_piece(void *context, int64_t from, int64_t to, int thread)
{
    const work *w = context;
    (void)thread;
    for (int64_t i = from; i < to; i++) {
        float g = w->grad[i] * w->gradient_scale + w->decay * w->p[i];
        if (w->v) {
            g += w->momentum * w->v[i];
            w->v[i] = g;
        }
        w->p[i] -= w->rate * g;
    }
}

static void run(const pc_call *call, const pc_cpu_level *level)
{
    const pc_node *node = call->node;
    const pc_sgd_params *params = node->params;
    work w = {
        .momentum = (float)params->step->momentum,
        .gradient_scale = (float)params->step->gradient_scale,
        .rate = (float)(params->rate * params->step->scale_rate),
        .decay = (float)params->decay,
        .p = pc_f32_mut(node->out[0]),
        .v = node->in[2] ? pc_f32_mut(node->in[2]) : NULL,
        .grad = pc_f32(node->in[1]),
    };
    (void)level;
    pc_cpu_run_pieces(call->pool, pc_shape_count(&node->in[0]->shape), PC_CPU_BLOCK, sgd_piece, &w);
}

const pc_cpu_kernel pc_cpu_kernel_sgd = {.op = &pc_op_sgd, .run = run};
