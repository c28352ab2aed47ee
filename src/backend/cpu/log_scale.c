/* Log-n attention: each row times a factor of its own. */
#include "ops/log_scale.h"

#include "backend/cpu/node.h"

typedef struct work {
    const pc_node *node;
    const pc_cpu_rows *rows;
    int64_t width, axes;
} work;

static void scale_rows(void *context, int64_t begin, int64_t end, int thread)
{
    const work *w = context;
    const int64_t length = ((const pc_log_scale_params *)w->node->params)->length;
    (void)thread;
    for (int64_t t = begin; t < end; t++) {
        const double factor = pc_log_factor(pc_i32(w->node->in[1])[t * w->axes], length);
        w->rows->scale(pc_f32_mut(w->node->out[0]) + t * w->width, pc_f32(w->node->in[0]) + t * w->width, (float)factor, w->width);
    }
}

static void run(const pc_call *call, const pc_cpu_level *level)
{
    const pc_node *node = call->node;
    const int64_t rows = node->in[0]->shape.dim[0];
    if (rows == 0) {
        return;
    }
    work w = {node, level->rows, pc_shape_count(&node->in[0]->shape) / rows, pc_shape_count(&node->in[1]->shape) / rows};
    pc_cpu_run_pieces(call->pool, rows, pc_cpu_rows_in_block(w.width), scale_rows, &w);
}

const pc_cpu_kernel pc_cpu_kernel_log_scale = {.op = &pc_op_log_scale, .run = run};
