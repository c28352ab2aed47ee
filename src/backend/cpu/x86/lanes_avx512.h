/* Rows of blocks side by side, in AVX-512: what template/lanes8.h asks for. */
#ifndef PC_BACKEND_CPU_LANES_AVX512_H
#define PC_BACKEND_CPU_LANES_AVX512_H

#include "backend/cpu/x86/vec_avx512.h"

INLINE void vi_turn(vi word[4], const char *const row[LANES], int64_t at)
{
    __m512i z[4];
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) { /* quarter q: row 4 q + v */
        z[v] = _mm512_castsi128_si512(_mm_loadu_si128((const void *)(row[v] + at)));
        z[v] = _mm512_inserti32x4(z[v], _mm_loadu_si128((const void *)(row[4 + v] + at)), 1);
        z[v] = _mm512_inserti32x4(z[v], _mm_loadu_si128((const void *)(row[8 + v] + at)), 2);
        z[v] = _mm512_inserti32x4(z[v], _mm_loadu_si128((const void *)(row[12 + v] + at)), 3);
    }
    const __m512i a = _mm512_unpacklo_epi32(z[0], z[1]), b = _mm512_unpackhi_epi32(z[0], z[1]);
    const __m512i c = _mm512_unpacklo_epi32(z[2], z[3]), d = _mm512_unpackhi_epi32(z[2], z[3]);
    word[0] = (vi)_mm512_unpacklo_epi64(a, c);
    word[1] = (vi)_mm512_unpackhi_epi64(a, c);
    word[2] = (vi)_mm512_unpacklo_epi64(b, d);
    word[3] = (vi)_mm512_unpackhi_epi64(b, d);
}

INLINE __m256i shorts_of(const char *const row[LANES], int64_t at)
{
    uint16_t bits[LANES];
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++) {
        memcpy(&bits[i], row[i] + at, sizeof bits[i]);
    }
    return _mm256_set_epi16((short)bits[15], (short)bits[14], (short)bits[13], (short)bits[12], (short)bits[11],
                            (short)bits[10], (short)bits[9], (short)bits[8], (short)bits[7], (short)bits[6], (short)bits[5],
                            (short)bits[4], (short)bits[3], (short)bits[2], (short)bits[1], (short)bits[0]);
}

INLINE vi vi_short(const char *const row[LANES], int64_t at) { return (vi)_mm512_cvtepu16_epi32(shorts_of(row, at)); }
INLINE vf vf_short(const char *const row[LANES], int64_t at) { return _mm512_cvtph_ps(shorts_of(row, at)); }
INLINE vf vf_halves(vi x) { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16((__m512i)x)); }

INLINE vi vi_lookup(const int8_t table[16], vi x)
{
    return (vi)_mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128((const void *)table)), (__m512i)x);
}

#endif
