/* Depthwise convolution: a row of the result is a sum over taps of rows of x, each times the taps' weights of all channels, which
 * therefore lie side by side in scratch, [k*k,D]. */
#include "ops/depthwise.h"

#include "backend/cpu/node.h"

#include <string.h>

typedef struct work {
    const float *x, *taps, *bias; /* bias may be NULL */
    float *out;
    pc_grid_size from, to;
    int64_t width, kernel, stride;
} work;

/* Row of x under tap `t` of an output row, or -1 outside the grid. */
static int64_t row_under(const work *w, int64_t at, int64_t t)
{
    const int64_t cells = w->to.rows * w->to.columns, cell = at % cells;
    const int64_t r = cell / w->to.columns * w->stride + t / w->kernel - w->kernel / 2;
    const int64_t c = cell % w->to.columns * w->stride + t % w->kernel - w->kernel / 2;
    const bool inside = r >= 0 && r < w->from.rows && c >= 0 && c < w->from.columns;
    return inside ? (at / cells * w->from.rows + r) * w->from.columns + c : -1;
}

static void convolve_rows(void *context, int64_t begin, int64_t end, int thread)
{
    const work *w = context;
    (void)thread;
    for (int64_t at = begin; at < end; at++) {
        float *restrict out = w->out + at * w->width;
        if (w->bias) {
            memcpy(out, w->bias, (size_t)w->width * sizeof *out);
        } else {
            memset(out, 0, (size_t)w->width * sizeof *out);
        }
        for (int64_t t = 0; t < w->kernel * w->kernel; t++) {
            const int64_t row = row_under(w, at, t);
            const float *restrict x = w->x + (row < 0 ? 0 : row) * w->width, *restrict tap = w->taps + t * w->width;
            for (int64_t d = 0; row >= 0 && d < w->width; d++) {
                out[d] += x[d] * tap[d];
            }
        }
    }
}

static void run(const pc_call *call, const pc_cpu_level *level)
{
    const pc_node *node = call->node;
    const pc_depthwise_params *p = node->params;
    const pc_shape *x = &node->in[0]->shape;
    const int64_t kernel = node->in[1]->shape.dim[2], all = kernel * kernel;
    const float *weights = pc_f32(node->in[1]);
    float *taps = call->scratch;
    work w = {
        .x = pc_f32(node->in[0]),
        .taps = taps,
        .bias = node->inputs > 2 ? pc_f32(node->in[2]) : NULL,
        .out = pc_f32_mut(node->out[0]),
        .from = p->from,
        .to = {(p->from.rows + p->stride - 1) / p->stride, (p->from.columns + p->stride - 1) / p->stride},
        .width = x->dim[2],
        .kernel = kernel,
        .stride = p->stride,
    };
    (void)level;
    for (int64_t i = 0; i < w.width * all; i++) {
        taps[i % all * w.width + i / all] = weights[i];
    }
    pc_cpu_run_pieces(call->pool, x->dim[0] * w.to.rows * w.to.columns, pc_cpu_rows_in_block(w.width), convolve_rows, &w);
}

static size_t scratch(const pc_node *node, const pc_cpu_level *level, int threads)
{
    (void)level;
    (void)threads;
    return (size_t)pc_shape_count(&node->in[1]->max) * sizeof(float);
}

const pc_cpu_kernel pc_cpu_kernel_depthwise = {.op = &pc_op_depthwise, .run = run, .scratch = scratch};
