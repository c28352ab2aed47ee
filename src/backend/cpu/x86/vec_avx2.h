/* Vectors of eight floats: AVX2 with FMA and F16C. */
#ifndef PC_BACKEND_CPU_VEC_AVX2_H
#define PC_BACKEND_CPU_VEC_AVX2_H

#include "base/dtype.h"

#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

typedef __m256 vf;
typedef int32_t vi __attribute__((vector_size(32)));
typedef __m256i vmask; /* lanes that are all ones take part */

enum { LANES = 8 };
#define TILE_ROWS 6 /* rows of accumulators that fit the registers, two vectors each */
/* A panel of B is 24 KiB of an L1 cache of 32, an item's A 288 KiB of an L2 cache of 512, the packed B 2 MiB of an L3 cache
 * that others use as well. */
#define CUT {.units = 384, .tiles = 24, .chunk_units = 384, .across_units = 384, .panel_units = 512 * 1024}

#define IN_REGISTER "x" /* asm constraint of a vector register */
#define INLINE static inline __attribute__((always_inline, unused))

INLINE vf vf_set(float x) { return _mm256_set1_ps(x); }
INLINE vi vi_set(int32_t x) { return (vi)_mm256_set1_epi32(x); }
INLINE vi vi_count(void) { return (vi){0, 1, 2, 3, 4, 5, 6, 7}; }
INLINE vmask vm_first(int64_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n > LANES ? LANES : (int)n), (__m256i)vi_count());
}
INLINE vf vf_load(const float *p) { return _mm256_loadu_ps(p); }
INLINE void vf_store(float *p, vf x) { _mm256_storeu_ps(p, x); }
INLINE vi vi_load(const int32_t *p) { return (vi)_mm256_loadu_si256((const __m256i *)p); }
INLINE vf vf_load_mask(const float *p, vmask m) { return _mm256_maskload_ps(p, m); }
INLINE void vf_store_mask(float *p, vf x, vmask m) { _mm256_maskstore_ps(p, m, x); }
/* The first lanes of 16-bit numbers; what is not wanted is not read. */
INLINE __m128i load_short(const uint16_t *p, vmask m)
{
    unsigned lanes = (unsigned)_mm256_movemask_ps((__m256)m);
    if (lanes == 0xff) {
        return _mm_loadu_si128((const __m128i *)p);
    }
    uint16_t part[8] = {0};
    for (int i = 0; lanes >> i; i++) {
        part[i] = p[i];
    }
    return _mm_loadu_si128((const __m128i *)part);
}
INLINE vf vf_load_bf16(const pc_bf16 *p, vmask m)
{
    return (vf)_mm256_slli_epi32(_mm256_cvtepu16_epi32(load_short(p, m)), 16);
}
INLINE vf vf_load_f16(const pc_f16 *p, vmask m) { return _mm256_cvtph_ps(load_short(p, m)); }
INLINE vf vf_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
INLINE vi vi_max(vi a, vi b) { return (vi)_mm256_max_epi32((__m256i)a, (__m256i)b); }
INLINE int32_t vi_top(vi x)
{
    __m128i s = _mm_max_epi32(_mm256_castsi256_si128((__m256i)x), _mm256_extracti128_si256((__m256i)x, 1));
    s = _mm_max_epi32(s, _mm_unpackhi_epi64(s, s));
    return _mm_cvtsi128_si32(_mm_max_epi32(s, _mm_shuffle_epi32(s, 1)));
}
INLINE int32_t vi_sum(vi x)
{
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128((__m256i)x), _mm256_extracti128_si256((__m256i)x, 1));
    s = _mm_add_epi32(s, _mm_unpackhi_epi64(s, s));
    return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 1)));
}
INLINE vf vf_whole(vi x) { return _mm256_cvtepi32_ps((__m256i)x); }
INLINE vf vf_max(vf a, vf b) { return _mm256_max_ps(a, b); } /* b when one is NaN */
INLINE vf vf_min(vf a, vf b) { return _mm256_min_ps(a, b); } /* b when one is NaN */
INLINE vf vf_pick_less(vf x, vf y, vf a, vf b) /* x < y ? a : b */
{
    return _mm256_blendv_ps(b, a, _mm256_cmp_ps(x, y, _CMP_LT_OQ));
}
INLINE vf vf_pick_within(vi low, vi i, vi high, vf a, vf b)
{
    return _mm256_blendv_ps(b, a, (vf)((i >= low) & (i < high)));
}
INLINE vf vf_sqrt(vf x) { return _mm256_sqrt_ps(x); }
INLINE vf vf_abs(vf x) { return (vf)((vi)x & vi_set(0x7fffffff)); }
INLINE vf vf_copysign(vf x, vf sign)
{
    return (vf)(((vi)x & vi_set(0x7fffffff)) | ((vi)sign & vi_set((int32_t)0x80000000)));
}
/* x * 2^n for n in [-252, 254], in two exact steps but for the last. */
INLINE vf vf_ldexp(vf x, vi n)
{
    vi half = n >> 1;
    return x * (vf)((half + 127) << 23) * (vf)((n - half + 127) << 23);
}
INLINE float vf_sum(vf x)
{
    __m128 s = _mm256_castps256_ps128(x) + _mm256_extractf128_ps(x, 1);
    s += _mm_movehl_ps(s, s);
    return s[0] + s[1];
}
INLINE float vf_top(vf x)
{
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return s[0] > s[1] ? s[0] : s[1];
}
/* Round to bf16, kept as f32; NaN stays NaN. */
INLINE vf vf_round_bf16(vf x)
{
    vi bits = (vi)x;
    vi rounded = (bits + 0x7fff + ((bits >> 16) & 1)) & vi_set((int32_t)0xffff0000);
    return _mm256_blendv_ps((vf)(bits | 0x400000), (vf)rounded, _mm256_cmp_ps(x, x, _CMP_ORD_Q));
}
INLINE void vi_transpose(vi row[LANES])
{
    __m256 *r = (__m256 *)row;
    __m256 t[8];
    for (int i = 0; i < 4; i++) { /* pairs, then quads inside each 128-bit half */
        t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
    for (int i = 0; i < 2; i++) {
        r[4 * i] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0x44);
        r[4 * i + 1] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0xee);
        r[4 * i + 2] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0x44);
        r[4 * i + 3] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) {
        t[i] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x20);
        t[i + 4] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x31);
    }
    memcpy(row, t, sizeof t);
}

#endif
