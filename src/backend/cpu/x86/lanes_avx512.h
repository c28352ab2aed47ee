/* Rows of blocks side by side, in AVX-512: what template/lanes8.h asks for. */
#ifndef PC_BACKEND_CPU_LANES_AVX512_H
#define PC_BACKEND_CPU_LANES_AVX512_H

#include "backend/cpu/template/lane_rows.h"
#include "backend/cpu/x86/vec_avx512.h"

/* In each quarter: four rows' words, word j of the quarter's bytes to out[j]. */
INLINE void turn_quarters(__m512i out[4], const __m512i z[4])
{
    const __m512i a = _mm512_unpacklo_epi32(z[0], z[1]), b = _mm512_unpackhi_epi32(z[0], z[1]);
    const __m512i c = _mm512_unpacklo_epi32(z[2], z[3]), d = _mm512_unpackhi_epi32(z[2], z[3]);
    out[0] = _mm512_unpacklo_epi64(a, c);
    out[1] = _mm512_unpackhi_epi64(a, c);
    out[2] = _mm512_unpacklo_epi64(b, d);
    out[3] = _mm512_unpackhi_epi64(b, d);
}

INLINE void vi_turn(vi word[4], const lane_rows *row, int64_t at)
{
    __m512i z[4], out[4];
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) { /* quarter q: row 4 q + v */
        z[v] = _mm512_castsi128_si512(_mm_loadu_si128((const void *)(row_of(row, v) + at)));
        z[v] = _mm512_inserti32x4(z[v], _mm_loadu_si128((const void *)(row_of(row, 4 + v) + at)), 1);
        z[v] = _mm512_inserti32x4(z[v], _mm_loadu_si128((const void *)(row_of(row, 8 + v) + at)), 2);
        z[v] = _mm512_inserti32x4(z[v], _mm_loadu_si128((const void *)(row_of(row, 12 + v) + at)), 3);
    }
    turn_quarters(out, z);
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        word[j] = (vi)out[j];
    }
}

/* A load of 32 bytes costs no more than one of 16, so that the quarters are put in order later. */
INLINE void vi_turn_two(vi word[8], const lane_rows *row, int64_t at)
{
    __m512i half[2][4];
#pragma GCC unroll 2
    for (int h = 0; h < 2; h++) {
        __m512i z[4];
#pragma GCC unroll 4
        for (int v = 0; v < 4; v++) { /* halves: rows 8 h + v and 8 h + 4 + v */
            z[v] = _mm512_castsi256_si512(_mm256_loadu_si256((const void *)(row_of(row, 8 * h + v) + at)));
            z[v] = _mm512_inserti64x4(z[v], _mm256_loadu_si256((const void *)(row_of(row, 8 * h + 4 + v) + at)), 1);
        }
        turn_quarters(half[h], z);
    }
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        word[j] = (vi)_mm512_shuffle_i32x4(half[0][j], half[1][j], 0x88);
        word[4 + j] = (vi)_mm512_shuffle_i32x4(half[0][j], half[1][j], 0xdd);
    }
}

INLINE vf vf_halves(vi x) { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16((__m512i)x)); }
INLINE vf vf_load_halves(const uint16_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const void *)p)); }

INLINE vi vi_lookup(const int8_t table[16], vi x)
{
    return (vi)_mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128((const void *)table)), (__m512i)x);
}

#endif
