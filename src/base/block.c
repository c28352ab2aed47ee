/* What blocks mean. The order of the operations is ggml's (ggml-quants.c), since every result must have the same bits:
 * scale times scale first, then times the code, then minus the minimum; no fused multiply-add (ISO C11 mode). */
#include "base/block.h"

/* Non-linear codes of IQ4: Lloyd-Max levels for a normal distribution, as ggml fixed them. */
const int8_t pc_iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

static void read_q4_0(float *y, const void *src)
{
    pc_block_q4_0 b;
    memcpy(&b, src, sizeof b);
    float d = pc_f16_to_f32(b.d);
    for (int i = 0; i < 16; i++) {
        y[i] = (float)((b.qs[i] & 15) - 8) * d;
        y[i + 16] = (float)((b.qs[i] >> 4) - 8) * d;
    }
}

static void read_q4_1(float *y, const void *src)
{
    pc_block_q4_1 b;
    memcpy(&b, src, sizeof b);
    float d = pc_f16_to_f32(b.d), m = pc_f16_to_f32(b.m);
    for (int i = 0; i < 16; i++) {
        y[i] = (float)(b.qs[i] & 15) * d + m;
        y[i + 16] = (float)(b.qs[i] >> 4) * d + m;
    }
}

/* Five-bit code i of 32: nibble and its bit of qh. */
static int code5(const uint8_t qs[16], const uint8_t qh[4], int i)
{
    int nibble = i < 16 ? qs[i] & 15 : qs[i - 16] >> 4;
    return nibble | (qh[i / 8] >> (i % 8) & 1) << 4;
}

static void read_q5_0(float *y, const void *src)
{
    pc_block_q5_0 b;
    memcpy(&b, src, sizeof b);
    float d = pc_f16_to_f32(b.d);
    for (int i = 0; i < PC_BLOCK_SMALL; i++) {
        y[i] = (float)(code5(b.qs, b.qh, i) - 16) * d;
    }
}

static void read_q5_1(float *y, const void *src)
{
    pc_block_q5_1 b;
    memcpy(&b, src, sizeof b);
    float d = pc_f16_to_f32(b.d), m = pc_f16_to_f32(b.m);
    for (int i = 0; i < PC_BLOCK_SMALL; i++) {
        y[i] = (float)code5(b.qs, b.qh, i) * d + m;
    }
}

static void read_q8_0(float *y, const void *src)
{
    pc_block_q8_0 b;
    memcpy(&b, src, sizeof b);
    float d = pc_f16_to_f32(b.d);
    for (int i = 0; i < PC_BLOCK_SMALL; i++) {
        y[i] = (float)b.qs[i] * d;
    }
}

static void read_iq4_nl(float *y, const void *src)
{
    pc_block_iq4_nl b;
    memcpy(&b, src, sizeof b);
    float d = pc_f16_to_f32(b.d);
    for (int i = 0; i < 16; i++) {
        y[i] = d * (float)pc_iq4_values[b.qs[i] & 15];
        y[i + 16] = d * (float)pc_iq4_values[b.qs[i] >> 4];
    }
}

/* Two-bit code i of 256 in Q2_K and Q3_K. */
static int code2(const uint8_t qs[64], int i)
{
    return qs[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
}

static void read_q2_k(float *y, const void *src)
{
    pc_block_q2_k b;
    memcpy(&b, src, sizeof b);
    float d = pc_f16_to_f32(b.d), dmin = pc_f16_to_f32(b.dmin);
    for (int i = 0; i < PC_BLOCK_LARGE; i++) {
        float scale = d * (float)(b.scales[i / 16] & 15), min = dmin * (float)(b.scales[i / 16] >> 4);
        y[i] = scale * (float)code2(b.qs, i) - min;
    }
}

static void read_q3_k(float *y, const void *src)
{
    pc_block_q3_k b;
    memcpy(&b, src, sizeof b);
    float d = pc_f16_to_f32(b.d);
    for (int i = 0; i < PC_BLOCK_LARGE; i++) {
        float scale = d * (float)pc_block_scale_q3(b.scales, i / 16);
        int high = b.hmask[i % 32] >> (i / 32) & 1;
        y[i] = scale * (float)(code2(b.qs, i) - (high ? 0 : 4));
    }
}

static void read_q4_k(float *y, const void *src)
{
    pc_block_q4_k b;
    memcpy(&b, src, sizeof b);
    float d = pc_f16_to_f32(b.d), dmin = pc_f16_to_f32(b.dmin);
    for (int j = 0; j < 8; j++) {
        const uint8_t *qs = b.qs + j / 2 * 32;
        uint8_t scale, min;
        pc_block_scale_min(b.scales, j, &scale, &min);
        float s = d * (float)scale, m = dmin * (float)min;
        for (int i = 0; i < 32; i++) {
            y[j * 32 + i] = s * (float)(qs[i] >> (4 * (j % 2)) & 15) - m;
        }
    }
}

static void read_q5_k(float *y, const void *src)
{
    pc_block_q5_k b;
    memcpy(&b, src, sizeof b);
    float d = pc_f16_to_f32(b.d), dmin = pc_f16_to_f32(b.dmin);
    for (int j = 0; j < 8; j++) {
        const uint8_t *qs = b.qs + j / 2 * 32;
        uint8_t scale, min;
        pc_block_scale_min(b.scales, j, &scale, &min);
        float s = d * (float)scale, m = dmin * (float)min;
        for (int i = 0; i < 32; i++) {
            int code = (qs[i] >> (4 * (j % 2)) & 15) + ((b.qh[i] >> j & 1) << 4);
            y[j * 32 + i] = s * (float)code - m;
        }
    }
}

static void read_q6_k(float *y, const void *src)
{
    pc_block_q6_k b;
    memcpy(&b, src, sizeof b);
    float d = pc_f16_to_f32(b.d);
    for (int i = 0; i < PC_BLOCK_LARGE; i++) {
        /* A half of 128: bytes 0..63 of ql have numbers 0..63 low and 64..127 high; qh as the codes of Q2_K. */
        int half = i / 128, at = i % 128;
        int low = b.ql[half * 64 + at % 64] >> (at / 64 * 4) & 15;
        int code = (low | code2(b.qh, i) << 4) - 32;
        y[i] = d * (float)b.scales[i / 16] * (float)code;
    }
}

static void read_iq4_xs(float *y, const void *src)
{
    pc_block_iq4_xs b;
    memcpy(&b, src, sizeof b);
    float d = pc_f16_to_f32(b.d);
    for (int j = 0; j < 8; j++) {
        float scale = d * (float)pc_block_scale_iq4(&b, j);
        for (int i = 0; i < 16; i++) {
            y[j * 32 + i] = scale * (float)pc_iq4_values[b.qs[j * 16 + i] & 15];
            y[j * 32 + i + 16] = scale * (float)pc_iq4_values[b.qs[j * 16 + i] >> 4];
        }
    }
}

static void (*const readers[PC_DTYPE_COUNT])(float *, const void *) = {
    [PC_Q4_0] = read_q4_0,     [PC_Q4_1] = read_q4_1, [PC_Q5_0] = read_q5_0, [PC_Q5_1] = read_q5_1,
    [PC_Q8_0] = read_q8_0,     [PC_Q2_K] = read_q2_k, [PC_Q3_K] = read_q3_k, [PC_Q4_K] = read_q4_k,
    [PC_Q5_K] = read_q5_k,     [PC_Q6_K] = read_q6_k, [PC_IQ4_NL] = read_iq4_nl,
    [PC_IQ4_XS] = read_iq4_xs,
};

void pc_block_dequantise(pc_dtype dtype, float *dst, const void *src, size_t count)
{
    const uint8_t *from = src;
    size_t unit = pc_dtype_unit(dtype), size = pc_dtype_size(dtype);
    for (size_t i = 0; i + unit <= count; i += unit, from += size) {
        readers[dtype](dst + i, from);
    }
}

float pc_block_get(pc_dtype dtype, const void *data, size_t i)
{
    float block[PC_BLOCK_LARGE];
    size_t unit = pc_dtype_unit(dtype);
    readers[dtype](block, (const uint8_t *)data + i / unit * pc_dtype_size(dtype));
    return block[i % unit];
}
