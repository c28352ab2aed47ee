/* dX = dY W where the weight stays in blocks: gradients go through a frozen quantised layer, which is not repacked or copied.
 *
 *   items = rows of dY x columns of W (whole blocks); for each DEPTH rows of W:
 *       dequantise their part and turn it, so that the rows of W lie along a row of the tile: [column][DEPTH]
 *       for each tile: sums of dY rows . tile rows, added to the item's
 *
 * Products are exact f32 (ops/matmul.h). A sum over the rows of W goes DEPTH at a time in the order of template/blocks.h, the
 * parts in their order, so that it depends on neither threads nor batch mates.
 */
#include "ops/matmul.h"

#include "backend/cpu/node.h"
#include "base/block.h"

#include <string.h>

enum {
    DEPTH = 128,    /* rows of W in a tile: 128 KiB */
    ROW_BLOCK = 64, /* rows of dY in an item */
    COLUMNS = PC_BLOCK_LARGE,
};
_Static_assert(DEPTH % 32 == 0 && COLUMNS % PC_BLOCK_SMALL == 0, "tiles are whole blocks and whole units of `inner`");

typedef struct product {
    const pc_cpu_block_rows *functions;
    int type; /* index of the functions for it */
    pc_dtype dtype;
    int64_t m, n, k; /* dY [m,k], W [k,n] */
    const float *a;
    const char *b;
    int64_t b_bytes; /* of a row */
    float *c;
    bool accumulate;
    const float *bias, *residual;
    int64_t row_items;
    char *of_thread;
    size_t thread_bytes;
} product;

/* What one thread works in. */
typedef struct workspace {
    float *a;    /* [ROW_BLOCK,DEPTH], zeros behind the last row of W */
    float *tile; /* [COLUMNS,DEPTH] */
    float *row;  /* [COLUMNS] */
    float *part; /* [ROW_BLOCK,COLUMNS] */
    float *sums; /* [ROW_BLOCK,COLUMNS] */
} workspace;

static workspace workspace_of(void *base, size_t *bytes)
{
    *bytes = 0;
    return (workspace){
        .a = pc_cpu_carve(base, bytes, ROW_BLOCK * DEPTH * sizeof(float)),
        .tile = pc_cpu_carve(base, bytes, COLUMNS * DEPTH * sizeof(float)),
        .row = pc_cpu_carve(base, bytes, COLUMNS * sizeof(float)),
        .part = pc_cpu_carve(base, bytes, ROW_BLOCK * COLUMNS * sizeof(float)),
        .sums = pc_cpu_carve(base, bytes, ROW_BLOCK * COLUMNS * sizeof(float)),
    };
}

/* Part of a row of W from column `column` on, a whole number of blocks. */
static void read_row(const product *p, float *to, int64_t row, int64_t column, int64_t count)
{
    const char *from = p->b + row * p->b_bytes + column / (int64_t)pc_dtype_unit(p->dtype) * (int64_t)pc_dtype_size(p->dtype);
    if (p->functions->read[p->type]) {
        p->functions->read[p->type](to, from, count);
    } else {
        pc_block_dequantise(p->dtype, to, from, (size_t)count);
    }
}

/* Rows [k, k + depth) of W and of dY's columns, zeros up to DEPTH. */
static void fill(const product *p, const workspace *w, int64_t row, int64_t rows, int64_t column, int64_t columns, int64_t k)
{
    const int64_t depth = pc_least(DEPTH, p->k - k);
    for (int64_t r = 0; r < rows; r++) {
        memcpy(w->a + r * DEPTH, p->a + (row + r) * p->k + k, (size_t)depth * sizeof(float));
        memset(w->a + r * DEPTH + depth, 0, (size_t)(DEPTH - depth) * sizeof(float));
    }
    if (depth < DEPTH) {
        memset(w->tile, 0, COLUMNS * DEPTH * sizeof(float));
    }
    for (int64_t d = 0; d < depth; d++) {
        read_row(p, w->row, k + d, column, columns);
        for (int64_t c = 0; c < columns; c++) {
            w->tile[c * DEPTH + d] = w->row[c];
        }
    }
}

static void multiply(const product *p, const workspace *w, int64_t rows, int64_t columns)
{
    pc_cpu_inner tile = {.lda = DEPTH, .ldb = DEPTH, .ldo = COLUMNS, .k = DEPTH};
    for (int64_t c = 0; c < columns; c += p->functions->inner_columns) {
        for (int64_t r = 0; r < rows; r += p->functions->inner_rows) {
            tile.a = w->a + r * DEPTH;
            tile.b = w->tile + c * DEPTH;
            tile.out = w->part + r * COLUMNS + c;
            tile.rows = (int)pc_least(p->functions->inner_rows, rows - r);
            tile.columns = (int)pc_least(p->functions->inner_columns, columns - c);
            p->functions->inner(&tile);
        }
    }
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t c = 0; c < columns; c++) {
            w->sums[r * COLUMNS + c] += w->part[r * COLUMNS + c];
        }
    }
}

static void finish(const product *p, const workspace *w, int64_t row, int64_t rows, int64_t column, int64_t columns)
{
    for (int64_t r = 0; r < rows; r++) {
        const int64_t at = (row + r) * p->n + column;
        for (int64_t i = 0; i < columns; i++) {
            float value = w->sums[r * COLUMNS + i] + (p->accumulate ? p->c[at + i] : 0);
            value += p->bias ? p->bias[column + i] : 0;
            p->c[at + i] = value + (p->residual ? p->residual[at + i] : 0);
        }
    }
}

static void run_item(void *context, int64_t item, int thread)
{
    const product *p = context;
    size_t bytes;
    const workspace w = workspace_of(p->of_thread + (size_t)thread * p->thread_bytes, &bytes);
    const int64_t row = item % p->row_items * ROW_BLOCK, rows = pc_least(ROW_BLOCK, p->m - row);
    const int64_t column = item / p->row_items * COLUMNS, columns = pc_least(COLUMNS, p->n - column);
    memset(w.sums, 0, ROW_BLOCK * COLUMNS * sizeof(float));
    for (int64_t k = 0; k < p->k; k += DEPTH) {
        fill(p, &w, row, rows, column, columns, k);
        multiply(p, &w, rows, columns);
    }
    finish(p, &w, row, rows, column, columns);
}

static size_t scratch(const pc_node *node, const pc_cpu_level *level, int threads)
{
    size_t bytes;
    (void)node;
    (void)level;
    workspace_of(NULL, &bytes);
    return bytes * (size_t)threads;
}

static void run(const pc_call *call, const pc_cpu_level *level)
{
    const pc_node *node = call->node;
    const pc_tensor *a = node->in[0], *b = node->in[1];
    product p = {
        .functions = level->blocks,
        .type = (int)b->dtype - PC_DTYPE_PLAIN,
        .dtype = b->dtype,
        .m = pc_shape_rows(&a->shape),
        .n = pc_shape_last(&b->shape),
        .k = pc_shape_last(&a->shape),
        .a = pc_f32(a),
        .b = b->data,
        .c = pc_f32_mut(node->out[0]),
        .accumulate = node->accumulate,
        .bias = node->in[2] ? pc_f32(node->in[2]) : NULL,
        .residual = node->in[3] ? pc_f32(node->in[3]) : NULL,
        .of_thread = call->scratch,
    };
    p.b_bytes = p.n / (int64_t)pc_dtype_unit(p.dtype) * (int64_t)pc_dtype_size(p.dtype);
    p.row_items = pc_ceil_div(p.m, ROW_BLOCK);
    workspace_of(NULL, &p.thread_bytes);
    pc_pool_run(call->pool, p.row_items * pc_ceil_div(p.n, COLUMNS), run_item, &p);
}

static bool is_f32(const pc_tensor *x) { return !x || x->dtype == PC_F32; }

static bool supports(const pc_node *node)
{
    const pc_matmul_params *params = node->params;
    return pc_dtype_is_block(node->in[1]->dtype) && !params->transpose_b && !params->transpose_a && is_f32(node->in[0])
           && is_f32(node->out[0]) && is_f32(node->in[2]) && is_f32(node->in[3]) && node->in[1]->max.ndim == 2;
}

const pc_cpu_kernel pc_cpu_kernel_matmul_blocks_back = {
    .op = &pc_op_matmul, .run = run, .scratch = scratch, .supports = supports};
