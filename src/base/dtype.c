/* Number types: names, sizes, and the conversions that define what a value means. */
#include "base/dtype.h"

#include "base/block.h"
#include "base/memory.h"

static const struct {
    size_t size, unit;
    const char *name;
    const char *safetensors;
    const char *torch; /* as Hugging Face's config.json spells it; blocks: as llama.cpp's options do */
} types[PC_DTYPE_COUNT] = {
    [PC_F32] = {4, 1, "f32", "F32", "float32"},
    [PC_BF16] = {2, 1, "bf16", "BF16", "bfloat16"},
    [PC_F16] = {2, 1, "f16", "F16", "float16"},
    [PC_F64] = {8, 1, "f64", "F64", "float64"},
    [PC_I32] = {4, 1, "i32", "I32", "int32"},
    [PC_I64] = {8, 1, "i64", "I64", "int64"},
    [PC_U8] = {1, 1, "u8", "U8", "uint8"},
    [PC_BOOL] = {1, 1, "bool", "BOOL", "bool"},
    [PC_Q4_0] = {sizeof(pc_block_q4_0), PC_BLOCK_SMALL, "q4_0", "Q4_0", "Q4_0"},
    [PC_Q4_1] = {sizeof(pc_block_q4_1), PC_BLOCK_SMALL, "q4_1", "Q4_1", "Q4_1"},
    [PC_Q5_0] = {sizeof(pc_block_q5_0), PC_BLOCK_SMALL, "q5_0", "Q5_0", "Q5_0"},
    [PC_Q5_1] = {sizeof(pc_block_q5_1), PC_BLOCK_SMALL, "q5_1", "Q5_1", "Q5_1"},
    [PC_Q8_0] = {sizeof(pc_block_q8_0), PC_BLOCK_SMALL, "q8_0", "Q8_0", "Q8_0"},
    [PC_Q2_K] = {sizeof(pc_block_q2_k), PC_BLOCK_LARGE, "q2_k", "Q2_K", "Q2_K"},
    [PC_Q3_K] = {sizeof(pc_block_q3_k), PC_BLOCK_LARGE, "q3_k", "Q3_K", "Q3_K"},
    [PC_Q4_K] = {sizeof(pc_block_q4_k), PC_BLOCK_LARGE, "q4_k", "Q4_K", "Q4_K"},
    [PC_Q5_K] = {sizeof(pc_block_q5_k), PC_BLOCK_LARGE, "q5_k", "Q5_K", "Q5_K"},
    [PC_Q6_K] = {sizeof(pc_block_q6_k), PC_BLOCK_LARGE, "q6_k", "Q6_K", "Q6_K"},
    [PC_IQ4_NL] = {sizeof(pc_block_iq4_nl), PC_BLOCK_SMALL, "iq4_nl", "IQ4_NL", "IQ4_NL"},
    [PC_IQ4_XS] = {sizeof(pc_block_iq4_xs), PC_BLOCK_LARGE, "iq4_xs", "IQ4_XS", "IQ4_XS"},
};

size_t pc_dtype_size(pc_dtype dtype)
{
    return types[dtype].size;
}

size_t pc_dtype_unit(pc_dtype dtype)
{
    return types[dtype].unit;
}

size_t pc_dtype_align(pc_dtype dtype)
{
    return pc_dtype_is_block(dtype) ? sizeof(pc_f16) : types[dtype].size;
}

bool pc_dtype_bytes(pc_dtype dtype, size_t count, size_t *bytes)
{
    size_t unit = types[dtype].unit;
    return count % unit == 0 && pc_mul_size(count / unit, types[dtype].size, bytes);
}

const char *pc_dtype_name(pc_dtype dtype)
{
    return types[dtype].name;
}

const char *pc_dtype_safetensors_name(pc_dtype dtype)
{
    return types[dtype].safetensors;
}

int pc_dtype_from_name(const char *name)
{
    for (int i = 0; i < PC_DTYPE_COUNT; i++) {
        if (strcmp(name, types[i].name) == 0 || strcmp(name, types[i].safetensors) == 0 ||
            strcmp(name, types[i].torch) == 0) {
            return i;
        }
    }
    return -1;
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

float pc_f16_to_f32(pc_f16 value)
{
    uint32_t sign = (uint32_t)(value & 0x8000u) << 16;
    uint32_t exponent = value >> 10 & 0x1fu;
    uint32_t fraction = value & 0x3ffu;
    if (exponent == 0x1f) {
        /* Infinity, or a NaN, which becomes quiet as the processor's own conversion does. */
        return float_of(sign | 0x7f800000u | fraction << 13 | (fraction ? 0x400000u : 0));
    }
    if (exponent == 0) {
        float small = (float)fraction * 0x1p-24f; /* exact */
        return sign ? -small : small;
    }
    return float_of(sign | (exponent + 127 - 15) << 23 | fraction << 13);
}

pc_f16 pc_f32_to_f16(float value)
{
    uint32_t bits = bits_of(value);
    uint32_t sign = bits >> 16 & 0x8000u;
    uint32_t magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) {
        return (pc_f16)(sign | 0x7e00u | (magnitude >> 13 & 0x3ffu));
    }
    if (magnitude >= 0x477ff000u) { /* 65520, half way between the largest f16 and 65536 */
        return (pc_f16)(sign | 0x7c00u);
    }
    if (magnitude < 0x38800000u) { /* below 2^-14: a multiple of 2^-24, rounded by the addition */
        float shifted = float_of(magnitude) + 0.5f; /* 0.5 has units of 2^-24 */
        return (pc_f16)(sign | (bits_of(shifted) - bits_of(0.5f)));
    }
    uint32_t rounded = magnitude + 0xfffu + (magnitude >> 13 & 1u);
    return (pc_f16)(sign | ((rounded >> 13) - ((127 - 15) << 10)));
}

void pc_convert_to_f32(float *dst, const void *src, pc_dtype dtype, size_t count)
{
    switch (dtype) {
    case PC_F32:
        if (count) {
            memmove(dst, src, count * sizeof *dst);
        }
        break;
#define CONVERT(id, type, expression)                             \
    case id:                                                      \
        for (size_t i = 0; i < count; i++) {                      \
            type x;                                               \
            memcpy(&x, (const char *)src + i * sizeof x, sizeof x); \
            dst[i] = (expression);                                \
        }                                                         \
        break
    CONVERT(PC_BF16, pc_bf16, pc_bf16_to_f32(x));
    CONVERT(PC_F16, pc_f16, pc_f16_to_f32(x));
    CONVERT(PC_F64, double, (float)x);
    CONVERT(PC_I32, int32_t, (float)x);
    CONVERT(PC_I64, int64_t, (float)x);
    CONVERT(PC_U8, uint8_t, (float)x);
    CONVERT(PC_BOOL, uint8_t, x ? 1.0f : 0.0f);
#undef CONVERT
    default:
        pc_block_dequantise(dtype, dst, src, count);
        break;
    }
}

void pc_convert_from_f32(void *dst, pc_dtype dtype, const float *src, size_t count)
{
    char *out = dst;
    if (pc_dtype_is_block(dtype)) {
        pc_block_quantise(dtype, dst, src, count);
        return;
    }
    size_t size = pc_dtype_size(dtype);
    for (size_t i = 0; i < count; i++, out += size) {
        if (dtype == PC_F32) {
            memcpy(out, &src[i], size);
        } else if (dtype == PC_BF16) {
            pc_bf16 x = pc_f32_to_bf16(src[i]);
            memcpy(out, &x, size);
        } else if (dtype == PC_F16) {
            pc_f16 x = pc_f32_to_f16(src[i]);
            memcpy(out, &x, size);
        } else if (dtype == PC_F64) {
            double x = src[i];
            memcpy(out, &x, size);
        }
    }
}
