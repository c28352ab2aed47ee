/* Vectors of four floats in GNU C: the level that every processor has (SSE2 and NEON come out of it). */
#ifndef PC_BACKEND_CPU_VEC_C_H
#define PC_BACKEND_CPU_VEC_C_H

#include "base/dtype.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

typedef float vf __attribute__((vector_size(16)));
typedef int32_t vi __attribute__((vector_size(16)));
typedef int vmask; /* number of leading lanes */

enum { LANES = 4 };
#define TILE_ROWS 4 /* rows of accumulators that fit the registers, two vectors each */
/* A is 192 KiB, a part of an L2 cache of 1 MiB; all of K is packed at a time. */
#define CUT {.units = 384, .tiles = 8, .chunk_units = 1024 * 1024 / (2 * LANES), .across_units = 3 * 384, \
             .panel_units = 4 * 1024 * 1024}

/* asm constraint of a vector register */
#if defined(__x86_64__)
#define IN_REGISTER "x"
#elif defined(__aarch64__)
#define IN_REGISTER "w"
#else
#define IN_REGISTER "m"
#endif
#define INLINE static inline __attribute__((always_inline, unused))

INLINE vf vf_set(float x) { return (vf){x, x, x, x}; }
INLINE vi vi_set(int32_t x) { return (vi){x, x, x, x}; }
INLINE vi vi_count(void) { return (vi){0, 1, 2, 3}; }
INLINE vmask vm_first(int64_t n) { return n >= LANES ? LANES : (int)n; }

INLINE vf vf_load(const float *p)
{
    vf x;
    memcpy(&x, p, sizeof x);
    return x;
}
INLINE void vf_store(float *p, vf x) { memcpy(p, &x, sizeof x); }
INLINE vi vi_load(const int32_t *p)
{
    vi x;
    memcpy(&x, p, sizeof x);
    return x;
}
INLINE vf vf_load_mask(const float *p, vmask n)
{
    vf x = {0};
    for (int i = 0; i < n; i++) {
        x[i] = p[i];
    }
    return x;
}
INLINE void vf_store_mask(float *p, vf x, vmask n)
{
    for (int i = 0; i < n; i++) {
        p[i] = x[i];
    }
}
INLINE vf vf_load_bf16(const pc_bf16 *p, vmask n)
{
    vf x = {0};
    for (int i = 0; i < n; i++) {
        x[i] = pc_bf16_to_f32(p[i]);
    }
    return x;
}
INLINE vf vf_load_f16(const pc_f16 *p, vmask n)
{
    vf x = {0};
    for (int i = 0; i < n; i++) {
        x[i] = pc_f16_to_f32(p[i]);
    }
    return x;
}
INLINE vf vf_fma(vf a, vf b, vf c) { return a * b + c; }
INLINE vi vi_max(vi a, vi b)
{
    const vi first = a > b;
    return (first & a) | (~first & b);
}
INLINE int32_t vi_top(vi x)
{
    const vi half = vi_max(x, (vi){x[2], x[3], x[2], x[3]});
    return half[0] > half[1] ? half[0] : half[1];
}
INLINE int32_t vi_sum(vi x) { return x[0] + x[1] + x[2] + x[3]; }
INLINE vf vf_whole(vi x) { return (vf){(float)x[0], (float)x[1], (float)x[2], (float)x[3]}; }
INLINE vf vf_pick(vi mask, vf a, vf b) { return (vf)((mask & (vi)a) | (~mask & (vi)b)); }
INLINE vf vf_max(vf a, vf b) { return vf_pick(a > b, a, b); } /* b when one is NaN */
INLINE vf vf_min(vf a, vf b) { return vf_pick(a < b, a, b); } /* b when one is NaN */
INLINE vf vf_pick_less(vf x, vf y, vf a, vf b) { return vf_pick(x < y, a, b); } /* x < y ? a : b */
INLINE vf vf_pick_within(vi low, vi i, vi high, vf a, vf b) { return vf_pick((i >= low) & (i < high), a, b); }
INLINE vf vf_sqrt(vf x) { return (vf){sqrtf(x[0]), sqrtf(x[1]), sqrtf(x[2]), sqrtf(x[3])}; }
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
INLINE float vf_sum(vf x) { return (x[0] + x[2]) + (x[1] + x[3]); }
INLINE float vf_top(vf x)
{
    float a = x[0] > x[1] ? x[0] : x[1];
    float b = x[2] > x[3] ? x[2] : x[3];
    return a > b ? a : b;
}
/* Round to bf16, kept as f32; NaN stays NaN. */
INLINE vf vf_round_bf16(vf x)
{
    vi bits = (vi)x;
    vi rounded = (bits + 0x7fff + ((bits >> 16) & 1)) & vi_set((int32_t)0xffff0000);
    return vf_pick(x == x, (vf)rounded, (vf)(bits | 0x400000));
}
#if defined(__has_builtin) && __has_builtin(__builtin_shufflevector)
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else /* gcc before 12 */
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (vi){__VA_ARGS__})
#endif
INLINE void vi_transpose(vi r[LANES])
{
    vi t0 = SHUFFLE(r[0], r[1], 0, 4, 1, 5);
    vi t1 = SHUFFLE(r[2], r[3], 0, 4, 1, 5);
    vi t2 = SHUFFLE(r[0], r[1], 2, 6, 3, 7);
    vi t3 = SHUFFLE(r[2], r[3], 2, 6, 3, 7);
    r[0] = SHUFFLE(t0, t1, 0, 1, 4, 5);
    r[1] = SHUFFLE(t0, t1, 2, 3, 6, 7);
    r[2] = SHUFFLE(t2, t3, 0, 1, 4, 5);
    r[3] = SHUFFLE(t2, t3, 2, 3, 6, 7);
}

#endif
