/* Products in 8 bits over the level's vectors: rounding of rows, panels of a weight's codes, tiles (kernels.h has the layouts).
 *
 * The including file gives
 *     take_<type>(pc_block_parts *out, const char *block, int64_t count)   for every type
 *     DOT_NARROW(sum, w, y), DOT_WIDE(sum, w, y)   sum + the four products in each lane, w a panel's codes and y a row's;
 *                                                  wide: of 8 bits (offset 128), narrow: below 64
 *     WIDE_SIGNED                                  panels hold wide codes as signed numbers, less their offset
 *     TILE8_ROWS                                   rows of a tile, two vectors each
 * and where products of bytes come as sums of two in 16 bits (PAIRS is defined then)
 *     PAIRS(w, y), PAIRS_ADD(p, q)                 such sums of narrow codes; sums of them, as long as they fit
 *     PAIRS_END(sum, p)                            sum + both of each lane
 *     DOT_SHORTS(sum, w, y)                        sum + the two products of 16 bits in each lane: wide codes come so to tiles
 *     DOT8, if template/dots8.h shall serve few rows, and what template/lanes8.h asks for;
 *     DOT8_Q8_0, if Q8_0 has a function of its own for that
 * Sums of products of codes are exact, so that only the order of the groups counts.
 */
#include "backend/cpu/template/ends.h"
#include "base/block.h"

#include <stddef.h>

typedef union unit {
    int32_t i;
    float f;
} unit;

enum { TILE8_COLS = 2 * LANES };

/* Bits of a code; 8 is wide. */
enum { BITS_q4_0 = 4, BITS_q4_1 = 4, BITS_q5_0 = 5, BITS_q5_1 = 5, BITS_q8_0 = 8, BITS_q2_k = 2, BITS_q3_k = 3, BITS_q4_k = 4,
       BITS_q5_k = 5, BITS_q6_k = 6, BITS_iq4_nl = 8, BITS_iq4_xs = 8 };

#ifdef PAIRS
/* How many words of four codes of a row are multiplied before 16 bits may overflow: 2 products of at most 127 each. */
#define WORDS_IN_PAIRS(bits) ((bits) <= 4 ? 8 : (bits) == 5 ? 4 : 2)
_Static_assert(8 * 2 * 127 * 15 <= INT16_MAX && 4 * 2 * 127 * 31 <= INT16_MAX && 2 * 2 * 127 * 63 <= INT16_MAX,
               "sums of pairs fit 16 bits");
/* The compiler would add in a tree, for which the registers do not reach. */
#define IN_ORDER(x) __asm__("" : "+" IN_REGISTER(x))
#define CODE_BYTES(bits) ((bits) == 8 ? 2 : 1)
#else
#define CODE_BYTES(bits) 1
#endif

/* --- rounding, as pc_block_round_eight --- */

enum { EIGHT_VECTORS = PC_BLOCK_SMALL / LANES };

/* The codes of a group, and their sums vector by vector. */
INLINE float round_group(int8_t code[PC_BLOCK_SMALL], int32_t sum[EIGHT_VECTORS], const float *x)
{
    const vf shift = vf_set(12582912.0f); /* 1.5 * 2^23: the sum has units of 1 */
    const int32_t infinity = 0x7f800000;
    vi bits = vi_set(0);
#pragma GCC unroll 8
    for (int v = 0; v < EIGHT_VECTORS; v++) { /* magnitudes compare as their bits, NaN above all */
        bits = vi_max(bits, (vi)vf_abs(vf_load(x + v * LANES)));
    }
    const int32_t top_bits = vi_top(bits);
    float top;
    memcpy(&top, &top_bits, sizeof top);
    const bool finite = top_bits < infinity, counts = finite && top >= 1e-30f;
    const vf inverse = vf_set(counts ? 127.0f / top : 0);
    int32_t whole[PC_BLOCK_SMALL];
#pragma GCC unroll 8
    for (int v = 0; v < EIGHT_VECTORS; v++) {
        const vf y = finite ? vf_load(x + v * LANES) : vf_set(0);
        const vi rounded = (vi)(y * inverse + shift) - (vi)shift;
        memcpy(whole + v * LANES, &rounded, sizeof rounded);
        sum[v] = vi_sum(rounded);
    }
    for (int i = 0; i < PC_BLOCK_SMALL; i++) {
        code[i] = (int8_t)whole[i];
    }
    return !finite ? NAN : counts ? top / 127.0f : 0;
}

/* The codes of one group of one row to their place. */
INLINE void place_group(unit *to, const int8_t *code, float scale, int32_t sum, const pc_cpu_rounding *r, const int group)
{
    if (r->code_bytes == 2) {
        for (int u = 0; u < group / 2; u++) {
            const int16_t two[2] = {code[2 * u], code[2 * u + 1]};
            memcpy(to + u * r->rows, two, sizeof *to);
        }
    } else {
#pragma GCC unroll 8
        for (int u = 0; u < group / 4; u++) {
            memcpy(to + u * r->rows, code + 4 * u, sizeof *to);
        }
    }
    to += group * r->code_bytes / 4 * r->rows;
    to[0].f = scale;
    to[r->rows].i = r->offset * sum;
    to[2 * r->rows].f = scale * (float)sum;
}

static void round_rows(void *dst, const pc_cpu_rounding *r)
{
    enum { HALF = PC_BLOCK_SMALL / 2 };
    const int64_t stride = (r->group * r->code_bytes / 4 + 3) * r->rows; /* units of a group */
    for (int row = 0; row < r->rows; row++) {
        unit *to = (unit *)dst + row;
        for (int64_t k = 0; k < r->count; k += PC_BLOCK_SMALL) {
            int8_t code[PC_BLOCK_SMALL];
            int32_t part[EIGHT_VECTORS], sum[2] = {0, 0};
            const float scale = round_group(code, part, r->x + row * r->ldx + k);
#pragma GCC unroll 8
            for (int v = 0; v < EIGHT_VECTORS; v++) {
                sum[2 * v / EIGHT_VECTORS] += part[v];
            }
            if (r->group == PC_BLOCK_SMALL) {
                place_group(to, code, scale, sum[0] + sum[1], r, PC_BLOCK_SMALL);
            } else {
                place_group(to, code, scale, sum[0], r, HALF);
                to += stride;
                place_group(to, code + HALF, scale, sum[1], r, HALF);
            }
            to += stride;
        }
    }
}

/* --- panels --- */

enum { STEP8 = PC_BLOCK_LARGE }; /* numbers of K at a time */

/* Where number k of a panel's columns lies, as four codes for each, of `bytes` bytes; k is a multiple of 4. */
INLINE unit *codes_at(unit *panel, int64_t k, const int size, const bool has_min, const int bytes)
{
    const int64_t stride = (size * bytes / 4 + 1 + has_min) * TILE8_COLS;
    return panel + k / size * stride + k % size * bytes / 4 * TILE8_COLS;
}

/* Four codes of each column: signed where they are wide and panels have them so, in one word or in two of 16 bits each. */
INLINE void place_codes(unit *to, vi codes, const int bits)
{
    if (WIDE_SIGNED && bits == 8) {
        codes ^= vi_set((int32_t)0x80808080);
    }
    if (CODE_BYTES(bits) == 2) {
        const vi two[2] = {(codes << 24 >> 24 & 0xffff) | codes << 16 >> 24 << 16, (codes << 8 >> 24 & 0xffff) | codes >> 24 << 16};
        memcpy(to, &two[0], sizeof two[0]);
        memcpy(to + TILE8_COLS, &two[1], sizeof two[1]);
    } else {
        memcpy(to, &codes, sizeof codes);
    }
}

/* LANES columns of a panel, `count` numbers from k on; a column that isn't there has scale and minimum 0. */
INLINE void place_columns(unit *panel, const pc_block_parts parts[LANES], int64_t k, int64_t count, const int size,
                          const bool has_min, const int bits)
{
    const int bytes = CODE_BYTES(bits);
    for (int64_t at = 0; at < count; at += 4 * LANES) {
        vi row[LANES];
        for (int c = 0; c < LANES; c++) {
            memcpy(&row[c], parts[c].code + at, sizeof row[c]);
        }
        vi_transpose(row);
#pragma GCC unroll 16
        for (int u = 0; u < LANES; u++) {
            if (at + 4 * u < count) {
                place_codes(codes_at(panel, k + at + 4 * u, size, has_min, bytes), row[u], bits);
            }
        }
    }
    for (int64_t g = 0; g < count / size; g++) {
        unit *to = codes_at(panel, k + g * size, size, has_min, bytes) + size * bytes / 4 * TILE8_COLS;
        for (int c = 0; c < LANES; c++) {
            to[c].f = parts[c].scale[g];
            if (has_min) {
                to[TILE8_COLS + c].f = parts[c].min[g];
            }
        }
    }
}

#define PANEL_OF(type, dtype, unit_, size, offset, has_min)                                                             \
    static void panel_##type(void *dst, const void *src, int64_t b_bytes, int columns, int64_t count)                   \
    {                                                                                                                   \
        pc_block_parts parts[LANES];                                                                                    \
        memset(parts, 0, sizeof parts);                                                                                 \
        for (int column = 0; column < TILE8_COLS; column += LANES) {                                                    \
            for (int64_t k = 0; k < count; k += STEP8) {                                                                \
                const int64_t part = count - k < STEP8 ? count - k : STEP8;                                             \
                const char *from = (const char *)src + k / unit_ * (int64_t)sizeof(pc_block_##type);                    \
                for (int c = 0; c < LANES; c++) {                                                                       \
                    if (column + c < columns) {                                                                         \
                        take_##type(&parts[c], from + (column + c) * b_bytes, part);                                    \
                    } else {                                                                                            \
                        memset(&parts[c], 0, sizeof parts[c]);                                                          \
                    }                                                                                                   \
                }                                                                                                       \
                place_columns((unit *)dst + column, parts, k, part, size, has_min, BITS_##type);                         \
            }                                                                                                           \
        }                                                                                                               \
    }
PC_BLOCK_FORMATS(PANEL_OF)

/* --- tiles --- */

#ifdef PAIRS
INLINE void tile8_sums(vi sum[TILE8_ROWS][2], const unit *a, const unit *b, const int rows, const int vectors, const int size,
                       const int bits)
{
    const int units = size * CODE_BYTES(bits) / 4, together = WORDS_IN_PAIRS(bits);
    const unit *start = a + (units + 1) * rows;
    vi part[TILE8_ROWS][2];
#pragma GCC unroll 16
    for (int u = 0; u < units; u++) {
        vi w[2];
#pragma GCC unroll 2
        for (int j = 0; j < vectors; j++) {
            w[j] = (vi)vf_load(&b[u * TILE8_COLS + j * LANES].f);
        }
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            const vi y = vi_set(a[u * rows + r].i);
#pragma GCC unroll 2
            for (int j = 0; j < vectors; j++) {
                if (bits == 8) {
                    sum[r][j] = DOT_SHORTS(u == 0 ? vi_set(start[r].i) : sum[r][j], w[j], y);
                    IN_ORDER(sum[r][j]);
                    continue;
                }
                const vi pairs = PAIRS(w[j], y);
                part[r][j] = u % together == 0 ? pairs : PAIRS_ADD(part[r][j], pairs);
                IN_ORDER(part[r][j]);
                if (u % together == together - 1 || u == units - 1) {
                    sum[r][j] = PAIRS_END(u < together ? vi_set(start[r].i) : sum[r][j], part[r][j]);
                }
            }
        }
    }
}
#else
INLINE void tile8_sums(vi sum[TILE8_ROWS][2], const unit *a, const unit *b, const int rows, const int vectors, const int size,
                       const int bits)
{
    const int units = size / 4;
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
        sum[r][0] = sum[r][1] = vi_set(a[(units + 1) * rows + r].i);
    }
#pragma GCC unroll 8
    for (int u = 0; u < units; u++) {
        vi w[2];
#pragma GCC unroll 2
        for (int j = 0; j < vectors; j++) {
            w[j] = (vi)vf_load(&b[u * TILE8_COLS + j * LANES].f);
        }
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            const vi y = vi_set(a[u * rows + r].i);
#pragma GCC unroll 2
            for (int j = 0; j < vectors; j++) {
                sum[r][j] = bits == 8 ? DOT_WIDE(sum[r][j], w[j], y) : DOT_NARROW(sum[r][j], w[j], y);
            }
        }
    }
}
#endif

INLINE void tile8_group(vf acc[TILE8_ROWS][2], const unit *a, const unit *b, const int rows, const int vectors, const int size,
                        const bool has_min, const int bits)
{
    const int units = size * CODE_BYTES(bits) / 4;
    vi sum[TILE8_ROWS][2];
    tile8_sums(sum, a, b, rows, vectors, size, bits);
    a += units * rows;
    b += units * TILE8_COLS;
#pragma GCC unroll 2
    for (int j = 0; j < vectors; j++) {
        const vf scale = vf_load(&b[j * LANES].f), min = has_min ? vf_load(&b[TILE8_COLS + j * LANES].f) : vf_set(0);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            acc[r][j] = vf_fma(vf_whole(sum[r][j]), scale * vf_set(a[r].f), acc[r][j]);
            if (has_min) {
                acc[r][j] = vf_fma(vf_set(a[2 * rows + r].f), min, acc[r][j]);
            }
        }
    }
}

INLINE void tile8_body(const pc_cpu_tile *t, const int rows, const int vectors, const int size, const bool has_min,
                       const int bits)
{
    const unit *a = t->a, *b = t->b;
    vf acc[TILE8_ROWS][2];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 2
        for (int j = 0; j < vectors; j++) {
            acc[r][j] = sum_begin(t, r, j * LANES);
        }
    }
    for (int64_t k = t->k; k > 0; k--) {
        tile8_group(acc, a, b, rows, vectors, size, has_min, bits);
        a += (size * CODE_BYTES(bits) / 4 + 3) * rows;
        b += (size * CODE_BYTES(bits) / 4 + 1 + has_min) * TILE8_COLS;
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 2
        for (int j = 0; j < vectors; j++) {
            sum_end(t, r, j * LANES, acc[r][j]);
        }
    }
}

#if TILE8_ROWS > 4
#define ROWS_OF_TILE8(X, ...) X(1, __VA_ARGS__) X(2, __VA_ARGS__) X(3, __VA_ARGS__) X(4, __VA_ARGS__) X(5, __VA_ARGS__) X(6, __VA_ARGS__)
#elif TILE8_ROWS > 2
#define ROWS_OF_TILE8(X, ...) X(1, __VA_ARGS__) X(2, __VA_ARGS__) X(3, __VA_ARGS__) X(4, __VA_ARGS__)
#else
#define ROWS_OF_TILE8(X, ...) X(1, __VA_ARGS__) X(2, __VA_ARGS__)
#endif

#define TILE8_OF_ROWS(rows, name, size, has_min, bits)       \
    static void name##_##rows(const pc_cpu_tile *t)          \
    {                                                        \
        if (t->cols > LANES) {                               \
            tile8_body(t, rows, 2, size, has_min, bits);     \
        } else {                                             \
            tile8_body(t, rows, 1, size, has_min, bits);     \
        }                                                    \
    }
#define TILE8_POINTER(rows, name) name##_##rows,
#define TILE8(name, size, has_min, bits)                                                                                \
    ROWS_OF_TILE8(TILE8_OF_ROWS, name, size, has_min, bits)                                                             \
    static void name(const pc_cpu_tile *t)                                                                              \
    {                                                                                                                   \
        static void (*const by_rows[TILE8_ROWS])(const pc_cpu_tile *) = {ROWS_OF_TILE8(TILE8_POINTER, name)};           \
        by_rows[t->rows - 1](t);                                                                                        \
    }
TILE8(tile8_wide, 32, false, 8)
TILE8(tile8_halves, 16, false, 6)
TILE8(tile8_halves_min, 16, true, 2)
#ifdef PAIRS /* fewer bits, longer sums of pairs */
TILE8(tile8_nibbles, 32, false, 4)
TILE8(tile8_nibbles_min, 32, true, 4)
TILE8(tile8_plain, 32, false, 5)
TILE8(tile8_min, 32, true, 5)
#else
TILE8(tile8_plain, 32, false, 6)
TILE8(tile8_min, 32, true, 6)
#define tile8_nibbles tile8_plain
#define tile8_nibbles_min tile8_min
#endif

#ifdef DOT8
#include "backend/cpu/template/lanes8.h"
#include "backend/cpu/template/dots8.h"
#ifndef DOT8_Q8_0
#define DOT8_Q8_0 dot8_q8_0
#endif
#define INT8_DOT(type, dtype) (dtype == PC_Q8_0 ? DOT8_Q8_0 : dot8_##type)
#else
enum { DOT8_ROWS = 0 };
#define INT8_DOT(type, dtype) NULL
#endif

#define INT8_TILE(size, has_min, bits)                      \
    ((size) == 16  ? (has_min) ? tile8_halves_min : tile8_halves \
     : (bits) == 8 ? tile8_wide                             \
     : (bits) == 4 ? (has_min) ? tile8_nibbles_min : tile8_nibbles \
     : (has_min)   ? tile8_min                              \
                   : tile8_plain)
#define INT8_FIELD(type, dtype, unit_, size, offset_, has_min_)          \
    [dtype - PC_DTYPE_PLAIN] = {                                         \
        .group = size,                                                   \
        .offset = WIDE_SIGNED && offset_ == 128 ? 0 : -offset_,          \
        .code_bytes = CODE_BYTES(BITS_##type),                           \
        .has_min = has_min_,                                             \
        .panel = panel_##type,                                           \
        .tile = INT8_TILE(size, has_min_, BITS_##type),                  \
        .dot = INT8_DOT(type, dtype),                                    \
    },

/* As many independent sums as a tile has. */
#ifdef PAIRS
#define INT8_PEAK_STEP(sum, w, y) PAIRS_ADD(sum, PAIRS(w, y))
#else
#define INT8_PEAK_STEP DOT_NARROW
#endif
static double int8_peak(int64_t rounds)
{
    vi sum[TILE8_ROWS][2];
    vi w = vi_set(0), y = vi_set(0);
    __asm__ volatile("" : "+" IN_REGISTER(w), "+" IN_REGISTER(y));
    for (int r = 0; r < TILE8_ROWS; r++) {
        sum[r][0] = sum[r][1] = vi_set(0);
    }
    for (int64_t i = 0; i < rounds; i++) {
#pragma GCC unroll 8
        for (int r = 0; r < TILE8_ROWS; r++) {
#pragma GCC unroll 2
            for (int j = 0; j < 2; j++) {
                __asm__ volatile("" : "+" IN_REGISTER(w), "+" IN_REGISTER(y)); /* so that nothing is left out */
                sum[r][j] = INT8_PEAK_STEP(sum[r][j], w, y);
            }
        }
    }
    for (int r = 0; r < TILE8_ROWS; r++) {
        __asm__ volatile("" : : IN_REGISTER(sum[r][0]), IN_REGISTER(sum[r][1]));
    }
    return 2.0 * 4 * LANES * TILE8_ROWS * 2 * (double)rounds;
}

#define INT8_TABLE                                                                              \
    {                                                                                           \
        .rows = TILE8_ROWS, .cols = TILE8_COLS, .dot_rows = DOT8_ROWS, .round = round_rows,     \
        .peak = int8_peak,                                                                      \
        .of = {PC_BLOCK_FORMATS(INT8_FIELD)},                                                   \
    }
