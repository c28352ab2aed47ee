/* What the quantisers of small and large blocks share. */
#ifndef PC_BASE_BLOCK_INTERNAL_H
#define PC_BASE_BLOCK_INTERNAL_H

#include "base/block.h"

/* One block each, of pc_dtype_unit numbers; dst may lie at any address. */
void pc_block_write_q8_0(void *dst, const float *x);
void pc_block_write_q4_0(void *dst, const float *x);
void pc_block_write_iq4_nl(void *dst, const float *x);
void pc_block_write_q4_k(void *dst, const float *x);
void pc_block_write_q5_k(void *dst, const float *x);
void pc_block_write_q6_k(void *dst, const float *x);

/* Round to nearest within low..high; also defined for NaN, infinities and values beyond int. */
static inline int pc_block_round(float x, int low, int high)
{
    if (!(x > (float)low)) {
        return low;
    }
    if (x >= (float)high) {
        return high;
    }
    const float shift = 12582912.0f; /* 1.5 * 2^23: the sum has units of 1 */
    return (int)(x + shift - shift);
}

/* The number as f16 stores it, finite. */
static inline float pc_block_f16(float x)
{
    const float most = 65504;
    return pc_f16_to_f32(pc_f32_to_f16(x > most ? most : x < -most ? -most : x));
}

#endif
