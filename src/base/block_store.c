#include "base/block_store.h"

#include "base/block_internal.h"

#include <math.h>

static const pc_f16 NOT_A_NUMBER = 0x7e00;

/* The number of the largest magnitude, the first of equals; NaN when one of them isn't finite. */
static float largest(const float x[PC_BLOCK_SMALL])
{
    float most = 0, found = 0, sum = 0;
    for (int i = 0; i < PC_BLOCK_SMALL; i++) {
        const float magnitude = fabsf(x[i]);
        sum += 0 * magnitude; /* NaN from infinities and NaN on */
        found = magnitude > most ? x[i] : found;
        most = magnitude > most ? magnitude : most;
    }
    return sum == 0 ? found : NAN;
}

static void store_q8_0(void *dst, const float *x)
{
    const float most = fabsf(largest(x)), d = most / 127, inverse = d > 0 ? 1 / d : 0;
    pc_block_q8_0 b = {.d = most == most ? pc_f32_to_f16(d) : NOT_A_NUMBER};
    for (int i = 0; i < PC_BLOCK_SMALL; i++) {
        b.qs[i] = (int8_t)pc_block_round(x[i] * inverse, -127, 127);
    }
    memcpy(dst, &b, sizeof b);
}

/* 0..15 of a number in units of the scale. */
static uint8_t code_q4_0(float v)
{
    const float shifted = v + 8.5f;
    return (uint8_t)(!(shifted > 0) ? 0 : shifted >= 15 ? 15 : (int)shifted);
}

static void store_q4_0(void *dst, const float *x)
{
    const float m = largest(x), d = m / -8, inverse = d != 0 ? 1 / d : 0;
    pc_block_q4_0 b = {.d = m == m ? pc_f32_to_f16(d) : NOT_A_NUMBER};
    for (int i = 0; i < PC_BLOCK_SMALL / 2; i++) {
        const uint8_t low = code_q4_0(x[i] * inverse), high = code_q4_0(x[i + PC_BLOCK_SMALL / 2] * inverse);
        b.qs[i] = (uint8_t)(low | high << 4);
    }
    memcpy(dst, &b, sizeof b);
}

bool pc_block_stores(pc_dtype dtype)
{
    return dtype == PC_Q8_0 || dtype == PC_Q4_0;
}

void pc_block_store(pc_dtype dtype, void *dst, const float *src, size_t count)
{
    void (*const store)(void *, const float *) = dtype == PC_Q8_0 ? store_q8_0 : store_q4_0;
    char *to = dst;
    for (size_t i = 0; i < count; i += PC_BLOCK_SMALL, to += pc_dtype_size(dtype)) {
        store(to, src + i);
    }
}
