/* How template/dots8.h joins and turns vectors of sixteen whole numbers. */
#ifndef PC_BACKEND_CPU_SUMS_AVX512_H
#define PC_BACKEND_CPU_SUMS_AVX512_H

#include "backend/cpu/x86/vec_avx512.h"

INLINE __m512i sums_of_pairs(__m512i a, __m512i b)
{
    return _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
}

INLINE vi vi_sums(vi a, vi b, vi c, vi d)
{
    const __m512i ab = sums_of_pairs((__m512i)a, (__m512i)b), cd = sums_of_pairs((__m512i)c, (__m512i)d);
    return (vi)_mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
}

INLINE void vi_quarters(vi x[4])
{
    const __m512i even_low = _mm512_shuffle_i32x4((__m512i)x[0], (__m512i)x[1], 0x88);  /* quarters 0, 2 of both */
    const __m512i odd_low = _mm512_shuffle_i32x4((__m512i)x[0], (__m512i)x[1], 0xdd);   /* quarters 1, 3 */
    const __m512i even_high = _mm512_shuffle_i32x4((__m512i)x[2], (__m512i)x[3], 0x88);
    const __m512i odd_high = _mm512_shuffle_i32x4((__m512i)x[2], (__m512i)x[3], 0xdd);
    x[0] = (vi)_mm512_shuffle_i32x4(even_low, even_high, 0x88);
    x[1] = (vi)_mm512_shuffle_i32x4(odd_low, odd_high, 0x88);
    x[2] = (vi)_mm512_shuffle_i32x4(even_low, even_high, 0xdd);
    x[3] = (vi)_mm512_shuffle_i32x4(odd_low, odd_high, 0xdd);
}

/* `left` of the 64 codes are there: 64 or 32. */
INLINE vi vi_codes(const char *a, int64_t stride, const int size, int left)
{
    if (size == 32) {
        const __m512i first = _mm512_zextsi256_si512(_mm256_loadu_si256((const void *)a));
        return left < 64 ? (vi)first : (vi)_mm512_inserti64x4(first, _mm256_loadu_si256((const void *)(a + stride)), 1);
    }
    __m512i z = _mm512_zextsi128_si512(_mm_loadu_si128((const void *)a));
    z = _mm512_inserti32x4(z, _mm_loadu_si128((const void *)(a + stride)), 1);
    z = _mm512_inserti32x4(z, _mm_loadu_si128((const void *)(a + 2 * stride)), 2);
    return (vi)_mm512_inserti32x4(z, _mm_loadu_si128((const void *)(a + 3 * stride)), 3);
}

#endif
