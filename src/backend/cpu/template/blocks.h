/* Products with rows of blocks (base/block.h) over the level's vectors, and with rows of f32 that were blocks.
 *
 * One order of sums for all: lane l of an accumulator sums the numbers l, l + LANES, l + 2 LANES ... of K, one fused step
 * each; then vf_sum. So a row has the same bits whether few rows read the blocks themselves or many read them dequantised.
 *
 * The including file gives FAST_BLOCKS(X) (x86/groups_avx2.h), and for each of them
 *     void group_<type>(vf x[32 / LANES], const pc_block_<type> *block, int group)
 * with the numbers of a group of 32 exactly as pc_block_dequantise gives them. Other types go through that function.
 */
#include "base/block.h"

enum { GROUP = 32, GROUP_VECTORS = GROUP / LANES };

INLINE void group_by_number(vf x[GROUP_VECTORS], const float *numbers)
{
    for (int v = 0; v < GROUP_VECTORS; v++) {
        x[v] = vf_load(numbers + v * LANES);
    }
}

/* acc[r] += x a[r] for a group of 32 numbers. */
INLINE void add_group(vf *acc, const vf x[GROUP_VECTORS], const float *a, int64_t lda, const int rows)
{
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
        for (int v = 0; v < GROUP_VECTORS; v++) {
            acc[r] = vf_fma(x[v], vf_load(a + r * lda + v * LANES), acc[r]);
        }
    }
}

enum { DOT_ROWS = 4 };

#define DOT_BODY(type, dtype, unit, size, offset, has_min)                                                                                     \
    INLINE void dot_body_##type(const pc_cpu_dots *d, int64_t column, const int rows, const int columns)               \
    {                                                                                                                   \
        vf acc[4][DOT_ROWS];                                                                                            \
        _Pragma("GCC unroll 4") for (int c = 0; c < columns; c++) {                                                     \
            _Pragma("GCC unroll 4") for (int r = 0; r < rows; r++) {                                                    \
                acc[c][r] = vf_set(0);                                                                                  \
            }                                                                                                           \
        }                                                                                                               \
        const char *b = (const char *)d->b + column * d->b_bytes;                                                       \
        for (int64_t k = 0; k < d->k; k += unit, b += sizeof(pc_block_##type)) {                                        \
            for (int group = 0; group < unit / GROUP; group++) {                                                        \
                _Pragma("GCC unroll 4") for (int c = 0; c < columns; c++) {                                             \
                    vf x[GROUP_VECTORS];                                                                                \
                    group_##type(x, b + c * d->b_bytes, group);                                                         \
                    add_group(acc[c], x, d->a + k + group * GROUP, d->lda, rows);                                       \
                }                                                                                                       \
            }                                                                                                           \
        }                                                                                                               \
        _Pragma("GCC unroll 4") for (int c = 0; c < columns; c++) {                                                     \
            _Pragma("GCC unroll 4") for (int r = 0; r < rows; r++) {                                                    \
                d->out[r * d->ldo + column + c] = vf_sum(acc[c][r]);                                                    \
            }                                                                                                           \
        }                                                                                                               \
    }                                                                                                                   \
    INLINE void dot_rows_##type(const pc_cpu_dots *d, const int rows, const int columns)                                \
    {                                                                                                                   \
        int64_t column = 0;                                                                                             \
        for (; column + columns <= d->columns; column += columns) {                                                     \
            dot_body_##type(d, column, rows, columns);                                                                  \
        }                                                                                                               \
        for (; column < d->columns; column++) {                                                                         \
            dot_body_##type(d, column, rows, 1);                                                                        \
        }                                                                                                               \
    }                                                                                                                   \
    static void dot_##type(const pc_cpu_dots *d)                                                                        \
    {                                                                                                                   \
        switch (d->rows) {                                                                                              \
        case 1: dot_rows_##type(d, 1, 4); break;                                                                        \
        case 2: dot_rows_##type(d, 2, 4); break;                                                                        \
        case 3: dot_rows_##type(d, 3, 2); break;                                                                        \
        default: dot_rows_##type(d, 4, 2); break;                                                                       \
        }                                                                                                               \
    }                                                                                                                   \
    static void read_##type(float *out, const void *src, int64_t count)                                                 \
    {                                                                                                                   \
        const char *b = src;                                                                                            \
        for (int64_t k = 0; k < count; k += unit, b += sizeof(pc_block_##type)) {                                       \
            for (int group = 0; group < unit / GROUP; group++) {                                                        \
                vf x[GROUP_VECTORS];                                                                                    \
                group_##type(x, b, group);                                                                              \
                for (int v = 0; v < GROUP_VECTORS; v++) {                                                               \
                    vf_store(out + k + group * GROUP + v * LANES, x[v]);                                                \
                }                                                                                                       \
            }                                                                                                           \
        }                                                                                                               \
    }
FAST_BLOCKS(DOT_BODY)

#define DOT_FIELD(type, dtype, unit, size, offset, has_min) [dtype - PC_DTYPE_PLAIN] = dot_##type,
#define READ_FIELD(type, dtype, unit, size, offset, has_min) [dtype - PC_DTYPE_PLAIN] = read_##type,

/* --- dequantised rows: a tile of INNER_ROWS x INNER_COLUMNS results, each a vector of partial sums --- */

enum { INNER_ROWS = 4, INNER_COLUMNS = 3 };

INLINE void inner_body(const pc_cpu_inner *t, const int rows, const int columns)
{
    vf acc[INNER_ROWS][INNER_COLUMNS];
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 3
        for (int c = 0; c < columns; c++) {
            acc[r][c] = t->load ? vf_load(t->partial + (r * t->ldp + c) * LANES) : vf_set(0);
        }
    }
    for (int64_t k = 0; k < t->k; k += LANES) {
        vf x[INNER_COLUMNS];
#pragma GCC unroll 3
        for (int c = 0; c < columns; c++) {
            x[c] = vf_load(t->b + c * t->ldb + k);
        }
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) {
            const vf y = vf_load(t->a + r * t->lda + k);
#pragma GCC unroll 3
            for (int c = 0; c < columns; c++) {
                acc[r][c] = vf_fma(x[c], y, acc[r][c]);
            }
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 3
        for (int c = 0; c < columns; c++) {
            if (t->out) {
                t->out[r * t->ldo + c] = vf_sum(acc[r][c]);
            } else {
                vf_store(t->partial + (r * t->ldp + c) * LANES, acc[r][c]);
            }
        }
    }
}

INLINE void inner_rows(const pc_cpu_inner *t, const int columns)
{
    switch (t->rows) {
    case 1: inner_body(t, 1, columns); break;
    case 2: inner_body(t, 2, columns); break;
    case 3: inner_body(t, 3, columns); break;
    default: inner_body(t, 4, columns); break;
    }
}

static void run_inner(const pc_cpu_inner *t)
{
    switch (t->columns) {
    case 1: inner_rows(t, 1); break;
    case 2: inner_rows(t, 2); break;
    default: inner_rows(t, 3); break;
    }
}
