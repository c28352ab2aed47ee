/* The matrix product that the kernels of several operations share.
 *
 *   for each chunk of rows, of columns, and of K (one of each, unless the matrices are large; pc_cpu_cut):
 *       pack B into panels of gemm->cols columns, [units of K][cols], by all threads (unless the parameter came packed);
 *       pack A likewise when it is transposed, for then its rows lie side by side and are read best all at once
 *       items = blocks of C; for each block of K:
 *           pack A [rows of the item][block], unless that is done
 *           for each panel of B:  for each tile of rows:  C tile (+)= A panel x B panel
 *
 *   Few rows (decoding): items = panels, and a B that is not packed goes through the thread's cache panel by panel.
 *   Panels that were packed as pairs are read as they are by few rows, and widened block by block for many.
 *
 * The sum over K is one sequence of fused steps however it is cut: the tile starts at C's value, f32 keeps it exactly.
 * Source of the blocking: Goto & van de Geijn 2008.
 */
#include "backend/cpu/product.h"

#include <string.h>

enum {
    PACK_UNITS = 32,                /* units of K in an item of packing across panels */
    TIGHT_ROWS = 4,                 /* up to here A is packed without padding, for reading speed */
};


static bool few_rows(const pc_cpu_product *p) { return p->m <= p->gemm->rows; }

static int64_t panel_count(const pc_cpu_product *p) { return pc_ceil_div(p->n, p->gemm->cols); }

static int64_t most_units(const pc_cpu_product *p)
{
    return pc_least(p->units, p->transpose_a ? p->gemm->cut->across_units : p->gemm->cut->chunk_units);
}

/* Panels of a factor that are packed at a time. */
static int64_t panels_at_once(const pc_cpu_product *p, int64_t width, int64_t units)
{
    return pc_most(p->gemm->cut->panel_units / (width * pc_most(units, 1)), 1);
}

/* The part of a factor that begins at a row and a unit of K. */
static pc_cpu_matrix part_of(const pc_cpu_product *p, const pc_cpu_matrix *source, int64_t row, int64_t unit)
{
    pc_cpu_matrix part = *source;
    part.data = (const char *)part.data
                + pc_dtype_size(part.dtype) * (size_t)(row * part.row_stride + unit * p->gemm->unit * part.k_stride);
    return part;
}

/* Numbers of K in `units` units from `unit` on. */
static int64_t numbers(const pc_cpu_product *p, int64_t unit, int64_t units)
{
    return pc_least(units * p->gemm->unit, p->k - unit * p->gemm->unit);
}

/* --- few rows --- */

static void pack_few_rows(pc_cpu_product *p)
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

static pc_cpu_tile tile_at(const pc_cpu_product *p, int64_t row, int64_t rows, int64_t column)
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

static bool has_pairs(const pc_cpu_product *p) { return p->packed && p->gemm->pairs; }

/* Panels of an item of few rows. */
static int64_t few_rows_panels(const pc_cpu_product *p) { return has_pairs(p) && p->m == 1 ? p->gemm->pairs->panels : 1; }

static void few_rows_item(void *context, int64_t item, int thread)
{
    const pc_cpu_product *p = context;
    const pc_cpu_gemm *gemm = p->gemm;
    const int64_t panels = few_rows_panels(p), panel = item * panels, column = panel * gemm->cols;
    const float *packed = p->packed ? p->packed + panel * gemm->cols * p->packed_units : NULL;
    pc_cpu_tile tile = tile_at(p, 0, p->m, column);
    tile.a = p->panels;
    tile.lda = p->a_stride;
    if (packed && (!gemm->pairs || p->m <= gemm->pairs->rows)) {
        tile.b = packed;
        tile.k = p->units;
        if (gemm->pairs) {
            tile.ldb = gemm->cols * p->packed_units;
            tile.cols = (int)pc_least(panels * gemm->cols, p->n - column);
        }
        (gemm->pairs ? gemm->pairs->tile : gemm->tile)(&tile);
        return;
    }
    float *piece = p->of_thread + thread * p->thread_floats;
    const float *bias = tile.bias, *residual = tile.residual;
    const int64_t block = gemm->cut->units;
    for (int64_t u = 0; u == 0 || u < p->units; u += block) {
        const int64_t units = pc_least(block, p->units - u);
        const bool ends = u + units >= p->units;
        if (packed) {
            gemm->pairs->widen(piece, packed + u / 2 * gemm->cols, gemm->cols, units);
        } else {
            const pc_cpu_matrix b = part_of(p, &p->b, column, u);
            gemm->pack(piece, gemm->cols, &b, tile.cols, numbers(p, u, units));
        }
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

/* One panel of B whose rows are contiguous along K. */
static void pack_b_panel(void *context, int64_t item, int thread)
{
    const pc_cpu_product *p = context;
    const int64_t cols = p->gemm->cols, column = (p->first_panel + item) * cols;
    const pc_cpu_matrix part = part_of(p, &p->b, column, p->first_unit);
    (void)thread;
    p->gemm->pack(p->panels + item * cols * p->chunk_units, cols, &part, pc_least(cols, p->n - column),
                  numbers(p, p->first_unit, p->chunk_units));
}

/* Some steps of K of a whole chunk of B, or of A, whose rows lie side by side. */
static void pack_steps(const pc_cpu_product *p, const pc_cpu_matrix *source, int64_t row, int64_t rows, int64_t item, float *to,
                       int64_t height, int64_t width)
{
    const int64_t done = item * PACK_UNITS, units = pc_least(PACK_UNITS, p->chunk_units - done);
    const pc_cpu_matrix part = part_of(p, source, row, p->first_unit + done);
    p->gemm->pack_across(to + done * width, &(pc_cpu_panels){height, width, width * p->chunk_units}, &part, rows,
                         numbers(p, p->first_unit + done, units));
}

static void pack_b_steps(void *context, int64_t item, int thread)
{
    const pc_cpu_product *p = context;
    const int64_t cols = p->gemm->cols, column = p->first_panel * cols;
    (void)thread;
    pack_steps(p, &p->b, column, pc_least(p->chunk_panels * cols, p->n - column), item, p->panels, cols, cols);
}

static void pack_a_steps(void *context, int64_t item, int thread)
{
    const pc_cpu_product *p = context;
    (void)thread;
    pack_steps(p, &p->a, p->first_row, p->chunk_rows, item, p->a_panels, p->tile_rows, p->lanes);
}

/* The panels of A for an item's rows [row, row + rows) of the chunk, in `units` units of K from `unit` of the chunk on;
 * panels are *stride units apart. */
static const float *rows_of_item(const pc_cpu_product *p, float *to, int64_t row, int64_t rows, int64_t unit, int64_t units,
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

/* All tiles of an item in one block of K. widened: room for such a part of a panel. */
static void multiply_block(const pc_cpu_product *p, const float *a, int64_t a_stride, int64_t row, int64_t rows, int64_t from,
                           int64_t to, int64_t unit, int64_t units, float *widened)
{
    const pc_cpu_gemm *gemm = p->gemm;
    const bool ends = p->first_unit + unit + units >= p->units;
    const int64_t panel_units = p->packed ? p->packed_units : p->chunk_units;
    const int share = has_pairs(p) ? 2 : 1; /* numbers in a unit of the panels; blocks of K are even */
    const float *b = p->packed ? p->packed + (p->first_panel * panel_units + p->first_unit / share) * gemm->cols : p->panels;
    for (int64_t panel = from; panel < to; panel++) {
        pc_cpu_tile tile = tile_at(p, p->first_row + row, p->tile_rows, (p->first_panel + panel) * gemm->cols);
        tile.a = a;
        tile.lda = p->lanes;
        tile.b = b + (panel * panel_units + unit / share) * gemm->cols;
        tile.k = units;
        tile.load = p->accumulate || p->first_unit + unit > 0;
        if (!ends) {
            tile.bias = tile.residual = NULL;
        }
        const int64_t bytes = panel + 1 < to ? units * gemm->cols * (int64_t)sizeof(float) / share : 0;
        const char *next = (const char *)((const float *)tile.b + panel_units * gemm->cols);
        if (has_pairs(p)) {
            gemm->pairs->widen(widened, tile.b, gemm->cols, units);
            tile.b = widened;
        }
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
    const pc_cpu_product *p = context;
    const int64_t block_rows = p->tile_rows * p->item_tiles;
    const int64_t row = item % p->row_items * block_rows;
    const int64_t rows = pc_least(block_rows, p->chunk_rows - row);
    const int64_t from = item / p->row_items * p->item_panels;
    const int64_t to = pc_least(from + p->item_panels, p->chunk_panels);
    const int64_t block = p->gemm->cut->units;
    for (int64_t unit = 0; unit < p->chunk_units; unit += block) {
        const int64_t units = pc_least(block, p->chunk_units - unit);
        int64_t stride;
        float *own = p->of_thread + thread * p->thread_floats;
        const float *a = rows_of_item(p, own, row, rows, unit, units, &stride);
        multiply_block(p, a, stride, row, rows, from, to, unit, units, own + block * p->gemm->cut->tiles * p->lanes);
    }
}

/* Enough items for all threads, few enough that packing A stays cheap. Returns their number. */
static int64_t cut_items(pc_cpu_product *p, int threads)
{
    const int64_t tiles = pc_ceil_div(p->chunk_rows, p->tile_rows);
    const int64_t wanted = threads > 1 ? 4 * threads : 1;
    p->item_tiles = pc_most(1, pc_least(p->gemm->cut->tiles, tiles / wanted));
    p->row_items = pc_ceil_div(tiles, p->item_tiles);
    const int64_t column_items = pc_most(1, pc_least(pc_ceil_div(wanted, p->row_items), p->chunk_panels / 4));
    p->item_panels = pc_ceil_div(p->chunk_panels, column_items);
    return p->row_items * pc_ceil_div(p->chunk_panels, p->item_panels);
}

static void run_chunk(pc_cpu_product *p, pc_pool *pool)
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

static void run_many_rows(pc_cpu_product *p, pc_pool *pool)
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

/* --- one product --- */

/* Room for `count` panels of `width` at planned dims, and so for any smaller ones. */
static size_t panel_bytes(const pc_cpu_product *p, int64_t count, int64_t width)
{
    const int64_t units = pc_most(most_units(p), 1);
    const int64_t most = pc_most(p->gemm->cut->panel_units, width * units);
    return (size_t)pc_least(count * width * units, most) * sizeof(float);
}

static void place_scratch(pc_cpu_product *p, void *base, size_t *at, int threads)
{
    const size_t few = (size_t)(p->lanes * p->units) * sizeof(float);
    const size_t many = panel_bytes(p, panel_count(p), p->gemm->cols);
    const size_t of_a = p->transpose_a ? panel_bytes(p, pc_ceil_div(p->m, p->gemm->rows), p->lanes) : 0;
    p->thread_floats = p->gemm->cut->units * (p->gemm->cut->tiles * p->lanes + p->gemm->cols); /* of A, and of a panel of B */
    p->panels = pc_cpu_carve(base, at, few > many ? few : many);
    p->a_panels = pc_cpu_carve(base, at, of_a);
    p->of_thread = pc_cpu_carve(base, at, (size_t)(p->thread_floats * threads) * sizeof(float));
}

/* K = 0: the sum is empty. */
static void run_empty(const pc_cpu_product *p)
{
    for (int64_t i = 0; i < p->m * p->n; i++) {
        p->c[i] = (p->accumulate ? p->c[i] : 0) + (p->bias ? p->bias[i % p->n] : 0) + (p->residual ? p->residual[i] : 0);
    }
}

static void complete(pc_cpu_product *p)
{
    p->units = pc_ceil_div(p->k, p->gemm->unit);
    p->packed_units = p->gemm->pairs ? pc_ceil_div(p->units, 2) : p->units;
    p->lanes = pc_round_up(p->gemm->rows, p->gemm->lanes);
}

size_t pc_cpu_product_scratch(const pc_cpu_product *most, int threads)
{
    pc_cpu_product p = *most;
    size_t bytes = 0;
    complete(&p);
    place_scratch(&p, NULL, &bytes, threads);
    return bytes;
}

void pc_cpu_product_run(pc_cpu_product *p, void *scratch, pc_pool *pool)
{
    size_t at = 0;
    if (p->m == 0 || p->n == 0) {
        return;
    }
    if (p->k == 0) {
        run_empty(p);
        return;
    }
    complete(p);
    place_scratch(p, scratch, &at, pc_pool_threads(pool));
    if (few_rows(p)) {
        pack_few_rows(p);
        pc_pool_run(pool, pc_ceil_div(panel_count(p), few_rows_panels(p)), few_rows_item, p);
    } else {
        run_many_rows(p, pool);
    }
}
