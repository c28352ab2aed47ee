/* Dropout in pieces that begin at a multiple of four elements, the words of one random block. */
#include "ops/dropout.h"

#include "backend/cpu/node.h"

typedef struct work {
    const pc_dropout_params *params;
    float *y;
    const float *x;
} work;

static void dropout_piece(void *context, int64_t from, int64_t to, int thread)
{
    const work *w = context;
    (void)thread;
    pc_dropout_piece(w->params, w->y + from, w->x + from, from, to - from);
}

static void run(const pc_call *call, const pc_cpu_level *level)
{
    const pc_node *node = call->node;
    work w = {.params = node->params, .y = pc_f32_mut(node->out[0]), .x = pc_f32(node->in[0])};
    (void)level;
    pc_cpu_run_pieces(call->pool, pc_shape_count(&node->out[0]->shape), PC_CPU_BLOCK, dropout_piece, &w);
}

const pc_cpu_kernel pc_cpu_kernel_dropout = {.op = &pc_op_dropout, .run = run};
