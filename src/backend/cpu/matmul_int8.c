/* Matrix products in 8 bits whose weight stays in blocks (Q8_0, Q4_K ...), read where the file lies.
 *
 *   round A to 8 bits by all threads, once: [blocks of K][tiles of rows]
 *   items = some panels of the weight (x some tiles of rows); for each block of K:
 *       for each panel:  unpack its codes into the thread's cache
 *           for each tile of rows:  C tile (+)= rounded rows . panel
 *
 *   few rows (decoding):  items = rows of the weight, whose blocks are used as they come
 *
 * Products of codes are exact, groups of the type follow in order (kernels.h): a row has the same bits in any batch, on any
 * number of threads. A panel's block (18 KiB) stays in an L1 cache, a block of A (700 KiB of 1000 rows) in an L2 cache.
 */
#include "ops/matmul.h"

#include "backend/cpu/node.h"
#include "base/block.h"

enum {
    K_BLOCK = 512,    /* numbers of K; a multiple of PC_BLOCK_LARGE */
    ITEM_PANELS = 4,  /* most panels of an item: A is read once for all of them */
    ITEMS = 4,        /* aimed at for each thread */
    ROUND_TILES = 4,  /* tiles of rows in an item of rounding */
    DOT_COLUMNS = 32, /* few rows: what items' rows of the weight are a multiple of */
    DOT_STRIPS = 16,  /* and so many of them at most */
};

typedef struct product {
    const pc_cpu_int8 *functions;
    const pc_cpu_int8_type *type;
    int64_t unit, unit_bytes; /* of blocks */
    int64_t m, n, k;
    const float *a;
    const char *b;
    int64_t b_bytes; /* of a row */
    float *c;
    bool accumulate;
    const float *bias, *residual;

    int64_t dot_columns; /* an item of few rows */
    int64_t tile_rows, tiles, panels;
    int64_t item_tiles, item_panels, row_items; /* an item */
    char *rounded;
    char *of_thread; /* scratch: thread i's panel begins at i * panel_bytes */
    size_t panel_bytes;
} product;

/* Of a rounded row whose codes have `code_bytes`. */
static int64_t group_bytes_of_row(const product *p, int code_bytes)
{
    return p->type->group * code_bytes + 3 * (int64_t)sizeof(float);
}

static void place_scratch(product *p, void *base, size_t *at, int threads)
{
    const int64_t groups = pc_ceil_div(p->k, p->type->group);
    const int64_t group_bytes = p->functions->cols * (p->type->group * p->type->code_bytes + 2 * (int64_t)sizeof(float));
    p->panel_bytes = (size_t)pc_round_up(K_BLOCK / p->type->group * group_bytes, PC_CPU_ALIGN);
    p->rounded = pc_cpu_carve(base, at, (size_t)(p->m * groups * group_bytes_of_row(p, p->type->code_bytes)));
    p->of_thread = pc_cpu_carve(base, at, p->panel_bytes * (size_t)threads);
}

static int64_t rows_of_tile(const product *p, int64_t tile) { return pc_least(p->tile_rows, p->m - tile * p->tile_rows); }

/* The rounded rows of a tile in the block of K from k on. */
static char *rounded_tile(const product *p, int64_t tile, int64_t k)
{
    const int64_t groups = pc_least(K_BLOCK, p->k - k) / p->type->group;
    return p->rounded + (k / p->type->group * p->m + tile * p->tile_rows * groups) * group_bytes_of_row(p, p->type->code_bytes);
}

static void round_item(void *context, int64_t item, int thread)
{
    const product *p = context;
    (void)thread;
    for (int64_t tile = item * ROUND_TILES; tile < pc_least(p->tiles, (item + 1) * ROUND_TILES); tile++) {
        for (int64_t k = 0; k < p->k; k += K_BLOCK) {
            const pc_cpu_rounding rows = {
                .x = p->a + tile * p->tile_rows * p->k + k,
                .ldx = p->k,
                .count = pc_least(K_BLOCK, p->k - k),
                .rows = (int)rows_of_tile(p, tile),
                .group = p->type->group,
                .offset = p->type->offset,
                .code_bytes = p->type->code_bytes,
            };
            p->functions->round(rounded_tile(p, tile, k), &rows);
        }
    }
}

/* Tiles [from, to) of rows with a panel in the block of K from k on. */
static void multiply_panel(const product *p, int64_t panel, int64_t from, int64_t to, int64_t k, char *unpacked)
{
    const int64_t count = pc_least(K_BLOCK, p->k - k), column = panel * p->functions->cols;
    const bool ends = k + count == p->k;
    pc_cpu_tile tile = {
        .b = unpacked,
        .ldc = p->n,
        .ldr = p->n,
        .k = count / p->type->group,
        .cols = (int)pc_least(p->functions->cols, p->n - column),
        .load = p->accumulate || k > 0,
        .bias = ends && p->bias ? p->bias + column : NULL,
    };
    p->type->panel(unpacked, p->b + column * p->b_bytes + k / p->unit * p->unit_bytes, p->b_bytes, tile.cols, count);
    for (int64_t i = from; i < to; i++) {
        const int64_t at = i * p->tile_rows * p->n + column;
        tile.a = rounded_tile(p, i, k);
        tile.rows = (int)rows_of_tile(p, i);
        tile.c = p->c + at;
        tile.residual = ends && p->residual ? p->residual + at : NULL;
        p->type->tile(&tile);
    }
}

static void block_item(void *context, int64_t item, int thread)
{
    const product *p = context;
    const int64_t from = item % p->row_items * p->item_tiles, to = pc_least(from + p->item_tiles, p->tiles);
    const int64_t first = item / p->row_items * p->item_panels, last = pc_least(first + p->item_panels, p->panels);
    for (int64_t k = 0; k < p->k; k += K_BLOCK) {
        for (int64_t panel = first; panel < last; panel++) {
            multiply_panel(p, panel, from, to, k, p->of_thread + (size_t)thread * p->panel_bytes);
        }
    }
}

/* --- few rows --- */

static void dot_item(void *context, int64_t item, int thread)
{
    const product *p = context;
    const int64_t column = item * p->dot_columns;
    (void)thread;
    p->type->dot(&(pc_cpu_tile){
        .a = p->rounded,
        .b = p->b + column * p->b_bytes,
        .c = p->c + column,
        .lda = p->k / p->type->group * group_bytes_of_row(p, 1),
        .ldb = p->b_bytes,
        .ldc = p->n,
        .k = p->k,
        .rows = (int)p->m,
        .cols = (int)pc_least(p->dot_columns, p->n - column),
        .load = p->accumulate,
        .bias = p->bias ? p->bias + column : NULL,
        .residual = p->residual ? p->residual + column : NULL,
        .ldr = p->n,
    });
}

static void run_few_rows(product *p, pc_pool *pool)
{
    const int64_t row_bytes = p->k / p->type->group * group_bytes_of_row(p, 1);
    const int64_t strips = pc_ceil_div(p->n, DOT_COLUMNS), wanted = (int64_t)ITEMS * pc_pool_threads(pool);
    for (int64_t row = 0; row < p->m; row++) {
        p->functions->round(p->rounded + row * row_bytes,
                            &(pc_cpu_rounding){.x = p->a + row * p->k, .ldx = p->k, .count = p->k, .rows = 1,
                                               .group = p->type->group, .offset = p->type->offset, .code_bytes = 1});
    }
    p->dot_columns = DOT_COLUMNS * pc_most(1, pc_least(strips / wanted, DOT_STRIPS));
    pc_pool_run(pool, pc_ceil_div(p->n, p->dot_columns), dot_item, p);
}

/* --- many rows --- */

/* Enough items for all threads; a cut through the rows unpacks the weight again, so that comes last. */
static int64_t cut_items(product *p, int threads)
{
    const int64_t wanted = threads > 1 ? (int64_t)ITEMS * threads : 1;
    p->item_panels = pc_most(1, pc_least(ITEM_PANELS, p->panels / wanted));
    const int64_t column_items = pc_ceil_div(p->panels, p->item_panels);
    p->row_items = pc_most(1, pc_least(pc_ceil_div(wanted, column_items), p->tiles / 16));
    p->item_tiles = pc_ceil_div(p->tiles, p->row_items);
    p->row_items = pc_ceil_div(p->tiles, p->item_tiles);
    return column_items * p->row_items;
}

static product product_of(const pc_node *node, const pc_cpu_level *level)
{
    const pc_dtype dtype = node->in[1]->dtype;
    return (product){
        .functions = level->int8,
        .type = &level->int8->of[(int)dtype - PC_DTYPE_PLAIN],
        .unit = (int64_t)pc_dtype_unit(dtype),
        .unit_bytes = (int64_t)pc_dtype_size(dtype),
    };
}

static size_t scratch(const pc_node *node, const pc_cpu_level *level, int threads)
{
    product p = product_of(node, level);
    size_t bytes = 0;
    p.m = pc_shape_rows(&node->in[0]->max);
    p.k = pc_shape_last(&node->in[0]->max);
    place_scratch(&p, NULL, &bytes, threads);
    return bytes;
}

static void run(const pc_call *call, const pc_cpu_level *level)
{
    const pc_node *node = call->node;
    const pc_tensor *a = node->in[0];
    const int threads = pc_pool_threads(call->pool);
    product p = product_of(node, level);
    size_t at = 0;
    p.m = pc_shape_rows(&a->shape);
    p.n = pc_shape_last(&node->out[0]->shape);
    p.k = pc_shape_last(&a->shape);
    p.a = pc_f32(a);
    p.b = node->in[1]->data;
    p.b_bytes = p.k / p.unit * p.unit_bytes;
    p.c = pc_f32_mut(node->out[0]);
    p.accumulate = node->accumulate;
    p.bias = node->in[2] ? pc_f32(node->in[2]) : NULL;
    p.residual = node->in[3] ? pc_f32(node->in[3]) : NULL;
    if (p.m == 0 || p.n == 0) {
        return;
    }
    place_scratch(&p, call->scratch, &at, threads);
    if (p.m <= p.functions->dot_rows) {
        run_few_rows(&p, call->pool);
        return;
    }
    p.tile_rows = pc_ceil_div(p.m, pc_ceil_div(p.m, p.functions->rows));
    p.tiles = pc_ceil_div(p.m, p.tile_rows);
    p.panels = pc_ceil_div(p.n, p.functions->cols);
    pc_pool_run(call->pool, pc_ceil_div(p.tiles, ROUND_TILES), round_item, &p);
    pc_pool_run(call->pool, cut_items(&p, threads), block_item, &p);
}

static bool is_f32(const pc_tensor *x) { return !x || x->dtype == PC_F32; }

/* Without a sum there is nothing to do here: the reference serves K = 0. */
static bool supports(const pc_node *node)
{
    return pc_matmul_in_eight_bits(node) && is_f32(node->in[0]) && is_f32(node->out[0]) && is_f32(node->in[2])
           && is_f32(node->in[3]) && pc_shape_last(&node->in[0]->max) > 0;
}

const pc_cpu_kernel pc_cpu_kernel_matmul_int8 = {.op = &pc_op_matmul, .run = run, .scratch = scratch, .supports = supports};
