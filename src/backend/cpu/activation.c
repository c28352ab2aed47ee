/* Activations and gated units. */
#include "ops/activation.h"

#include "backend/cpu/node.h"

enum { BLOCK = 8192 }; /* numbers in an item: some microseconds */

typedef struct work {
    const pc_cpu_rows *rows;
    pc_activation kind;
    float *out, *dup;
    const float *x, *y, *dy;
} work;

static void activation_piece(void *context, int64_t from, int64_t to, int thread)
{
    const work *w = context;
    (void)thread;
    w->rows->activation(w->kind, w->out + from, w->x + from, to - from);
}

static void activation_grad_piece(void *context, int64_t from, int64_t to, int thread)
{
    const work *w = context;
    (void)thread;
    w->rows->activation_grad(w->kind, w->out + from, w->x + from, w->y + from, to - from);
}

static void glu_piece(void *context, int64_t from, int64_t to, int thread)
{
    const work *w = context;
    (void)thread;
    w->rows->glu(w->kind, w->out + from, w->x + from, w->y + from, to - from);
}

static void glu_grad_piece(void *context, int64_t from, int64_t to, int thread)
{
    const work *w = context;
    (void)thread;
    w->rows->glu_grad(w->kind, w->out + from, w->dup + from, w->x + from, w->y + from, w->dy + from, to - from);
}

static void run_pieces(const pc_call *call, const pc_cpu_level *level, pc_cpu_piece piece)
{
    const pc_node *node = call->node;
    work w = {
        .rows = level->rows,
        .kind = ((const pc_activation_params *)node->params)->kind,
        .out = pc_f32_mut(node->out[0]),
        .dup = node->outputs > 1 ? pc_f32_mut(node->out[1]) : NULL,
        .x = pc_f32(node->in[0]),
        .y = node->inputs > 1 ? pc_f32(node->in[1]) : NULL,
        .dy = node->inputs > 2 ? pc_f32(node->in[2]) : NULL,
    };
    pc_cpu_run_pieces(call->pool, pc_shape_count(&node->out[0]->shape), BLOCK, piece, &w);
}

static void run_activation(const pc_call *call, const pc_cpu_level *level) { run_pieces(call, level, activation_piece); }

static void run_activation_grad(const pc_call *call, const pc_cpu_level *level)
{
    run_pieces(call, level, activation_grad_piece);
}

static void run_glu(const pc_call *call, const pc_cpu_level *level) { run_pieces(call, level, glu_piece); }

static void run_glu_grad(const pc_call *call, const pc_cpu_level *level) { run_pieces(call, level, glu_grad_piece); }

const pc_cpu_kernel pc_cpu_kernel_activation = {.op = &pc_op_activation, .run = run_activation};
const pc_cpu_kernel pc_cpu_kernel_activation_grad = {.op = &pc_op_activation_grad, .run = run_activation_grad};
const pc_cpu_kernel pc_cpu_kernel_glu = {.op = &pc_op_glu, .run = run_glu};
const pc_cpu_kernel pc_cpu_kernel_glu_grad = {.op = &pc_op_glu_grad, .run = run_glu_grad};
