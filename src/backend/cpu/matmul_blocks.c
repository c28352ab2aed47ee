/* Matrix products whose weight stays in blocks (Q8_0, Q4_K ...), read where the file lies: nothing is repacked.
 *
 *   few rows (decoding):  items = some rows of the weight; each block is widened in registers and multiplied at once
 *   many rows:            copy A into blocks of K, [block][row][K of a block]
 *                         items = rows of A x rows of the weight; for each block of K:
 *                             dequantise the weight's part into the thread's cache
 *                             for each tile:  partial sums (+)= A tile . weight tile
 *
 * Products are exact f32 whatever the node's compute says (ops/matmul.h); the order of a sum is that of
 * template/blocks.h, so a row has the same bits in any batch. Dot products of rows rather than panels, for a row of blocks
 * lies along K: panels would need a transpose at each block, or a second copy of the weights in memory.
 */
#include "ops/matmul.h"

#include "backend/cpu/node.h"
#include "base/block.h"

#include <string.h>

enum {
    K_BLOCK = 512,   /* numbers of K: a tile of either factor is 6 to 8 KiB */
    ROW_BLOCK = 64,  /* rows of A in an item */
    ROW_GROUP = 8,   /* of them that stay in an L1 cache while the weight's block goes past */
    COLUMNS = 48,    /* rows of the weight in an item: dequantised 96 KiB, the partial sums likewise */
};

typedef struct product {
    const pc_cpu_block_rows *functions;
    int type; /* index of the functions for it */
    pc_dtype dtype;
    int64_t m, n, k;
    const float *a;
    const char *b;
    int64_t b_bytes; /* of a row */
    float *c;
    bool accumulate;
    const float *bias, *residual;
    int64_t row_items;

    float *blocks; /* scratch: A, [blocks of K][M][K_BLOCK] */
    char *of_thread;
    size_t thread_bytes;
} product;

static size_t partial_floats(const product *p) { return (size_t)(ROW_BLOCK * COLUMNS * p->functions->lanes); }

static void place_scratch(product *p, void *base, size_t *at, int threads)
{
    const int64_t k = (p->k + K_BLOCK - 1) / K_BLOCK * K_BLOCK;
    p->thread_bytes = (partial_floats(p) + COLUMNS * K_BLOCK + ROW_BLOCK * COLUMNS) * sizeof(float);
    p->blocks = pc_cpu_carve(base, at, (size_t)(p->m * k) * sizeof(float));
    p->of_thread = pc_cpu_carve(base, at, p->thread_bytes * (size_t)threads);
}

/* What follows the sums of columns [column, column + count) of a row. */
static void finish(const product *p, int64_t row, int64_t column, int64_t count, const float *sums)
{
    float *c = p->c + row * p->n + column;
    for (int64_t i = 0; i < count; i++) {
        float value = p->accumulate ? c[i] + sums[i] : sums[i];
        value += p->bias ? p->bias[column + i] : 0;
        c[i] = value + (p->residual ? p->residual[row * p->n + column + i] : 0);
    }
}

static void few_rows_item(void *context, int64_t item, int thread)
{
    const product *p = context;
    const int64_t column = item * COLUMNS, count = pc_least(COLUMNS, p->n - column);
    float *sums = (float *)(p->of_thread + (size_t)thread * p->thread_bytes);
    p->functions->dot[p->type](&(pc_cpu_dots){.a = p->a, .lda = p->k, .b = p->b + column * p->b_bytes, .b_bytes = p->b_bytes,
                                              .out = sums, .ldo = COLUMNS, .k = p->k, .rows = (int)p->m, .columns = (int)count});
    for (int64_t row = 0; row < p->m; row++) {
        finish(p, row, column, count, sums + row * COLUMNS);
    }
}

static void copy_row(void *context, int64_t row, int thread)
{
    const product *p = context;
    (void)thread;
    for (int64_t k = 0; k < p->k; k += K_BLOCK) {
        memcpy(p->blocks + k * p->m + row * K_BLOCK, p->a + row * p->k + k,
               (size_t)pc_least(K_BLOCK, p->k - k) * sizeof(float));
    }
}

/* Rows [column, column + count) of the weight in a block of K. */
static void dequantise(const product *p, float *to, int64_t column, int64_t count, int64_t k, int64_t numbers)
{
    const char *from = p->b + column * p->b_bytes
                       + k / (int64_t)pc_dtype_unit(p->dtype) * (int64_t)pc_dtype_size(p->dtype);
    for (int64_t c = 0; c < count; c++, from += p->b_bytes, to += K_BLOCK) {
        if (p->functions->read[p->type]) {
            p->functions->read[p->type](to, from, numbers);
        } else {
            pc_block_dequantise(p->dtype, to, from, (size_t)numbers);
        }
    }
}

/* All tiles of an item in one block of K. */
static void multiply_block(const product *p, pc_cpu_inner tile, float *partial, float *sums, int64_t rows, int64_t columns)
{
    const float *a = tile.a, *b = tile.b;
    const bool ends = tile.out;
    for (int64_t group = 0; group < rows; group += ROW_GROUP) {
        for (int64_t c = 0; c < columns; c += p->functions->inner_columns) {
            for (int64_t r = group; r < pc_least(group + ROW_GROUP, rows); r += p->functions->inner_rows) {
                tile.a = a + r * K_BLOCK;
                tile.b = b + c * K_BLOCK;
                tile.partial = partial + (r * COLUMNS + c) * p->functions->lanes;
                tile.out = ends ? sums + r * COLUMNS + c : NULL;
                tile.rows = (int)pc_least(p->functions->inner_rows, rows - r);
                tile.columns = (int)pc_least(p->functions->inner_columns, columns - c);
                p->functions->inner(&tile);
            }
        }
    }
}

static void block_item(void *context, int64_t item, int thread)
{
    const product *p = context;
    const int64_t row = item % p->row_items * ROW_BLOCK, rows = pc_least(ROW_BLOCK, p->m - row);
    const int64_t column = item / p->row_items * COLUMNS, columns = pc_least(COLUMNS, p->n - column);
    float *partial = (float *)(p->of_thread + (size_t)thread * p->thread_bytes);
    float *weight = partial + partial_floats(p), *sums = weight + COLUMNS * K_BLOCK;
    for (int64_t k = 0; k < p->k; k += K_BLOCK) {
        const int64_t numbers = pc_least(K_BLOCK, p->k - k);
        dequantise(p, weight, column, columns, k, numbers);
        const pc_cpu_inner tile = {
            .a = p->blocks + k * p->m + row * K_BLOCK,
            .b = weight,
            .out = k + numbers == p->k ? sums : NULL,
            .lda = K_BLOCK,
            .ldb = K_BLOCK,
            .ldp = COLUMNS,
            .ldo = COLUMNS,
            .k = numbers,
            .load = k > 0,
        };
        multiply_block(p, tile, partial, sums, rows, columns);
    }
    for (int64_t r = 0; r < rows; r++) {
        finish(p, row + r, column, columns, sums + r * COLUMNS);
    }
}

static size_t scratch(const pc_node *node, const pc_cpu_level *level, int threads)
{
    product p = {.functions = level->blocks, .m = pc_shape_rows(&node->in[0]->max), .k = pc_shape_last(&node->in[0]->max)};
    size_t bytes = 0;
    place_scratch(&p, NULL, &bytes, threads);
    return bytes;
}

static void run(const pc_call *call, const pc_cpu_level *level)
{
    const pc_node *node = call->node;
    const pc_tensor *a = node->in[0], *b = node->in[1];
    size_t at = 0;
    product p = {
        .functions = level->blocks,
        .type = (int)b->dtype - PC_DTYPE_PLAIN,
        .dtype = b->dtype,
        .m = pc_shape_rows(&a->shape),
        .n = pc_shape_last(&node->out[0]->shape),
        .k = pc_shape_last(&a->shape),
        .a = pc_f32(a),
        .b = b->data,
        .c = pc_f32_mut(node->out[0]),
        .accumulate = node->accumulate,
        .bias = node->in[2] ? pc_f32(node->in[2]) : NULL,
        .residual = node->in[3] ? pc_f32(node->in[3]) : NULL,
    };
    p.b_bytes = p.k / (int64_t)pc_dtype_unit(p.dtype) * (int64_t)pc_dtype_size(p.dtype);
    if (p.m == 0 || p.n == 0) {
        return;
    }
    place_scratch(&p, call->scratch, &at, pc_pool_threads(call->pool));
    const int64_t column_items = pc_ceil_div(p.n, COLUMNS);
    if (p.m <= p.functions->dot_rows && p.functions->dot[p.type]) {
        pc_pool_run(call->pool, column_items, few_rows_item, &p);
    } else {
        p.row_items = pc_ceil_div(p.m, ROW_BLOCK);
        pc_pool_run(call->pool, p.m, copy_row, &p);
        pc_pool_run(call->pool, p.row_items * column_items, block_item, &p);
    }
}

static bool is_f32(const pc_tensor *x) { return !x || x->dtype == PC_F32; }

/* Without a sum there is nothing to do here: the reference serves K = 0. */
static bool supports(const pc_node *node)
{
    const pc_matmul_params *params = node->params;
    return pc_dtype_is_block(node->in[1]->dtype) && params->transpose_b && !params->transpose_a && is_f32(node->in[0])
           && is_f32(node->out[0]) && is_f32(node->in[2]) && is_f32(node->in[3]) && pc_shape_last(&node->in[0]->max) > 0;
}

const pc_cpu_kernel pc_cpu_kernel_matmul_blocks = {
    .op = &pc_op_matmul, .run = run, .scratch = scratch, .supports = supports};
