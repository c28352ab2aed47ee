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

/* sum + `words` words of w times a row's codes, four at a time. */
INLINE vi dot8_words(vi sum, const vi *w, const void *codes, const int words, const int bits)
{
    const char *y = codes;
#ifdef PAIRS
    const int together = WORDS_IN_PAIRS(bits);
    vi part = vi_set(0);
#endif
#pragma GCC unroll 8
    for (int u = 0; u < words; u++) {
        int32_t four;
        memcpy(&four, y + 4 * u, sizeof four);
        if (bits == 8) {
            sum = DOT_WIDE(sum, w[u], vi_set(four));
#ifdef PAIRS
            IN_ORDER(sum);
        } else {
            const vi pairs = PAIRS(w[u], vi_set(four));
            part = u % together == 0 ? pairs : PAIRS_ADD(part, pairs);
            IN_ORDER(part);
            sum = u % together == together - 1 || u == words - 1 ? PAIRS_END(sum, part) : sum;
#else
        } else {
            sum = DOT_NARROW(sum, w[u], vi_set(four));
#endif
        }
    }
    return sum;
}

/* The groups of `count` numbers, whose codes are w[count / 4], in one row of A. */
INLINE vf dot8_groups(vf acc, const unit *a, const vi *w, const vf *scale, const vf *min, const int count, const int size,
                      const int bits)
{
    const int groups = count / size, units = size / 4;
#pragma GCC unroll 4
    for (int g = 0; g < groups; g++) {
        const vi sum = dot8_words(vi_set(a[units + 1].i), w + g * units, a, units, bits);
        acc = vf_fma(vf_whole(sum), scale[g] * vf_set(a[units].f), acc);
        acc = min ? vf_fma(vf_set(a[units + 2].f), min[g], acc) : acc;
        a += units + 3;
    }
    return acc;
}

/* A step of two groups, the first of which has its words two numbers early: template/lanes8.h. */
INLINE vf dot8_pair(vf acc, const unit *a, const vi *w, const vf *scale, const int halves, const bool both, const int bits)
{
    enum { UNITS = PC_BLOCK_SMALL / 4 };
    const int more = UNITS / halves; /* and one word */
    vi sum = vi_set(a[UNITS + 1].i);
#pragma GCC unroll 2
    for (int h = 0; h < halves; h++) {
        const char *codes = (const char *)(a + h * more);
        sum = dot8_words(sum, w, codes, 1, bits);
        sum = dot8_words(sum, w + 1, codes + 2, more, bits);
        w += more + 1;
    }
    acc = vf_fma(vf_whole(sum), scale[0] * vf_set(a[UNITS].f), acc);
    return both ? dot8_groups(acc, a + UNITS + 3, w, scale + 1, NULL, PC_BLOCK_SMALL, PC_BLOCK_SMALL, bits) : acc;
}

/* `bytes` of each of the rows of the weight from `column` on, copied side by side, zeros behind them: of the last rows, which
 * are fewer than LANES, or of the last blocks. */
INLINE lane_rows dot8_copy(char *to, int64_t stride, const pc_cpu_tile *t, int64_t column, int64_t at, int64_t bytes)
{
    memset(to, 0, (size_t)(LANES * stride));
    for (int64_t i = 0; i < LANES && column + i < t->cols; i++) {
        memcpy(to + i * stride, (const char *)t->b + (column + i) * t->ldb + at, (size_t)bytes);
    }
    return lane_rows_at(to, stride);
}

/* Ask for `bytes` of what the next rows of the weight have, at `from` of all that these have. */
INLINE void dot8_ask(const pc_cpu_tile *t, int64_t column, int64_t from, const int bytes)
{
    const char *next = (const char *)t->b + (column + LANES) * t->ldb + from;
#pragma GCC unroll 20
    for (int i = 0; i < bytes; i += 64) {
        __builtin_prefetch(next + i, 0, 2);
    }
}

#define DOT8_OF(type, dtype, unit_, size, offset, has_min)                                                              \
    INLINE void dot8_strip_##type(const pc_cpu_tile *t, int64_t column, const int rows)                                 \
    {                                                                                                                   \
        enum { STEP = STEP_##type, HALVES = HALVES_##type ? HALVES_##type : 1 };                                        \
        enum { BYTES = PC_BLOCK_LARGE / unit_ * (int)sizeof(pc_block_##type) }; /* of 256 numbers */                    \
        enum { ASKED = BYTES * LANES / (PC_BLOCK_LARGE / STEP) };               /* of a step */                         \
        char copy[LANES * BYTES];                                                                                       \
        const unit *a[DOT8_ROWS];                                                                                       \
        vf acc[DOT8_ROWS];                                                                                              \
        _Pragma("GCC unroll 4") for (int r = 0; r < rows; r++) {                                                        \
            acc[r] = sum_begin(t, r, column);                                                                           \
            a[r] = (const unit *)(const void *)((const char *)t->a + r * t->lda);                                       \
        }                                                                                                               \
        for (int64_t k = 0; k < t->k; k += PC_BLOCK_LARGE) {                                                            \
            const int64_t count = t->k - k < PC_BLOCK_LARGE ? t->k - k : PC_BLOCK_LARGE, from = k / PC_BLOCK_LARGE * BYTES; \
            lane_block block;                                                                                           \
            lane_rows row = lane_rows_at((const char *)t->b + column * t->ldb + from, t->ldb);                          \
            if (column + LANES > t->cols || count < PC_BLOCK_LARGE) {                                                   \
                row = dot8_copy(copy, BYTES, t, column, from, count * BYTES / PC_BLOCK_LARGE);                          \
            }                                                                                                           \
            open_##type(&block, &row, count);                                                                           \
            _Pragma("GCC unroll 1") for (int64_t at = 0; at < count; at += STEP) {                                      \
                vi w[WORDS_##type];                                                                                     \
                words_##type(w, &row, &block, (int)(at / STEP));                                                        \
                dot8_ask(t, column, (k + at) / STEP * ASKED, ASKED);                                                    \
                _Pragma("GCC unroll 4") for (int r = 0; r < rows; r++) {                                                \
                    acc[r] = HALVES_##type ? dot8_pair(acc[r], a[r], w, block.scale + at / size, HALVES, at + size < count, \
                                                BITS_##type)                                                            \
                                    : dot8_groups(acc[r], a[r], w, block.scale + at / size,                             \
                                                  has_min ? block.min + at / size : NULL, STEP, size, BITS_##type);     \
                    a[r] += STEP / size * (size / 4 + 3);                                                               \
                }                                                                                                       \
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
