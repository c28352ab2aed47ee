/* What blocks mean. The order of the operations is ggml's (ggml-quants.c), since every result must have the same bits:
 * scale times scale first, then times the code, then minus the minimum; no fused multiply-add (ISO C11 mode). */
#include "base/block.h"

#include <math.h>

/* Non-linear codes of IQ4: Lloyd-Max levels for a normal distribution, as ggml fixed them. */
const int8_t pc_iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

static void nibbles(uint8_t code[32], const uint8_t qs[16])
{
    for (int i = 0; i < 16; i++) {
        code[i] = qs[i] & 15;
        code[i + 16] = qs[i] >> 4;
    }
}

/* The fifth bits of 32 numbers. */
static void add_fifth(uint8_t code[32], const uint8_t qh[4])
{
    for (int i = 0; i < 32; i++) {
        code[i] |= (uint8_t)((qh[i / 8] >> (i % 8) & 1) << 4);
    }
}

static void parts_q4_0(pc_block_parts *out, const void *src)
{
    pc_block_q4_0 b;
    memcpy(&b, src, sizeof b);
    nibbles(out->code, b.qs);
    out->scale[0] = pc_f16_to_f32(b.d);
}

static void parts_q4_1(pc_block_parts *out, const void *src)
{
    pc_block_q4_1 b;
    memcpy(&b, src, sizeof b);
    nibbles(out->code, b.qs);
    out->scale[0] = pc_f16_to_f32(b.d);
    out->min[0] = pc_f16_to_f32(b.m);
}

static void parts_q5_0(pc_block_parts *out, const void *src)
{
    pc_block_q5_0 b;
    memcpy(&b, src, sizeof b);
    nibbles(out->code, b.qs);
    add_fifth(out->code, b.qh);
    out->scale[0] = pc_f16_to_f32(b.d);
}

static void parts_q5_1(pc_block_parts *out, const void *src)
{
    pc_block_q5_1 b;
    memcpy(&b, src, sizeof b);
    nibbles(out->code, b.qs);
    add_fifth(out->code, b.qh);
    out->scale[0] = pc_f16_to_f32(b.d);
    out->min[0] = pc_f16_to_f32(b.m);
}

static void parts_q8_0(pc_block_parts *out, const void *src)
{
    pc_block_q8_0 b;
    memcpy(&b, src, sizeof b);
    for (int i = 0; i < 32; i++) {
        out->code[i] = (uint8_t)(b.qs[i] + 128);
    }
    out->scale[0] = pc_f16_to_f32(b.d);
}

static void iq4_codes(uint8_t code[32], const uint8_t qs[16])
{
    nibbles(code, qs);
    for (int i = 0; i < 32; i++) {
        code[i] = (uint8_t)(pc_iq4_values[code[i]] + 128);
    }
}

static void parts_iq4_nl(pc_block_parts *out, const void *src)
{
    pc_block_iq4_nl b;
    memcpy(&b, src, sizeof b);
    iq4_codes(out->code, b.qs);
    out->scale[0] = pc_f16_to_f32(b.d);
}

/* Two-bit code i of 256 in Q2_K and Q3_K, and the high bits of Q6_K. */
static int code2(const uint8_t qs[64], int i)
{
    return qs[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
}

static void parts_q2_k(pc_block_parts *out, const void *src)
{
    pc_block_q2_k b;
    memcpy(&b, src, sizeof b);
    float d = pc_f16_to_f32(b.d), dmin = pc_f16_to_f32(b.dmin);
    for (int j = 0; j < 16; j++) {
        out->scale[j] = d * (float)(b.scales[j] & 15);
        out->min[j] = -(dmin * (float)(b.scales[j] >> 4));
    }
    for (int i = 0; i < PC_BLOCK_LARGE; i++) {
        out->code[i] = (uint8_t)code2(b.qs, i);
    }
}

static void parts_q3_k(pc_block_parts *out, const void *src)
{
    pc_block_q3_k b;
    memcpy(&b, src, sizeof b);
    float d = pc_f16_to_f32(b.d);
    for (int j = 0; j < 16; j++) {
        out->scale[j] = d * (float)pc_block_scale_q3(b.scales, j);
    }
    for (int i = 0; i < PC_BLOCK_LARGE; i++) {
        out->code[i] = (uint8_t)(code2(b.qs, i) | (b.hmask[i % 32] >> (i / 32) & 1) << 2);
    }
}

static void scales_and_mins(pc_block_parts *out, pc_f16 d16, pc_f16 dmin16, const uint8_t scales[12])
{
    float d = pc_f16_to_f32(d16), dmin = pc_f16_to_f32(dmin16);
    for (int j = 0; j < 8; j++) {
        uint8_t scale, min;
        pc_block_scale_min(scales, j, &scale, &min);
        out->scale[j] = d * (float)scale;
        out->min[j] = -(dmin * (float)min);
    }
}

static void parts_q4_k(pc_block_parts *out, const void *src)
{
    pc_block_q4_k b;
    memcpy(&b, src, sizeof b);
    scales_and_mins(out, b.d, b.dmin, b.scales);
    for (int i = 0; i < PC_BLOCK_LARGE; i++) {
        out->code[i] = b.qs[i / 64 * 32 + i % 32] >> (i / 32 % 2 * 4) & 15;
    }
}

static void parts_q5_k(pc_block_parts *out, const void *src)
{
    pc_block_q5_k b;
    memcpy(&b, src, sizeof b);
    scales_and_mins(out, b.d, b.dmin, b.scales);
    for (int i = 0; i < PC_BLOCK_LARGE; i++) {
        int low = b.qs[i / 64 * 32 + i % 32] >> (i / 32 % 2 * 4) & 15;
        out->code[i] = (uint8_t)(low | (b.qh[i % 32] >> (i / 32) & 1) << 4);
    }
}

static void parts_q6_k(pc_block_parts *out, const void *src)
{
    pc_block_q6_k b;
    memcpy(&b, src, sizeof b);
    float d = pc_f16_to_f32(b.d);
    for (int j = 0; j < 16; j++) {
        out->scale[j] = d * (float)b.scales[j];
    }
    for (int i = 0; i < PC_BLOCK_LARGE; i++) {
        /* A half of 128: bytes 0..63 of ql have numbers 0..63 low and 64..127 high; qh as the codes of Q2_K. */
        int half = i / 128, at = i % 128;
        out->code[i] = (uint8_t)((b.ql[half * 64 + at % 64] >> (at / 64 * 4) & 15) | code2(b.qh, i) << 4);
    }
}

static void parts_iq4_xs(pc_block_parts *out, const void *src)
{
    pc_block_iq4_xs b;
    memcpy(&b, src, sizeof b);
    float d = pc_f16_to_f32(b.d);
    for (int j = 0; j < 8; j++) {
        out->scale[j] = d * (float)pc_block_scale_iq4(&b, j);
        iq4_codes(out->code + j * 32, b.qs + j * 16);
    }
}

static const struct {
    void (*parts)(pc_block_parts *, const void *);
    pc_block_format format;
} types[PC_DTYPE_COUNT] = {
#define TYPE(type, dtype, unit, group, offset, has_min) [dtype] = {parts_##type, {group, offset, has_min}},
    PC_BLOCK_FORMATS(TYPE)
#undef TYPE
};

const pc_block_format *pc_block_format_of(pc_dtype dtype) { return &types[dtype].format; }

void pc_block_take_apart(pc_dtype dtype, pc_block_parts *out, const void *block) { types[dtype].parts(out, block); }

void pc_block_dequantise(pc_dtype dtype, float *dst, const void *src, size_t count)
{
    const uint8_t *from = src;
    const size_t unit = pc_dtype_unit(dtype), size = pc_dtype_size(dtype);
    const pc_block_format format = types[dtype].format;
    pc_block_parts parts;
    for (size_t i = 0; i + unit <= count; i += unit, from += size) {
        types[dtype].parts(&parts, from);
        for (size_t j = 0; j < unit; j++) {
            const size_t group = j / (size_t)format.group;
            const float x = parts.scale[group] * (float)(parts.code[j] - format.offset);
            dst[i + j] = format.has_min ? x + parts.min[group] : x;
        }
    }
}

float pc_block_get(pc_dtype dtype, const void *data, size_t i)
{
    float block[PC_BLOCK_LARGE];
    size_t unit = pc_dtype_unit(dtype);
    pc_block_dequantise(dtype, block, (const uint8_t *)data + i / unit * pc_dtype_size(dtype), unit);
    return block[i % unit];
}

float pc_block_round_eight(int8_t code[PC_BLOCK_SMALL], const float x[PC_BLOCK_SMALL])
{
    float most = 0;
    bool finite = true;
    for (int i = 0; i < PC_BLOCK_SMALL; i++) {
        finite = finite && isfinite(x[i]);
        most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
    }
    const float inverse = finite && most >= 1e-30f ? 127.0f / most : 0;
    for (int i = 0; i < PC_BLOCK_SMALL; i++) {
        code[i] = (int8_t)(inverse > 0 ? rintf(x[i] * inverse) : 0);
    }
    return !finite ? NAN : inverse > 0 ? most / 127.0f : 0;
}
