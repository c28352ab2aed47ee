/* Products in 8 bits for a few rows (decoding), which read the blocks once as the file has them: template/int8.h without panels.
 *
 *   for LANES rows of the weight at once, 256 numbers of K at a time:
 *       scales and minima of their groups, [group][LANES]
 *       for each 4 LANES numbers:  codes of each row in one vector . codes of A  ->  exact sums of 16 numbers, transposed
 *           so that lane l belongs to row l;  one fused step for each group, as in a tile
 *
 * The including file gives step_<type>, fill_<type>, scale_table (x86/steps_avx512.h), and
 *     vi_sums(a, b, c, d)       sums of four neighbouring lanes: in each quarter those of a, b, c, d
 *     vi_quarters(x[LANES / 4]) x[q]: quarter q of each, in their order
 *     vi_codes(a, stride, size, left) 4 LANES codes of a rounded row, whose groups of `size` begin `stride` bytes apart
 *     HALF_STEP(type)           where a step is 64 numbers: the first 32 of them alone
 */
enum { DOT8_ROWS = 4, DOT8_STEP = 4 * LANES };

INLINE void dot8_groups(vf acc[DOT8_ROWS], vi sums[DOT8_ROWS][LANES / 4], const pc_cpu_tile *t, const scale_table *table,
                        int64_t group, int64_t of_table, int groups, const int rows, const int size, const bool has_min)
{
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) {
        const unit *a = (const unit *)((const char *)t->a + r * t->lda) + group * (size / 4 + 3) + size / 4;
        vi_quarters(sums[r]);
        for (int g = 0; g < DOT8_STEP / size; g++) {
            if (g < groups) {
                const vi sum = (size == 32 ? sums[r][2 * g] + sums[r][2 * g + 1] : sums[r][g]) + vi_set(a[1].i);
                acc[r] = vf_fma(vf_whole(sum), table->scale[of_table + g] * vf_set(a[0].f), acc[r]);
                if (has_min) {
                    acc[r] = vf_fma(vf_set(a[2].f), table->min[of_table + g], acc[r]);
                }
                a += size / 4 + 3;
            }
        }
    }
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
        enum { BYTES = PC_BLOCK_LARGE / unit_ * (int)sizeof(pc_block_##type) }; /* of 256 numbers */                    \
        enum { ASKED = BYTES * LANES * DOT8_STEP / PC_BLOCK_LARGE };            /* of a step */                         \
        const int64_t stride = (size / 4 + 3) * (int64_t)sizeof(unit);                                                  \
        const char *row[LANES];                                                                                         \
        vf acc[DOT8_ROWS];                                                                                              \
        dot8_rows_of(row, t, column);                                                                                   \
        _Pragma("GCC unroll 4") for (int r = 0; r < rows; r++) {                                                        \
            acc[r] = sum_begin(t, r, column);                                                                           \
        }                                                                                                               \
        for (int64_t k = 0; k < t->k; k += PC_BLOCK_LARGE) {                                                            \
            const int64_t count = t->k - k < PC_BLOCK_LARGE ? t->k - k : PC_BLOCK_LARGE;                                \
            scale_table table;                                                                                          \
            fill_##type(&table, row, count);                                                                            \
            for (int64_t at = 0; at < count; at += DOT8_STEP) {                                                         \
                vi sums[DOT8_ROWS][LANES / 4], y[DOT8_ROWS];                                                            \
                const int left = (int)(count - at < DOT8_STEP ? count - at : DOT8_STEP);                                \
                dot8_ask(t, column, (k + at) / DOT8_STEP * ASKED, ((k + at) / DOT8_STEP + 1) * ASKED);                  \
                _Pragma("GCC unroll 4") for (int r = 0; r < rows; r++) {                                                \
                    y[r] = vi_codes((const char *)t->a + r * t->lda + (k + at) / size * stride, stride, size, left);    \
                }                                                                                                       \
                _Pragma("GCC unroll 4") for (int q = 0; q < LANES / 4; q++) {                                           \
                    vi w[4];                                                                                            \
                    _Pragma("GCC unroll 4") for (int i = 0; i < 4; i++) {                                               \
                        w[i] = (vi)(left == DOT8_STEP ? step_##type(row[4 * q + i], (int)(at / DOT8_STEP))              \
                                                      : HALF_STEP(type)(row[4 * q + i], (int)(at / DOT8_STEP)));        \
                    }                                                                                                   \
                    _Pragma("GCC unroll 4") for (int r = 0; r < rows; r++) {                                            \
                        vi product[4];                                                                                  \
                        _Pragma("GCC unroll 4") for (int i = 0; i < 4; i++) {                                           \
                            product[i] = offset == 128 ? DOT_WIDE(vi_set(0), w[i], y[r]) : DOT_NARROW(vi_set(0), w[i], y[r]); \
                        }                                                                                               \
                        sums[r][q] = vi_sums(product[0], product[1], product[2], product[3]);                           \
                    }                                                                                                   \
                }                                                                                                       \
                dot8_groups(acc, sums, t, &table, (k + at) / size, at / size, left / size, rows, size, has_min);        \
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
