/* Products in 8 bits for a few rows (decoding), which read the blocks once as the file has them: template/int8.h without panels.
 *
 *   for LANES rows of the weight at once, 256 numbers of K at a time:
 *       scales and minima of their groups, [group][LANES]
 *       for each 32 or 64 numbers:  the rows' bytes, 16 of each at a time, are turned so that lane l has four of row l, and
 *           only then taken apart into codes;  codes . broadcast codes of A  ->  the exact sum of a group in each lane;
 *           one fused step for each group, as in a tile
 *
 * Bytes are turned, not sums: a byte holds two codes or more, and every row of A shares the work.
 *
 * template/lanes8.h gives lane_block, open_<type> and words_<type>.
 */
enum { DOT8_ROWS = 4 };

/* The groups of `count` numbers, whose codes are w[count / 4], in one row of A. */
INLINE vf dot8_groups(vf acc, const unit *a, const vi *w, const vf *scale, const vf *min, const int count, const int size,
                      const bool wide)
{
#pragma GCC unroll 4
    for (int g = 0; g < count / size; g++) {
        vi sum = vi_set(a[size / 4 + 1].i);
#pragma GCC unroll 8
        for (int u = 0; u < size / 4; u++) {
            const vi y = vi_set(a[u].i);
            sum = wide ? DOT_WIDE(sum, w[g * size / 4 + u], y) : DOT_NARROW(sum, w[g * size / 4 + u], y);
        }
        acc = vf_fma(vf_whole(sum), scale[g] * vf_set(a[size / 4].f), acc);
        acc = min ? vf_fma(vf_set(a[size / 4 + 2].f), min[g], acc) : acc;
        a += size / 4 + 3;
    }
    return acc;
}

/* The rows of the weight from `column` on; those behind the last count as the last. */
INLINE void dot8_rows_of(const char *row[LANES], const pc_cpu_tile *t, int64_t column)
{
    for (int i = 0; i < LANES; i++) {
        const int64_t at = column + i < t->cols ? column + i : t->cols - 1;
        row[i] = (const char *)t->b + at * t->ldb;
    }
}

/* Ask for what the next rows of the weight have at [from, to) of all that these have. */
INLINE void dot8_ask(const pc_cpu_tile *t, int64_t column, int64_t from, int64_t to)
{
    const char *next = (const char *)t->b + (column + LANES) * t->ldb;
    for (int64_t i = from; i < to; i += 64) {
        __builtin_prefetch(next + i, 0, 2);
    }
}

#define DOT8_OF(type, dtype, unit_, size, offset, has_min)                                                              \
    INLINE void dot8_strip_##type(const pc_cpu_tile *t, int64_t column, const int rows)                                 \
    {                                                                                                                   \
        enum { STEP = unit_ == PC_BLOCK_SMALL ? 32 : 64 };                                                              \
        enum { BYTES = PC_BLOCK_LARGE / unit_ * (int)sizeof(pc_block_##type) }; /* of 256 numbers */                    \
        enum { ASKED = BYTES * LANES / (PC_BLOCK_LARGE / STEP) };               /* of a step */                         \
        const char *row[LANES];                                                                                         \
        const unit *a[DOT8_ROWS];                                                                                       \
        vf acc[DOT8_ROWS];                                                                                              \
        dot8_rows_of(row, t, column);                                                                                   \
        _Pragma("GCC unroll 4") for (int r = 0; r < rows; r++) {                                                        \
            acc[r] = sum_begin(t, r, column);                                                                           \
            a[r] = (const unit *)(const void *)((const char *)t->a + r * t->lda);                                       \
        }                                                                                                               \
        for (int64_t k = 0; k < t->k; k += PC_BLOCK_LARGE) {                                                            \
            const int64_t count = t->k - k < PC_BLOCK_LARGE ? t->k - k : PC_BLOCK_LARGE;                                \
            lane_block block;                                                                                           \
            open_##type(&block, row, count);                                                                            \
            _Pragma("GCC unroll 1") for (int64_t at = 0; at < count; at += STEP) {                                      \
                vi w[STEP / 4];                                                                                         \
                words_##type(w, row, &block, (int)(at / STEP));                                                         \
                dot8_ask(t, column, (k + at) / STEP * ASKED, ((k + at) / STEP + 1) * ASKED);                            \
                _Pragma("GCC unroll 4") for (int r = 0; r < rows; r++) {                                                \
                    acc[r] = dot8_groups(acc[r], a[r], w, block.scale + at / size, has_min ? block.min + at / size : NULL, \
                                         STEP, size, offset == 128);                                                    \
                    a[r] += STEP / size * (size / 4 + 3);                                                               \
                }                                                                                                       \
            }                                                                                                           \
            for (int i = 0; i < LANES; i++) {                                                                           \
                row[i] += BYTES;                                                                                        \
            }                                                                                                           \
        }                                                                                                               \
        _Pragma("GCC unroll 4") for (int r = 0; r < rows; r++) {                                                        \
            sum_end(t, r, column, acc[r]);                                                                              \
        }                                                                                                               \
    }                                                                                                                   \
    static void dot8_##type(const pc_cpu_tile *t)                                                                       \
    {                                                                                                                   \
        for (int64_t column = 0; column < t->cols; column += LANES) {                                                   \
            switch (t->rows) {                                                                                          \
            case 1: dot8_strip_##type(t, column, 1); break;                                                             \
            case 2: dot8_strip_##type(t, column, 2); break;                                                             \
            case 3: dot8_strip_##type(t, column, 3); break;                                                             \
            default: dot8_strip_##type(t, column, 4); break;                                                            \
            }                                                                                                           \
        }                                                                                                               \
    }
PC_BLOCK_FORMATS(DOT8_OF)
