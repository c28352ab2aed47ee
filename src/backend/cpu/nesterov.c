/* Nesterov's look ahead: one pass over gradient and velocity. */
#include "ops/nesterov.h"

#include "backend/cpu/node.h"

typedef struct work {
    float momentum, gradient_scale;
    float *grad, *v;
} work;

static void nesterov_piece(void *context, int64_t from, int64_t to, int thread)
{
    const work *w = context;
    (void)thread;
    for (int64_t i = from; i < to; i++) {
        float g = w->grad[i] * w->gradient_scale;
        w->v[i] += (1 - w->momentum) * (g - w->v[i]);
        w->grad[i] = g + w->momentum * (w->v[i] - g);
    }
}

static void run(const pc_call *call, const pc_cpu_level *level)
{
    const pc_node *node = call->node;
    const pc_nesterov_step *step = ((const pc_nesterov_params *)node->params)->step;
    work w = {
        .momentum = (float)step->momentum,
        .gradient_scale = (float)step->gradient_scale,
        .grad = pc_f32_mut(node->out[0]),
        .v = pc_f32_mut(node->in[1]),
    };
    (void)level;
    pc_cpu_run_pieces(call->pool, pc_shape_count(&node->in[0]->shape), PC_CPU_BLOCK, nesterov_piece, &w);
}

const pc_cpu_kernel pc_cpu_kernel_nesterov = {.op = &pc_op_nesterov, .run = run};
