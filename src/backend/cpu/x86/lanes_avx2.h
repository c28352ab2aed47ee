/* Rows of blocks side by side, in AVX2: what template/lanes8.h asks for. */
#ifndef PC_BACKEND_CPU_LANES_AVX2_H
#define PC_BACKEND_CPU_LANES_AVX2_H

#include "backend/cpu/template/lane_rows.h"
#include "backend/cpu/x86/vec_avx2.h"

INLINE void vi_turn(vi word[4], const lane_rows *row, int64_t at)
{
    __m256i z[4];
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) { /* rows v and 4 + v */
        z[v] = _mm256_loadu2_m128i((const void *)(row_of(row, 4 + v) + at), (const void *)(row_of(row, v) + at));
    }
    const __m256i a = _mm256_unpacklo_epi32(z[0], z[1]), b = _mm256_unpackhi_epi32(z[0], z[1]);
    const __m256i c = _mm256_unpacklo_epi32(z[2], z[3]), d = _mm256_unpackhi_epi32(z[2], z[3]);
    word[0] = (vi)_mm256_unpacklo_epi64(a, c);
    word[1] = (vi)_mm256_unpackhi_epi64(a, c);
    word[2] = (vi)_mm256_unpacklo_epi64(b, d);
    word[3] = (vi)_mm256_unpackhi_epi64(b, d);
}

INLINE void vi_turn_two(vi word[8], const lane_rows *row, int64_t at)
{
    vi_turn(word, row, at);
    vi_turn(word + 4, row, at + 16);
}

INLINE vf vf_halves(vi x)
{
    const __m256i low = (__m256i)(x & vi_set(0xffff));
    const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, low), 0x08);
    return _mm256_cvtph_ps(_mm256_castsi256_si128(packed));
}

INLINE vf vf_load_halves(const uint16_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const void *)p)); }

INLINE vi vi_lookup(const int8_t table[16], vi x)
{
    return (vi)_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)table)), (__m256i)x);
}

#endif
