/* Matrix products.
 *
 *   B is packed into panels of gemm->cols columns, [units of K][cols], once and by all threads (unless the parameter
 *   came packed); then items = blocks of C, each packing its own rows of A for a block of K:
 *
 *     for each block of K:  pack A [rows of the item][block]
 *         for each panel of B:  for each tile of rows:  C tile (+)= A panel x B panel
 *
 *   Few rows (decoding): items = panels, and a B that is not packed goes through the thread's cache panel by panel.
 *
 * The sum over K is one sequence of fused steps however it is cut: the tile starts at C's value, f32 keeps it exactly.
 * Source of the blocking: Goto & van de Geijn 2008.
 */
#include "ops/matmul.h"

#include "backend/cpu/node.h"

#include <string.h>

enum {
    BLOCK_UNITS = 384,           /* units of K in a block */
    BLOCK_TILES = 8,             /* most tiles of rows in an item: A is 192 KiB then, a part of an L2 cache */
    PANEL_UNITS = 4 * 1024 * 1024, /* units of B packed at a time */
    PACK_UNITS = 32,             /* units of K of a transposed A that are packed before the next tile has its turn */
    TIGHT_ROWS = 4,              /* up to here A is packed without padding, for reading speed */
};

typedef struct product {
    const pc_cpu_gemm *gemm;
    int64_t m, n, k;
    int64_t units;    /* of K */
    pc_cpu_matrix a, b; /* rows: M and N */
    float *c;
    bool accumulate;
    const float *bias, *residual;
    const float *packed; /* whole B, from the parameter, or NULL */

    float *panels;      /* scratch: a chunk of B, or all of A when there are few rows */
    float *of_thread;   /* scratch: thread i's part begins at i * thread_floats */
    int64_t thread_floats;

    /* The chunk of columns at work, and how items cut it. */
    int64_t first_panel, chunk_panels; /* of B */
    int64_t tile_rows, item_tiles;     /* even heights: rows of a tile; tiles in an item */
    int64_t row_items, column_items, item_panels;
    int64_t a_stride; /* few rows: units between steps of K in packed A */
} product;

static const pc_cpu_gemm *gemm_of(const pc_node *node, const pc_cpu_level *level)
{
    return ((const pc_matmul_params *)node->params)->compute == PC_BF16 ? level->bf16 : level->f32;
}

static void dims_of(const pc_shape *a, const pc_shape *b, bool transpose_a, product *p)
{
    p->m = transpose_a ? pc_shape_last(a) : pc_shape_rows(a);
    p->k = transpose_a ? pc_shape_rows(a) : pc_shape_last(a);
    p->n = p->k > 0 ? pc_shape_count(b) / p->k : 0;
    p->units = pc_ceil_div(p->k, p->gemm->unit);
}

static bool few_rows(const product *p) { return p->m <= p->gemm->rows; }

static int64_t panel_count(const product *p) { return pc_ceil_div(p->n, p->gemm->cols); }

/* Panels of B that are packed at a time. */
static int64_t panels_at_once(const product *p)
{
    const int64_t panel = p->gemm->cols * pc_most(p->units, 1);
    return pc_least(panel_count(p), pc_most(PANEL_UNITS / panel, 1));
}

/* --- few rows --- */

static void pack_few_rows(product *p)
{
    const int64_t lanes = pc_round_up(p->m, p->gemm->lanes);
    float *to = p->panels;
    p->gemm->pack(to, lanes, &p->a, p->m, p->k);
    p->a_stride = lanes;
    if (p->m <= TIGHT_ROWS) {
        for (int64_t u = 0; u < p->units; u++) {
            memmove(to + u * p->m, to + u * lanes, (size_t)p->m * sizeof *to);
        }
        p->a_stride = p->m;
    }
}

static pc_cpu_tile tile_at(const product *p, int64_t row, int64_t rows, int64_t column)
{
    const int64_t at = row * p->n + column;
    return (pc_cpu_tile){
        .c = p->c + at,
        .ldb = p->gemm->cols,
        .ldc = p->n,
        .rows = (int)rows,
        .cols = (int)pc_least(p->gemm->cols, p->n - column),
        .load = p->accumulate,
        .bias = p->bias ? p->bias + column : NULL,
        .residual = p->residual ? p->residual + at : NULL,
        .ldr = p->n,
    };
}

static void few_rows_item(void *context, int64_t panel, int thread)
{
    const product *p = context;
    const pc_cpu_gemm *gemm = p->gemm;
    const int64_t column = panel * gemm->cols;
    pc_cpu_tile tile = tile_at(p, 0, p->m, column);
    tile.a = p->panels;
    tile.lda = p->a_stride;
    if (p->packed) {
        tile.b = p->packed + panel * gemm->cols * p->units;
        tile.k = p->units;
        gemm->tile(&tile);
        return;
    }
    float *piece = p->of_thread + thread * p->thread_floats;
    const float *bias = tile.bias, *residual = tile.residual;
    for (int64_t u = 0; u == 0 || u < p->units; u += BLOCK_UNITS) {
        const int64_t units = pc_least(BLOCK_UNITS, p->units - u);
        const bool ends = u + units >= p->units;
        pc_cpu_matrix b = p->b;
        b.data = (const char *)b.data + pc_dtype_size(b.dtype)
                 * (size_t)(column * b.row_stride + u * gemm->unit * b.k_stride);
        gemm->pack(piece, gemm->cols, &b, tile.cols, pc_least(units * gemm->unit, p->k - u * gemm->unit));
        tile.a = p->panels + u * p->a_stride;
        tile.b = piece;
        tile.k = units;
        tile.bias = ends ? bias : NULL;
        tile.residual = ends ? residual : NULL;
        gemm->tile(&tile);
        tile.load = true;
    }
}

/* --- many rows --- */

static void pack_panel_item(void *context, int64_t item, int thread)
{
    const product *p = context;
    const pc_cpu_gemm *gemm = p->gemm;
    const int64_t column = (p->first_panel + item) * gemm->cols;
    pc_cpu_matrix b = p->b;
    (void)thread;
    b.data = (const char *)b.data + pc_dtype_size(b.dtype) * (size_t)(column * b.row_stride);
    gemm->pack(p->panels + item * gemm->cols * p->units, gemm->cols, &b, pc_least(gemm->cols, p->n - column), p->k);
}

/* The rows [row, row + rows) of A in a block of K, as panels of one tile each. Rows that lie side by side (A transposed)
 * are taken a few steps of K at a time, so that memory is read in pieces as long as the item is high. */
static void pack_rows(const product *p, float *to, int64_t row, int64_t rows, int64_t u, int64_t units)
{
    const pc_cpu_gemm *gemm = p->gemm;
    const int64_t lanes = pc_round_up(gemm->rows, gemm->lanes);
    const int64_t step = p->a.row_stride == 1 ? PACK_UNITS : units;
    const int64_t end = pc_least((u + units) * gemm->unit, p->k);
    for (int64_t done = 0; done < units; done += step) {
        const int64_t k = (u + done) * gemm->unit;
        for (int64_t r = 0; r < rows; r += p->tile_rows) {
            pc_cpu_matrix a = p->a;
            a.data = (const char *)a.data + pc_dtype_size(a.dtype) * (size_t)((row + r) * a.row_stride + k * a.k_stride);
            gemm->pack(to + lanes * (r / p->tile_rows * units + done), lanes, &a, pc_least(p->tile_rows, rows - r),
                       pc_least(step * gemm->unit, end - k));
        }
    }
}

static void block_item(void *context, int64_t item, int thread)
{
    const product *p = context;
    const pc_cpu_gemm *gemm = p->gemm;
    const int64_t lanes = pc_round_up(gemm->rows, gemm->lanes);
    const int64_t block_rows = p->tile_rows * p->item_tiles;
    const int64_t row = item % p->row_items * block_rows;
    const int64_t rows = pc_least(block_rows, p->m - row);
    const int64_t from = item / p->row_items * p->item_panels;
    const int64_t to = pc_least(from + p->item_panels, p->chunk_panels);
    const float *panels = p->packed ? p->packed + p->first_panel * gemm->cols * p->units : p->panels;
    float *a = p->of_thread + thread * p->thread_floats;
    for (int64_t u = 0; u == 0 || u < p->units; u += BLOCK_UNITS) {
        const int64_t units = pc_least(BLOCK_UNITS, p->units - u);
        const bool ends = u + units >= p->units;
        pack_rows(p, a, row, rows, u, units);
        for (int64_t panel = from; panel < to; panel++) {
            const float *b = panels + (panel * p->units + u) * gemm->cols;
            for (int64_t r = 0; r < rows; r += p->tile_rows) {
                pc_cpu_tile tile = tile_at(p, row + r, pc_least(p->tile_rows, rows - r),
                                           (p->first_panel + panel) * gemm->cols);
                tile.a = a + r / p->tile_rows * lanes * units;
                tile.lda = lanes;
                tile.b = b;
                tile.k = units;
                tile.load = u > 0 || p->accumulate;
                tile.bias = ends ? tile.bias : NULL;
                tile.residual = ends ? tile.residual : NULL;
                gemm->tile(&tile);
            }
        }
    }
}

/* Enough items for all threads, few enough that packing A stays cheap. */
static void cut_items(product *p, int threads)
{
    const int64_t tiles = pc_ceil_div(p->m, p->gemm->rows);
    const int64_t wanted = threads > 1 ? 4 * threads : 1;
    p->tile_rows = pc_ceil_div(p->m, tiles);
    p->item_tiles = pc_most(1, pc_least(BLOCK_TILES, tiles / wanted));
    p->row_items = pc_ceil_div(tiles, p->item_tiles);
    p->column_items = pc_most(1, pc_least(pc_ceil_div(wanted, p->row_items), p->chunk_panels / 4));
    p->item_panels = pc_ceil_div(p->chunk_panels, p->column_items);
    p->column_items = pc_ceil_div(p->chunk_panels, p->item_panels);
}

static void run_many_rows(product *p, pc_pool *pool)
{
    const int64_t panels = panel_count(p);
    const int64_t at_once = p->packed ? panels : panels_at_once(p);
    for (p->first_panel = 0; p->first_panel < panels; p->first_panel += at_once) {
        p->chunk_panels = pc_least(at_once, panels - p->first_panel);
        if (!p->packed) {
            pc_pool_run(pool, p->chunk_panels, pack_panel_item, p);
        }
        cut_items(p, pc_pool_threads(pool));
        pc_pool_run(pool, p->row_items * p->column_items, block_item, p);
    }
}

/* --- the node --- */

static void place_scratch(product *p, void *base, size_t *at, int threads)
{
    const pc_cpu_gemm *gemm = p->gemm;
    const int64_t lanes = pc_round_up(gemm->rows, gemm->lanes);
    const int64_t few = lanes * p->units;
    const int64_t panel = gemm->cols * p->units;
    const int64_t many = pc_least(panel_count(p) * panel, pc_most(PANEL_UNITS, panel));
    p->thread_floats = BLOCK_UNITS * pc_most(BLOCK_TILES * lanes, gemm->cols);
    p->panels = pc_cpu_carve(base, at, (size_t)pc_most(few, many) * sizeof(float));
    p->of_thread = pc_cpu_carve(base, at, (size_t)(p->thread_floats * threads) * sizeof(float));
}

static size_t scratch(const pc_node *node, const pc_cpu_level *level, int threads)
{
    const pc_matmul_params *params = node->params;
    product p = {.gemm = gemm_of(node, level)};
    size_t bytes = 0;
    dims_of(&node->in[0]->max, &node->in[1]->max, params->transpose_a, &p);
    place_scratch(&p, NULL, &bytes, threads);
    return bytes;
}

static const float *packed_panels(const pc_node *node, const product *p)
{
    const pc_matmul_params *params = node->params;
    const pc_tensor *b = node->in[1];
    const pc_cpu_packed *packed = b->param && !b->is_gradient ? b->param->packed : NULL;
    const bool fits = packed && params->transpose_b && packed->gemm == p->gemm && packed->n == p->n && packed->k == p->k;
    return fits ? packed->panels : NULL;
}

/* K = 0: the sum is empty. */
static void run_empty(const product *p)
{
    for (int64_t i = 0; i < p->m * p->n; i++) {
        p->c[i] = (p->accumulate ? p->c[i] : 0) + (p->bias ? p->bias[i % p->n] : 0) + (p->residual ? p->residual[i] : 0);
    }
}

static void run(const pc_call *call, const pc_cpu_level *level)
{
    const pc_node *node = call->node;
    const pc_matmul_params *params = node->params;
    const pc_tensor *a = node->in[0], *b = node->in[1];
    product p = {.gemm = gemm_of(node, level), .c = pc_f32_mut(node->out[0]), .accumulate = node->accumulate};
    size_t at = 0;
    dims_of(&a->shape, &b->shape, params->transpose_a, &p);
    p.n = pc_shape_last(&node->out[0]->shape);
    p.a = (pc_cpu_matrix){a->data, a->dtype, params->transpose_a ? 1 : p.k, params->transpose_a ? p.m : 1};
    p.b = (pc_cpu_matrix){b->data, b->dtype, params->transpose_b ? p.k : 1, params->transpose_b ? 1 : p.n};
    p.bias = node->in[2] ? pc_f32(node->in[2]) : NULL;
    p.residual = node->in[3] ? pc_f32(node->in[3]) : NULL;
    if (p.m == 0 || p.n == 0) {
        return;
    }
    if (p.k == 0) {
        run_empty(&p);
        return;
    }
    place_scratch(&p, call->scratch, &at, pc_pool_threads(call->pool));
    p.packed = packed_panels(node, &p);
    if (few_rows(&p)) {
        pack_few_rows(&p);
        pc_pool_run(call->pool, panel_count(&p), few_rows_item, &p);
    } else {
        run_many_rows(&p, call->pool);
    }
}

static bool is_factor(const pc_tensor *x) { return x->dtype == PC_F32 || x->dtype == PC_BF16 || x->dtype == PC_F16; }

static bool supports(const pc_node *node)
{
    const pc_dtype compute = ((const pc_matmul_params *)node->params)->compute;
    return (compute == PC_F32 || compute == PC_BF16) && is_factor(node->in[0]) && is_factor(node->in[1])
           && node->out[0]->dtype == PC_F32 && (!node->in[2] || node->in[2]->dtype == PC_F32)
           && (!node->in[3] || node->in[3]->dtype == PC_F32);
}

const pc_cpu_kernel pc_cpu_kernel_matmul = {.op = &pc_op_matmul, .run = run, .scratch = scratch, .supports = supports};
