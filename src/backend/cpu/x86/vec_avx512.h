/* Vectors of sixteen floats: AVX-512 F, BW, DQ, VL. */
#ifndef PC_BACKEND_CPU_VEC_AVX512_H
#define PC_BACKEND_CPU_VEC_AVX512_H

#include "base/dtype.h"

#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

typedef __m512 vf;
typedef int32_t vi __attribute__((vector_size(64)));
typedef __mmask16 vmask;

enum { LANES = 16 };
#define TILE_ROWS 14 /* rows of accumulators that fit the registers, two vectors each */
/* A is 192 KiB, a part of an L2 cache of 1 MiB; all of K is packed at a time. */
#define CUT {.units = 384, .tiles = 8, .chunk_units = 1024 * 1024 / (2 * LANES), .across_units = 3 * 384, \
             .panel_units = 4 * 1024 * 1024}

#define IN_REGISTER "v" /* asm constraint of a vector register, of all 32 */
#define INLINE static inline __attribute__((always_inline, unused))

INLINE vf vf_set(float x) { return _mm512_set1_ps(x); }
INLINE vi vi_set(int32_t x) { return (vi)_mm512_set1_epi32(x); }
INLINE vi vi_count(void) { return (vi){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}; }
INLINE vmask vm_first(int64_t n) { return n >= LANES ? 0xffff : (vmask)((1u << n) - 1); }
INLINE vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
INLINE void vf_store(float *p, vf x) { _mm512_storeu_ps(p, x); }
INLINE vi vi_load(const int32_t *p) { return (vi)_mm512_loadu_si512(p); }
INLINE vf vf_load_mask(const float *p, vmask m) { return _mm512_maskz_loadu_ps(m, p); }
INLINE void vf_store_mask(float *p, vf x, vmask m) { _mm512_mask_storeu_ps(p, m, x); }
INLINE vf vf_load_bf16(const pc_bf16 *p, vmask m)
{
    return (vf)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m, p)), 16);
}
INLINE vf vf_load_f16(const pc_f16 *p, vmask m) { return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(m, p)); }
INLINE vf vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
INLINE vi vi_max(vi a, vi b) { return (vi)_mm512_max_epi32((__m512i)a, (__m512i)b); }
INLINE int32_t vi_top(vi x) { return _mm512_reduce_max_epi32((__m512i)x); }
INLINE int32_t vi_sum(vi x) { return _mm512_reduce_add_epi32((__m512i)x); }
INLINE vf vf_whole(vi x) { return _mm512_cvtepi32_ps((__m512i)x); }
INLINE vf vf_max(vf a, vf b) { return _mm512_max_ps(a, b); } /* b when one is NaN */
INLINE vf vf_min(vf a, vf b) { return _mm512_min_ps(a, b); } /* b when one is NaN */
INLINE vf vf_pick_less(vf x, vf y, vf a, vf b) /* x < y ? a : b */
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, y, _CMP_LT_OQ), b, a);
}
INLINE vf vf_pick_within(vi low, vi i, vi high, vf a, vf b)
{
    __mmask16 inside = _mm512_cmpge_epi32_mask((__m512i)i, (__m512i)low);
    return _mm512_mask_blend_ps(_mm512_mask_cmplt_epi32_mask(inside, (__m512i)i, (__m512i)high), b, a);
}
INLINE vf vf_sqrt(vf x) { return _mm512_sqrt_ps(x); }
INLINE vf vf_abs(vf x) { return (vf)((vi)x & vi_set(0x7fffffff)); }
INLINE vf vf_copysign(vf x, vf sign)
{
    return (vf)(((vi)x & vi_set(0x7fffffff)) | ((vi)sign & vi_set((int32_t)0x80000000)));
}
INLINE vf vf_ldexp(vf x, vi n) { return _mm512_scalef_ps(x, _mm512_cvtepi32_ps((__m512i)n)); }
INLINE float vf_sum(vf x)
{
    __m256 h = _mm512_castps512_ps256(x) + _mm512_extractf32x8_ps(x, 1);
    __m128 s = _mm256_castps256_ps128(h) + _mm256_extractf128_ps(h, 1);
    s += _mm_movehl_ps(s, s);
    return s[0] + s[1];
}
INLINE float vf_top(vf x) { return _mm512_reduce_max_ps(x); }
/* Round to bf16, kept as f32; NaN stays NaN. */
INLINE vf vf_round_bf16(vf x)
{
    vi bits = (vi)x;
    vi rounded = (bits + 0x7fff + ((bits >> 16) & 1)) & vi_set((int32_t)0xffff0000);
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, x, _CMP_ORD_Q), (vf)(bits | 0x400000), (vf)rounded);
}
INLINE void vi_transpose(vi row[LANES])
{
    __m512 t[16];
    __m512 r[16];
    /* 4x4 blocks inside the 128-bit quarters, then the quarters themselves. */
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        t[2 * i] = _mm512_unpacklo_ps((__m512)row[2 * i], (__m512)row[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_ps((__m512)row[2 * i], (__m512)row[2 * i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        r[4 * i] = _mm512_shuffle_ps(t[4 * i], t[4 * i + 2], 0x44);
        r[4 * i + 1] = _mm512_shuffle_ps(t[4 * i], t[4 * i + 2], 0xee);
        r[4 * i + 2] = _mm512_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0x44);
        r[4 * i + 3] = _mm512_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0xee);
    }
    /* r[4g + c]: column c of each quarter of rows 4g..4g+3 */
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
        t[c] = _mm512_shuffle_f32x4(r[c], r[4 + c], 0x88);          /* quarters 0, 2 */
        t[4 + c] = _mm512_shuffle_f32x4(r[c], r[4 + c], 0xdd);      /* quarters 1, 3 */
        t[8 + c] = _mm512_shuffle_f32x4(r[8 + c], r[12 + c], 0x88);
        t[12 + c] = _mm512_shuffle_f32x4(r[8 + c], r[12 + c], 0xdd);
    }
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
        row[c] = (vi)_mm512_shuffle_f32x4(t[c], t[8 + c], 0x88);
        row[8 + c] = (vi)_mm512_shuffle_f32x4(t[c], t[8 + c], 0xdd);
        row[4 + c] = (vi)_mm512_shuffle_f32x4(t[4 + c], t[12 + c], 0x88);
        row[12 + c] = (vi)_mm512_shuffle_f32x4(t[4 + c], t[12 + c], 0xdd);
    }
}

#endif
