/* Matrix products.
 *
 *   for each chunk of rows, of columns, and of K (one of each, unless the matrices are large; pc_cpu_blocks):
 *       pack B into panels of gemm->cols columns, [units of K][cols], by all threads (unless the parameter came packed);
 *       pack A likewise when it is transposed, for then its rows lie side by side and are read best all at once
 *       items = blocks of C; for each block of K:
 *           pack A [rows of the item][block], unless that is done
 *           for each panel of B:  for each tile of rows:  C tile (+)= A panel x B panel
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
    PACK_UNITS = 32,                /* units of K in an item of packing across panels */
    TIGHT_ROWS = 4,                 /* up to here A is packed without padding, for reading speed */
};

typedef struct product {
    const pc_cpu_gemm *gemm;
    int64_t m, n, k;
    int64_t units;      /* of K */
    int64_t lanes;      /* width of a panel of A */
    pc_cpu_matrix a, b; /* rows: M and N */
    bool transpose_a;
    float *c;
    bool accumulate;
    const float *bias, *residual;
    const float *packed; /* whole B, from the parameter, or NULL */

    float *panels;      /* scratch: a chunk of B, or all of A when there are few rows */
    float *a_panels;    /* scratch: a chunk of A when it is transposed */
    float *of_thread;   /* scratch: thread i's part begins at i * thread_floats */
    int64_t thread_floats;

    /* The chunk at work. */
    int64_t first_row, chunk_rows;     /* of C */
    int64_t first_panel, chunk_panels; /* of B */
    int64_t first_unit, chunk_units;   /* of K */
    /* How items cut it. */
    int64_t tile_rows, item_tiles; /* even heights: rows of a tile; tiles in an item */
    int64_t row_items, item_panels;
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
    p->lanes = pc_round_up(p->gemm->rows, p->gemm->lanes);
    p->transpose_a = transpose_a;
}

static bool few_rows(const product *p) { return p->m <= p->gemm->rows; }

static int64_t panel_count(const product *p) { return pc_ceil_div(p->n, p->gemm->cols); }

static int64_t most_units(const product *p)
{
    return pc_least(p->units, p->transpose_a ? p->gemm->blocks->across_units : p->gemm->blocks->chunk_units);
}

/* Panels of a factor that are packed at a time. */
static int64_t panels_at_once(const product *p, int64_t width, int64_t units)
{
    return pc_most(p->gemm->blocks->panel_units / (width * pc_most(units, 1)), 1);
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
    const int64_t block = gemm->blocks->units;
    for (int64_t u = 0; u == 0 || u < p->units; u += block) {
        const int64_t units = pc_least(block, p->units - u);
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

/* The part of a factor that begins at a row and a unit of K. */
static pc_cpu_matrix part_of(const product *p, const pc_cpu_matrix *source, int64_t row, int64_t unit)
{
    pc_cpu_matrix part = *source;
    part.data = (const char *)part.data
                + pc_dtype_size(part.dtype) * (size_t)(row * part.row_stride + unit * p->gemm->unit * part.k_stride);
    return part;
}

/* Numbers of K in `units` units from `unit` on. */
static int64_t numbers(const product *p, int64_t unit, int64_t units)
{
    return pc_least(units * p->gemm->unit, p->k - unit * p->gemm->unit);
}

/* One panel of B whose rows are contiguous along K. */
static void pack_b_panel(void *context, int64_t item, int thread)
{
    const product *p = context;
    const int64_t cols = p->gemm->cols, column = (p->first_panel + item) * cols;
    const pc_cpu_matrix part = part_of(p, &p->b, column, p->first_unit);
    (void)thread;
    p->gemm->pack(p->panels + item * cols * p->chunk_units, cols, &part, pc_least(cols, p->n - column),
                  numbers(p, p->first_unit, p->chunk_units));
}

/* Some steps of K of a whole chunk of B, or of A, whose rows lie side by side. */
static void pack_steps(const product *p, const pc_cpu_matrix *source, int64_t row, int64_t rows, int64_t item, float *to,
                       int64_t height, int64_t width)
{
    const int64_t done = item * PACK_UNITS, units = pc_least(PACK_UNITS, p->chunk_units - done);
    const pc_cpu_matrix part = part_of(p, source, row, p->first_unit + done);
    p->gemm->pack_across(to + done * width, &(pc_cpu_panels){height, width, width * p->chunk_units}, &part, rows,
                         numbers(p, p->first_unit + done, units));
}

static void pack_b_steps(void *context, int64_t item, int thread)
{
    const product *p = context;
    const int64_t cols = p->gemm->cols, column = p->first_panel * cols;
    (void)thread;
    pack_steps(p, &p->b, column, pc_least(p->chunk_panels * cols, p->n - column), item, p->panels, cols, cols);
}

static void pack_a_steps(void *context, int64_t item, int thread)
{
    const product *p = context;
    (void)thread;
    pack_steps(p, &p->a, p->first_row, p->chunk_rows, item, p->a_panels, p->tile_rows, p->lanes);
}

/* The panels of A for an item's rows [row, row + rows) of the chunk, in `units` units of K from `unit` of the chunk on;
 * panels are *stride units apart. */
static const float *rows_of_item(const product *p, float *to, int64_t row, int64_t rows, int64_t unit, int64_t units,
                                 int64_t *stride)
{
    if (p->transpose_a) {
        *stride = p->lanes * p->chunk_units;
        return p->a_panels + row / p->tile_rows * *stride + unit * p->lanes;
    }
    *stride = p->lanes * units;
    for (int64_t r = 0; r < rows; r += p->tile_rows) {
        const pc_cpu_matrix part = part_of(p, &p->a, p->first_row + row + r, p->first_unit + unit);
        p->gemm->pack(to + r / p->tile_rows * *stride, p->lanes, &part, pc_least(p->tile_rows, rows - r),
                      numbers(p, p->first_unit + unit, units));
    }
    return to;
}

/* Ask for bytes [from, to) of the next panel of B, into the L2 cache. */
static void ask_for_panel(const char *data, int64_t from, int64_t to)
{
    for (int64_t i = from & -(int64_t)PC_CPU_ALIGN; i < to; i += PC_CPU_ALIGN) {
        __builtin_prefetch(data + i, 0, 2);
    }
}

/* Ask for the lines of C that the next tile writes. */
static void ask_for_tile(const pc_cpu_tile *tile)
{
    for (int r = 0; r < tile->rows; r++) {
        for (int column = 0; column < tile->cols; column += PC_CPU_ALIGN / (int)sizeof(float)) {
            __builtin_prefetch(tile->c + r * tile->ldc + column, 1);
        }
    }
}

/* All tiles of an item in one block of K. */
static void multiply_block(const product *p, const float *a, int64_t a_stride, int64_t row, int64_t rows, int64_t from,
                           int64_t to, int64_t unit, int64_t units)
{
    const pc_cpu_gemm *gemm = p->gemm;
    const bool ends = p->first_unit + unit + units >= p->units;
    const int64_t panel_units = p->packed ? p->units : p->chunk_units;
    const float *b = p->packed ? p->packed + (p->first_panel * p->units + p->first_unit) * gemm->cols : p->panels;
    for (int64_t panel = from; panel < to; panel++) {
        pc_cpu_tile tile = tile_at(p, p->first_row + row, p->tile_rows, (p->first_panel + panel) * gemm->cols);
        tile.a = a;
        tile.lda = p->lanes;
        tile.b = b + (panel * panel_units + unit) * gemm->cols;
        tile.k = units;
        tile.load = p->accumulate || p->first_unit + unit > 0;
        if (!ends) {
            tile.bias = tile.residual = NULL;
        }
        const int64_t bytes = panel + 1 < to ? units * gemm->cols * (int64_t)sizeof(float) : 0;
        const char *next = (const char *)((const float *)tile.b + panel_units * gemm->cols);
        for (int64_t r = 0; r < rows; r += p->tile_rows) {
            tile.rows = (int)pc_least(p->tile_rows, rows - r);
            ask_for_panel(next, bytes * r / rows, bytes * pc_least(r + p->tile_rows, rows) / rows);
            ask_for_tile(&(pc_cpu_tile){.c = tile.c + p->tile_rows * p->n, .ldc = p->n, .cols = tile.cols,
                                        .rows = (int)pc_least(p->tile_rows, rows - r - p->tile_rows)});
            gemm->tile(&tile);
            tile.a = (const float *)tile.a + a_stride;
            tile.c += p->tile_rows * p->n;
            tile.residual += tile.residual ? p->tile_rows * p->n : 0;
        }
    }
}

static void block_item(void *context, int64_t item, int thread)
{
    const product *p = context;
    const int64_t block_rows = p->tile_rows * p->item_tiles;
    const int64_t row = item % p->row_items * block_rows;
    const int64_t rows = pc_least(block_rows, p->chunk_rows - row);
    const int64_t from = item / p->row_items * p->item_panels;
    const int64_t to = pc_least(from + p->item_panels, p->chunk_panels);
    const int64_t block = p->gemm->blocks->units;
    for (int64_t unit = 0; unit < p->chunk_units; unit += block) {
        const int64_t units = pc_least(block, p->chunk_units - unit);
        int64_t stride;
        const float *a = rows_of_item(p, p->of_thread + thread * p->thread_floats, row, rows, unit, units, &stride);
        multiply_block(p, a, stride, row, rows, from, to, unit, units);
    }
}

/* Enough items for all threads, few enough that packing A stays cheap. Returns their number. */
static int64_t cut_items(product *p, int threads)
{
    const int64_t tiles = pc_ceil_div(p->chunk_rows, p->tile_rows);
    const int64_t wanted = threads > 1 ? 4 * threads : 1;
    p->item_tiles = pc_most(1, pc_least(p->gemm->blocks->tiles, tiles / wanted));
    p->row_items = pc_ceil_div(tiles, p->item_tiles);
    const int64_t column_items = pc_most(1, pc_least(pc_ceil_div(wanted, p->row_items), p->chunk_panels / 4));
    p->item_panels = pc_ceil_div(p->chunk_panels, column_items);
    return p->row_items * pc_ceil_div(p->chunk_panels, p->item_panels);
}

static void run_chunk(product *p, pc_pool *pool)
{
    const int64_t steps = pc_ceil_div(p->chunk_units, PACK_UNITS);
    if (!p->packed) {
        const bool along_k = p->b.k_stride == 1;
        pc_pool_run(pool, along_k ? p->chunk_panels : steps, along_k ? pack_b_panel : pack_b_steps, p);
    }
    if (p->transpose_a) {
        pc_pool_run(pool, steps, pack_a_steps, p);
    }
    pc_pool_run(pool, cut_items(p, pc_pool_threads(pool)), block_item, p);
}

static void run_many_rows(product *p, pc_pool *pool)
{
    const int64_t units = most_units(p), panels = panel_count(p);
    const int64_t panels_most = p->packed && units == p->units ? panels : panels_at_once(p, p->gemm->cols, units);
    p->tile_rows = pc_ceil_div(p->m, pc_ceil_div(p->m, p->gemm->rows));
    const int64_t rows_most = p->transpose_a ? p->tile_rows * panels_at_once(p, p->lanes, units) : p->m;
    for (p->first_row = 0; p->first_row < p->m; p->first_row += rows_most) {
        p->chunk_rows = pc_least(rows_most, p->m - p->first_row);
        for (p->first_panel = 0; p->first_panel < panels; p->first_panel += panels_most) {
            p->chunk_panels = pc_least(panels_most, panels - p->first_panel);
            for (p->first_unit = 0; p->first_unit < p->units; p->first_unit += units) {
                p->chunk_units = pc_least(units, p->units - p->first_unit);
                run_chunk(p, pool);
            }
        }
    }
}

/* --- the node --- */

/* Room for `count` panels of `width` at planned dims, and so for any smaller ones. */
static size_t panel_bytes(const product *p, int64_t count, int64_t width)
{
    const int64_t units = pc_most(most_units(p), 1);
    const int64_t most = pc_most(p->gemm->blocks->panel_units, width * units);
    return (size_t)pc_least(count * width * units, most) * sizeof(float);
}

static void place_scratch(product *p, void *base, size_t *at, int threads)
{
    const size_t few = (size_t)(p->lanes * p->units) * sizeof(float);
    const size_t many = panel_bytes(p, panel_count(p), p->gemm->cols);
    const size_t of_a = p->transpose_a ? panel_bytes(p, pc_ceil_div(p->m, p->gemm->rows), p->lanes) : 0;
    p->thread_floats = p->gemm->blocks->units * pc_most(p->gemm->blocks->tiles * p->lanes, p->gemm->cols);
    p->panels = pc_cpu_carve(base, at, few > many ? few : many);
    p->a_panels = pc_cpu_carve(base, at, of_a);
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
