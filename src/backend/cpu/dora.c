/* Lengths of the rows of an adapted weight: each row by one thread, in order, in double. */
#include "ops/dora.h"

#include "backend/cpu/node.h"

#include <math.h>

typedef struct work {
    const pc_cpu_rows *rows;
    const pc_tensor *weight;
    const float *delta;
    float *out, *scratch; /* [threads, K] */
    double factor;
    int64_t width;
} work;

static void piece(void *context, int64_t from, int64_t to, int thread)
{
    const work *w = context;
    const size_t bytes = (size_t)w->width * pc_dtype_size(w->weight->dtype);
    float *row = w->scratch + thread * w->width;
    for (int64_t n = from; n < to; n++) {
        const float *delta = w->delta + n * w->width;
        double sum = 0;
        w->rows->to_f32(row, (const char *)w->weight->data + (size_t)n * bytes, w->weight->dtype, w->width);
        for (int64_t k = 0; k < w->width; k++) {
            const double x = (double)row[k] + w->factor * (double)delta[k];
            sum += x * x;
        }
        w->out[n] = sum > 0 ? (float)(1 / sqrt(sum)) : 0;
    }
}

static void run(const pc_call *call, const pc_cpu_level *level)
{
    const pc_node *node = call->node;
    work w = {
        .rows = level->rows,
        .weight = node->in[0],
        .delta = pc_f32(node->in[1]),
        .out = pc_f32_mut(node->out[0]),
        .scratch = call->scratch,
        .factor = ((const pc_inverse_lengths_params *)node->params)->factor,
        .width = node->in[0]->shape.dim[1],
    };
    pc_cpu_run_pieces(call->pool, node->in[0]->shape.dim[0], pc_cpu_rows_in_block(w.width), piece, &w);
}

static size_t scratch(const pc_node *node, const pc_cpu_level *level, int threads)
{
    (void)level;
    return (size_t)threads * (size_t)node->in[0]->max.dim[1] * sizeof(float);
}

static bool supports(const pc_node *node)
{
    pc_dtype type = node->in[0]->dtype;
    return (type == PC_F32 || type == PC_BF16 || type == PC_F16) && node->in[1]->dtype == PC_F32;
}

const pc_cpu_kernel pc_cpu_kernel_inverse_lengths = {
    .op = &pc_op_inverse_lengths, .run = run, .scratch = scratch, .supports = supports};
