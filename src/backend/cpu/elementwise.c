/* Sums and products element by element, sums over leading dims, and the dot product. */
#include "backend/cpu/node.h"
#include "ops/add.h"
#include "ops/multiply.h"
#include "tensor/builtin.h"

typedef struct work {
    const pc_cpu_rows *rows;
    void (*two)(float *out, const float *x, const float *y, int64_t n);
    float *out;
    const float *x, *y;
    float factor;
    int64_t period; /* numbers after which y repeats */
    int64_t repeats, part_rows; /* sum_to */
    float *parts;
    double *sums; /* dot: one for each block */
} work;

static work begin(const pc_call *call, const pc_cpu_level *level)
{
    const pc_node *node = call->node;
    return (work){
        .rows = level->rows,
        .out = pc_f32_mut(node->out[0]),
        .x = pc_f32(node->in[0]),
        .y = node->inputs > 1 && node->in[1] ? pc_f32(node->in[1]) : NULL,
    };
}

/* --- one to one --- */

static void two_piece(void *context, int64_t from, int64_t to, int thread)
{
    const work *w = context;
    (void)thread;
    w->two(w->out + from, w->x + from, w->y + from, to - from);
}

static void run_two(const pc_call *call, work *w)
{
    pc_cpu_run_pieces(call->pool, pc_shape_count(&call->node->out[0]->shape), PC_CPU_BLOCK, two_piece, w);
}

static void run_accumulate(const pc_call *call, const pc_cpu_level *level)
{
    work w = begin(call, level);
    w.two = level->rows->add;
    run_two(call, &w);
}

static void scale_piece(void *context, int64_t from, int64_t to, int thread)
{
    const work *w = context;
    (void)thread;
    w->rows->scale(w->out + from, w->x + from, w->factor, to - from);
}

static void run_scale(const pc_call *call, const pc_cpu_level *level)
{
    work w = begin(call, level);
    w.factor = (float)((const pc_scale_params *)call->node->params)->factor;
    pc_cpu_run_pieces(call->pool, pc_shape_count(&call->node->out[0]->shape), PC_CPU_BLOCK, scale_piece, &w);
}

static void run_scale_by(const pc_call *call, const pc_cpu_level *level)
{
    work w = begin(call, level);
    w.factor = w.y[0];
    pc_cpu_run_pieces(call->pool, pc_shape_count(&call->node->out[0]->shape), PC_CPU_BLOCK, scale_piece, &w);
}

/* --- y repeated --- */

static void repeat_piece(void *context, int64_t from, int64_t to, int thread)
{
    const work *w = context;
    (void)thread;
    for (int64_t r = from; r < to; r++) {
        w->two(w->out + r * w->period, w->x + r * w->period, w->y, w->period);
    }
}

static void run_repeated(const pc_call *call, work *w)
{
    const int64_t count = pc_shape_count(&call->node->out[0]->shape);
    w->period = pc_shape_count(&call->node->in[1]->shape);
    if (w->period == count) {
        run_two(call, w);
    } else if (w->period > 0) {
        pc_cpu_run_pieces(call->pool, count / w->period, pc_cpu_rows_in_block(w->period), repeat_piece, w);
    }
}

static void run_add(const pc_call *call, const pc_cpu_level *level)
{
    work w = begin(call, level);
    w.two = level->rows->add;
    run_repeated(call, &w);
}

static void run_multiply(const pc_call *call, const pc_cpu_level *level)
{
    work w = begin(call, level);
    w.two = level->rows->multiply;
    run_repeated(call, &w);
}

/* --- sum over leading dims --- */

enum { WIDE = 4096 }; /* from this width on columns make enough items, and no partial sums are needed */

static void add_rows_to(const work *w, float *out, int64_t row, int64_t end, int64_t column, int64_t width)
{
    for (; row < end; row++) {
        w->rows->add(out, out, w->x + row * w->period + column, width);
    }
}

static void wide_piece(void *context, int64_t from, int64_t to, int thread)
{
    const work *w = context;
    (void)thread;
    add_rows_to(w, w->out + from, 0, w->repeats, from, to - from);
}

static void part_piece(void *context, int64_t from, int64_t to, int thread)
{
    const work *w = context;
    float *part = w->parts + from / w->part_rows * w->period;
    (void)thread;
    for (int64_t i = 0; i < w->period; i++) {
        part[i] = 0;
    }
    add_rows_to(w, part, from, to, 0, w->period);
}

static void run_sum_to(const pc_call *call, const pc_cpu_level *level)
{
    work w = begin(call, level);
    w.period = pc_shape_count(&call->node->out[0]->shape);
    if (w.period == 0) {
        return;
    }
    w.repeats = pc_shape_count(&call->node->in[0]->shape) / w.period;
    if (w.period >= WIDE) {
        pc_cpu_sum_parts(level->rows, w.out, NULL, 0, 0, w.period, call->node->accumulate);
        pc_cpu_run_pieces(call->pool, w.period, WIDE, wide_piece, &w);
        return;
    }
    w.parts = call->scratch;
    w.part_rows = pc_cpu_rows_in_part(w.repeats);
    pc_cpu_run_pieces(call->pool, w.repeats, w.part_rows, part_piece, &w);
    pc_cpu_sum_parts(level->rows, w.out, w.parts, pc_ceil_div(w.repeats, w.part_rows), w.period, w.period,
                     call->node->accumulate);
}

static size_t sum_to_scratch(const pc_node *node, const pc_cpu_level *level, int threads)
{
    (void)level;
    (void)threads;
    return PC_CPU_PARTS * (size_t)pc_least(pc_shape_count(&node->out[0]->max), WIDE) * sizeof(float);
}

/* --- dot --- */

static void dot_piece(void *context, int64_t from, int64_t to, int thread)
{
    const work *w = context;
    (void)thread;
    w->sums[from / PC_CPU_BLOCK] = (double)w->rows->dot(w->x + from, w->y + from, to - from);
}

static void run_dot(const pc_call *call, const pc_cpu_level *level)
{
    work w = begin(call, level);
    const int64_t count = pc_shape_count(&call->node->in[0]->shape);
    double sum = 0;
    w.sums = call->scratch;
    pc_cpu_run_pieces(call->pool, count, PC_CPU_BLOCK, dot_piece, &w);
    for (int64_t i = 0; i < pc_ceil_div(count, PC_CPU_BLOCK); i++) {
        sum += w.sums[i];
    }
    w.out[0] = (float)sum;
}

static size_t dot_scratch(const pc_node *node, const pc_cpu_level *level, int threads)
{
    (void)level;
    (void)threads;
    return (size_t)pc_ceil_div(pc_shape_count(&node->in[0]->max), PC_CPU_BLOCK) * sizeof(double);
}

const pc_cpu_kernel pc_cpu_kernel_add = {.op = &pc_op_add, .run = run_add};
const pc_cpu_kernel pc_cpu_kernel_accumulate = {.op = &pc_op_accumulate, .run = run_accumulate};
const pc_cpu_kernel pc_cpu_kernel_accumulate_into = {.op = &pc_op_accumulate_into, .run = run_accumulate};
const pc_cpu_kernel pc_cpu_kernel_sum_to = {.op = &pc_op_sum_to, .run = run_sum_to, .scratch = sum_to_scratch};
const pc_cpu_kernel pc_cpu_kernel_multiply = {.op = &pc_op_multiply, .run = run_multiply};
const pc_cpu_kernel pc_cpu_kernel_scale = {.op = &pc_op_scale, .run = run_scale};
const pc_cpu_kernel pc_cpu_kernel_scale_by = {.op = &pc_op_scale_by, .run = run_scale_by};
const pc_cpu_kernel pc_cpu_kernel_dot = {.op = &pc_op_dot, .run = run_dot, .scratch = dot_scratch};
