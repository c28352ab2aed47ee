/* Q8_0 for few rows in AVX2, as template/dots8.h does it for the other types.
 *
 * A block's 32 codes fill a vector as they lie, so here sums are turned rather than bytes: eight rows of the weight give eight
 * vectors of sums, which three steps of neighbours' additions make one with a row in each lane.
 *
 * Easy to get wrong: a code of the weight may be -128, whose magnitude only an unsigned byte holds; a row's code never is.
 */
#ifndef PC_BACKEND_CPU_DOTS_AVX2_H
#define PC_BACKEND_CPU_DOTS_AVX2_H

#include "backend/cpu/x86/vec_avx2.h"

#include "backend/cpu/template/ends.h"
#include "base/block.h"

#include <stddef.h>

/* Lane i: the sum over x[i]. */
INLINE __m256i sums_of_eight(const __m256i x[8])
{
    __m256i pair[4], four[2];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        pair[i] = _mm256_add_epi32(_mm256_unpacklo_epi32(x[2 * i], x[2 * i + 1]), _mm256_unpackhi_epi32(x[2 * i], x[2 * i + 1]));
    }
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
        four[i] = _mm256_add_epi32(_mm256_unpacklo_epi64(pair[2 * i], pair[2 * i + 1]),
                                   _mm256_unpackhi_epi64(pair[2 * i], pair[2 * i + 1]));
    }
    return _mm256_add_epi32(_mm256_permute2x128_si256(four[0], four[1], 0x20), _mm256_permute2x128_si256(four[0], four[1], 0x31));
}

/* Sums of the products of a block of each row with the 32 codes at `codes`. */
INLINE __m256i eight_dots_q8_0(const char *const row[8], int64_t at, const void *codes)
{
    const __m256i y = _mm256_loadu_si256(codes), ones = _mm256_set1_epi16(1);
    __m256i sum[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        const __m256i w = _mm256_loadu_si256((const void *)(row[i] + at + offsetof(pc_block_q8_0, qs)));
        sum[i] = _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(y, w)), ones);
    }
    return sums_of_eight(sum);
}

INLINE __m256 eight_scales_q8_0(const char *const row[8], int64_t at)
{
    uint16_t bits[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        memcpy(&bits[i], row[i] + at, sizeof bits[i]);
    }
    return _mm256_cvtph_ps(_mm_loadu_si128((const void *)bits));
}

INLINE void eight_columns_q8_0(const pc_cpu_tile *t, int64_t column, const int rows)
{
    enum { CODES = PC_BLOCK_SMALL, STRIDE = CODES + 3 * (int)sizeof(float), AHEAD = 8 * (int)sizeof(pc_block_q8_0) };
    const char *row[8];
    __m256 acc[4];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) { /* a row that isn't there is the first one again */
        row[i] = (const char *)t->b + (column + (column + i < t->cols ? i : 0)) * t->ldb;
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) {
        acc[r] = sum_begin(t, r, column);
    }
    const char *next = (const char *)t->b + (column + 8) * t->ldb; /* the rows after these: asked for a block of each at a time */
    const char *a = t->a;
    for (int64_t k = 0; k < t->k; k += CODES, a += STRIDE, next += AHEAD) {
        const int64_t at = k / CODES * (int64_t)sizeof(pc_block_q8_0);
        const __m256 scale = eight_scales_q8_0(row, at);
#pragma GCC unroll 5
        for (int i = 0; i < AHEAD; i += 64) {
            __builtin_prefetch(next + i, 0, 2);
        }
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) {
            const char *codes = a + r * t->lda;
            float of_row;
            memcpy(&of_row, codes + CODES, sizeof of_row);
            acc[r] = vf_fma(_mm256_cvtepi32_ps(eight_dots_q8_0(row, at, codes)), scale * vf_set(of_row), acc[r]);
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) {
        sum_end(t, r, column, acc[r]);
    }
}

static void eight_dot_q8_0(const pc_cpu_tile *t)
{
    for (int64_t column = 0; column < t->cols; column += 8) {
        switch (t->rows) {
        case 1: eight_columns_q8_0(t, column, 1); break;
        case 2: eight_columns_q8_0(t, column, 2); break;
        case 3: eight_columns_q8_0(t, column, 3); break;
        default: eight_columns_q8_0(t, column, 4); break;
        }
    }
}

#endif
