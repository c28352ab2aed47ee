/* Normalisation of rows. Gradients of weights: partial sums of fixed blocks of rows, added in order. */
#include "ops/norm.h"

#include "backend/cpu/node.h"

#include <math.h>
#include <string.h>

typedef struct work {
    const pc_cpu_rows *rows;
    int64_t width, part_rows;
    int64_t groups; /* of the weights, by turns of the rows (ops/norm.h) */
    float eps;
    const float *x, *w, *b, *dy;
    float *out;
    float *parts; /* [parts][2][groups,width]: dw, db */
} work;

static work begin(const pc_call *call, const pc_cpu_level *level)
{
    const pc_node *node = call->node;
    const int64_t width = pc_shape_last(&node->in[0]->shape);
    return (work){
        .rows = level->rows,
        .width = width,
        .groups = node->inputs > 1 ? pc_shape_count(&node->in[1]->shape) / width : 1,
        .eps = (float)((const pc_norm_params *)node->params)->eps,
        .x = pc_f32(node->in[0]),
        .w = node->inputs > 1 ? pc_f32(node->in[1]) : NULL,
        .out = pc_f32_mut(node->out[0]),
    };
}

static void run_rows(const pc_call *call, work *w, pc_cpu_piece piece)
{
    pc_cpu_run_pieces(call->pool, pc_shape_rows(&call->node->in[0]->shape), pc_cpu_rows_in_block(w->width), piece, w);
}

/* Where the numbers of a row begin in w and b. */
static int64_t vector_of(const work *w, int64_t row)
{
    return w->groups > 1 ? row % w->groups * w->width : 0;
}

static void layer_norm_piece(void *context, int64_t from, int64_t to, int thread)
{
    const work *w = context;
    (void)thread;
    for (int64_t r = from; r < to; r++) {
        const int64_t at = vector_of(w, r);
        w->rows->layer_norm(w->out + r * w->width, w->x + r * w->width, w->w + at, w->b ? w->b + at : NULL, w->eps, w->width);
    }
}

static void run_layer_norm(const pc_call *call, const pc_cpu_level *level)
{
    work w = begin(call, level);
    w.b = call->node->in[2] ? pc_f32(call->node->in[2]) : NULL;
    run_rows(call, &w, layer_norm_piece);
}

static void rms_norm_piece(void *context, int64_t from, int64_t to, int thread)
{
    const work *w = context;
    (void)thread;
    for (int64_t r = from; r < to; r++) {
        w->rows->rms_norm(w->out + r * w->width, w->x + r * w->width, w->w + vector_of(w, r), w->eps, w->width);
    }
}

static void run_rms_norm(const pc_call *call, const pc_cpu_level *level)
{
    work w = begin(call, level);
    run_rows(call, &w, rms_norm_piece);
}

static float *part_of(const work *w, int64_t row)
{
    const int64_t size = 2 * w->groups * w->width;
    float *part = w->parts + row / w->part_rows * size;
    memset(part, 0, (size_t)size * sizeof *part);
    return part;
}

static void layer_norm_grad_piece(void *context, int64_t from, int64_t to, int thread)
{
    const work *w = context;
    float *part = part_of(w, from);
    (void)thread;
    for (int64_t r = from; r < to; r++) {
        float *dw = part + vector_of(w, r);
        w->rows->layer_norm_grad(w->out + r * w->width, dw, dw + w->groups * w->width, w->x + r * w->width,
                                 w->w + vector_of(w, r), w->dy + r * w->width, w->eps, w->width);
    }
}

static void rms_norm_grad_piece(void *context, int64_t from, int64_t to, int thread)
{
    const work *w = context;
    float *part = part_of(w, from);
    (void)thread;
    for (int64_t r = from; r < to; r++) {
        const int64_t at = vector_of(w, r);
        w->rows->rms_norm_grad(w->out + r * w->width, part + at, w->x + r * w->width, w->w + at, w->dy + r * w->width, w->eps,
                               w->width);
    }
}

static void run_grad(const pc_call *call, const pc_cpu_level *level, pc_cpu_piece piece)
{
    const pc_node *node = call->node;
    const int64_t rows = pc_shape_rows(&node->in[0]->shape);
    work w = begin(call, level);
    w.dy = pc_f32(node->in[2]);
    w.parts = call->scratch;
    w.part_rows = pc_cpu_rows_in_part(rows);
    const int64_t size = w.groups * w.width;
    pc_cpu_run_pieces(call->pool, rows, w.part_rows, piece, &w);
    for (int i = 1; i < node->outputs; i++) {
        pc_cpu_sum_parts(level->rows, pc_f32_mut(node->out[i]), w.parts + (i - 1) * size, pc_ceil_div(rows, w.part_rows),
                         2 * size, size, false);
    }
}

static void run_layer_norm_grad(const pc_call *call, const pc_cpu_level *level)
{
    run_grad(call, level, layer_norm_grad_piece);
}

static void run_rms_norm_grad(const pc_call *call, const pc_cpu_level *level)
{
    run_grad(call, level, rms_norm_grad_piece);
}

static size_t grad_scratch(const pc_node *node, const pc_cpu_level *level, int threads)
{
    (void)level;
    (void)threads;
    return PC_CPU_PARTS * 2 * (size_t)pc_shape_count(&node->in[1]->max) * sizeof(float);
}

static void l2_norm_piece(void *context, int64_t from, int64_t to, int thread)
{
    const work *w = context;
    (void)thread;
    for (int64_t r = from; r < to; r++) {
        const float *x = w->x + r * w->width;
        const float length = sqrtf(w->rows->dot(x, x, w->width));
        w->rows->scale(w->out + r * w->width, x, 1.0f / (length > w->eps ? length : w->eps), w->width);
    }
}

static void run_l2_norm(const pc_call *call, const pc_cpu_level *level)
{
    work w = begin(call, level);
    run_rows(call, &w, l2_norm_piece);
}

/* dx = (dy - x (x . dy) / |x|^2) / |x|; where |x| <= eps the divisor is the constant eps. */
static void l2_norm_grad_piece(void *context, int64_t from, int64_t to, int thread)
{
    const work *w = context;
    (void)thread;
    for (int64_t r = from; r < to; r++) {
        const float *x = w->x + r * w->width;
        const float *dy = w->dy + r * w->width;
        float *dx = w->out + r * w->width;
        const float length = sqrtf(w->rows->dot(x, x, w->width));
        const bool far = length > w->eps;
        const float factor = 1.0f / (far ? length : w->eps);
        w->rows->scale(dx, dy, factor, w->width);
        if (far) {
            w->rows->add_scaled(dx, x, -w->rows->dot(x, dy, w->width) * factor * factor * factor, w->width);
        }
    }
}

static void run_l2_norm_grad(const pc_call *call, const pc_cpu_level *level)
{
    work w = begin(call, level);
    w.dy = pc_f32(call->node->in[1]);
    run_rows(call, &w, l2_norm_grad_piece);
}

const pc_cpu_kernel pc_cpu_kernel_layer_norm = {.op = &pc_op_layer_norm, .run = run_layer_norm};
const pc_cpu_kernel pc_cpu_kernel_layer_norm_grad = {
    .op = &pc_op_layer_norm_grad, .run = run_layer_norm_grad, .scratch = grad_scratch};
const pc_cpu_kernel pc_cpu_kernel_rms_norm = {.op = &pc_op_rms_norm, .run = run_rms_norm};
const pc_cpu_kernel pc_cpu_kernel_rms_norm_grad = {
    .op = &pc_op_rms_norm_grad, .run = run_rms_norm_grad, .scratch = grad_scratch};
const pc_cpu_kernel pc_cpu_kernel_l2_norm = {.op = &pc_op_l2_norm, .run = run_l2_norm};
const pc_cpu_kernel pc_cpu_kernel_l2_norm_grad = {.op = &pc_op_l2_norm_grad, .run = run_l2_norm_grad};
