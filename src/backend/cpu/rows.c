/* Rows in and out: gather, scatter, splice, caches, tokens before a group, slices. Mostly copies. */
#include "ops/rows.h"

#include "backend/cpu/stored.h"

#include <string.h>

typedef struct work {
    const pc_cpu_rows *rows;
    const pc_tensor *table;
    const float *x, *y;
    const int32_t *ids;
    float *out;
    void *cache;
    pc_dtype cache_type;
    int64_t width, count;
    int64_t table_rows;
    int64_t in_rows, out_rows, shift, begin; /* of a group */
    bool accumulate;
} work;

static int64_t row_width(const pc_tensor *x)
{
    int64_t width = 1;
    for (int i = 1; i < x->shape.ndim; i++) {
        width *= x->shape.dim[i];
    }
    return width;
}

static bool is_stored(const pc_tensor *x) { return x->dtype == PC_F32 || x->dtype == PC_BF16 || x->dtype == PC_F16; }

static void copy(float *to, const float *from, int64_t count) { memcpy(to, from, (size_t)count * sizeof *to); }

/* --- take_rows --- */

static void take_piece(void *context, int64_t from, int64_t to, int thread)
{
    const work *w = context;
    const size_t bytes = (size_t)w->width * pc_dtype_size(w->table->dtype);
    (void)thread;
    for (int64_t t = from; t < to; t++) {
        const char *row = (const char *)w->table->data + (size_t)w->ids[t] * bytes;
        if (w->table->dtype == PC_I32) {
            memcpy((char *)w->cache + (size_t)t * bytes, row, bytes);
        } else {
            w->rows->to_f32(w->out + t * w->width, row, w->table->dtype, w->width);
        }
    }
}

static void run_take(const pc_call *call, const pc_cpu_level *level)
{
    const pc_node *node = call->node;
    work w = {.rows = level->rows, .table = node->in[0], .ids = pc_i32(node->in[1])};
    w.cache = node->out[0]->data; /* of the table's type, when that is i32 */
    w.out = node->out[0]->dtype == PC_F32 ? pc_f32_mut(node->out[0]) : NULL;
    w.width = row_width(node->in[0]);
    pc_cpu_run_pieces(call->pool, pc_shape_count(&node->in[1]->shape), pc_cpu_rows_in_block(w.width), take_piece, &w);
}

static bool take_supports(const pc_node *node)
{
    return (is_stored(node->in[0]) && node->in[1]->dtype == PC_I32 && node->out[0]->dtype == PC_F32) ||
           (node->in[0]->dtype == PC_I32 && node->out[0]->dtype == PC_I32);
}

/* --- add_rows: items are columns, so that each takes all rows in order --- */

enum { COLUMNS = 64 };

static void add_rows_piece(void *context, int64_t from, int64_t to, int thread)
{
    const work *w = context;
    (void)thread;
    for (int64_t r = 0; r < w->table_rows && !w->accumulate; r++) {
        memset(w->out + r * w->width + from, 0, (size_t)(to - from) * sizeof *w->out);
    }
    for (int64_t t = 0; t < w->count; t++) {
        float *out = w->out + w->ids[t] * w->width + from;
        w->rows->add(out, out, w->x + t * w->width + from, to - from);
    }
}

static void run_add_rows(const pc_call *call, const pc_cpu_level *level)
{
    const pc_node *node = call->node;
    work w = {.rows = level->rows, .x = pc_f32(node->in[0]), .ids = pc_i32(node->in[1]), .out = pc_f32_mut(node->out[0])};
    w.width = row_width(node->out[0]);
    w.count = pc_shape_count(&node->in[1]->shape);
    w.table_rows = node->out[0]->shape.dim[0];
    w.accumulate = node->accumulate;
    pc_cpu_run_pieces(call->pool, w.width, COLUMNS, add_rows_piece, &w);
}

static bool add_rows_supports(const pc_node *node)
{
    return node->in[0]->dtype == PC_F32 && node->in[1]->dtype == PC_I32 && node->out[0]->dtype == PC_F32;
}

/* --- put_rows --- */

static void base_piece(void *context, int64_t from, int64_t to, int thread)
{
    const work *w = context;
    (void)thread;
    copy(w->out + from, w->x + from, to - from);
}

static void put_piece(void *context, int64_t from, int64_t to, int thread)
{
    const work *w = context;
    (void)thread;
    for (int64_t q = from; q < to; q++) {
        copy(w->out + w->ids[q] * w->width, w->y + q * w->width, w->width);
    }
}

static void run_put(const pc_call *call, const pc_cpu_level *level)
{
    const pc_node *node = call->node;
    work w = {.rows = level->rows, .x = pc_f32(node->in[0]), .y = pc_f32(node->in[1]), .ids = pc_i32(node->in[2])};
    w.out = pc_f32_mut(node->out[0]);
    w.width = row_width(node->in[0]);
    if (w.out != w.x) {
        pc_cpu_run_pieces(call->pool, pc_shape_count(&node->out[0]->shape), PC_CPU_BLOCK, base_piece, &w);
    }
    pc_cpu_run_pieces(call->pool, pc_shape_count(&node->in[2]->shape), pc_cpu_rows_in_block(w.width), put_piece, &w);
}

/* --- store_rows --- */

static void store_piece(void *context, int64_t from, int64_t to, int thread)
{
    const work *w = context;
    (void)thread;
    for (int64_t t = from; t < to; t++) {
        pc_cpu_write_stored(w->cache, w->cache_type, w->ids[t] * w->width, w->x + t * w->width, w->width);
    }
}

static void run_store(const pc_call *call, const pc_cpu_level *level)
{
    const pc_node *node = call->node;
    work w = {.rows = level->rows, .x = pc_f32(node->in[1]), .ids = pc_i32(node->in[2])};
    w.cache = node->out[0]->data;
    w.cache_type = node->out[0]->dtype;
    w.width = row_width(node->in[0]);
    pc_cpu_run_pieces(call->pool, pc_shape_count(&node->in[2]->shape), pc_cpu_rows_in_block(w.width), store_piece, &w);
}

static bool store_supports(const pc_node *node)
{
    return pc_cpu_stored(node->in[0]->dtype) && node->in[1]->dtype == PC_F32 && node->in[2]->dtype == PC_I32
           && node->out[0]->dtype == node->in[0]->dtype;
}

/* --- groups: prepend, slice, slice_grad --- */

static int64_t groups_in_block(const work *w)
{
    return pc_cpu_rows_in_block(w->width * pc_most(w->in_rows, w->out_rows));
}

static void prepend_piece(void *context, int64_t from, int64_t to, int thread)
{
    const work *w = context;
    (void)thread;
    for (int64_t n = from; n < to; n++) {
        float *out = w->out + n * w->out_rows * w->width;
        copy(out, w->y, w->shift * w->width);
        copy(out + w->shift * w->width, w->x + n * w->in_rows * w->width, w->in_rows * w->width);
    }
}

static void run_prepend(const pc_call *call, const pc_cpu_level *level)
{
    const pc_node *node = call->node;
    const pc_shape *x = &node->in[0]->shape;
    work w = {.rows = level->rows, .x = pc_f32(node->in[0]), .y = pc_f32(node->in[1]), .out = pc_f32_mut(node->out[0])};
    w.width = x->dim[2];
    w.in_rows = x->dim[1];
    w.out_rows = node->out[0]->shape.dim[1];
    w.shift = w.out_rows - w.in_rows;
    pc_cpu_run_pieces(call->pool, x->dim[0], groups_in_block(&w), prepend_piece, &w);
}

static void slice_piece(void *context, int64_t from, int64_t to, int thread)
{
    const work *w = context;
    (void)thread;
    for (int64_t n = from; n < to; n++) {
        copy(w->out + n * w->out_rows * w->width, w->x + (n * w->in_rows + w->begin) * w->width, w->out_rows * w->width);
    }
}

static void slice_grad_piece(void *context, int64_t from, int64_t to, int thread)
{
    const work *w = context;
    (void)thread;
    for (int64_t n = from; n < to; n++) {
        float *out = w->out + n * w->out_rows * w->width;
        memset(out, 0, (size_t)(w->out_rows * w->width) * sizeof *out);
        copy(out + w->begin * w->width, w->x + n * w->in_rows * w->width, w->in_rows * w->width);
    }
}

static void run_slices(const pc_call *call, const pc_cpu_level *level, pc_cpu_piece piece)
{
    const pc_node *node = call->node;
    work w = {.rows = level->rows, .x = pc_f32(node->in[0]), .out = pc_f32_mut(node->out[0])};
    w.width = node->in[0]->shape.dim[2];
    w.in_rows = node->in[0]->shape.dim[1];
    w.out_rows = node->out[0]->shape.dim[1];
    w.begin = ((const pc_slice_params *)node->params)->begin;
    pc_cpu_run_pieces(call->pool, node->out[0]->shape.dim[0], groups_in_block(&w), piece, &w);
}

static void run_slice(const pc_call *call, const pc_cpu_level *level) { run_slices(call, level, slice_piece); }

static void run_slice_grad(const pc_call *call, const pc_cpu_level *level) { run_slices(call, level, slice_grad_piece); }

const pc_cpu_kernel pc_cpu_kernel_take_rows = {.op = &pc_op_take_rows, .run = run_take, .supports = take_supports};
const pc_cpu_kernel pc_cpu_kernel_add_rows = {.op = &pc_op_add_rows, .run = run_add_rows, .supports = add_rows_supports};
const pc_cpu_kernel pc_cpu_kernel_put_rows = {.op = &pc_op_put_rows, .run = run_put};
const pc_cpu_kernel pc_cpu_kernel_store_rows = {.op = &pc_op_store_rows, .run = run_store, .supports = store_supports};
const pc_cpu_kernel pc_cpu_kernel_prepend = {.op = &pc_op_prepend, .run = run_prepend};
const pc_cpu_kernel pc_cpu_kernel_slice = {.op = &pc_op_slice, .run = run_slice};
const pc_cpu_kernel pc_cpu_kernel_slice_grad = {.op = &pc_op_slice_grad, .run = run_slice_grad};
