/* Number types: names, sizes, and the conversions that define what a value means. */
#include "base/dtype.h"

static const struct {
    size_t size;
    const char *name;
    const char *safetensors;
    const char *torch; /* as Hugging Face's config.json spells it */
} types[PC_DTYPE_COUNT] = {
    [PC_F32] = {4, "f32", "F32", "float32"},
    [PC_BF16] = {2, "bf16", "BF16", "bfloat16"},
    [PC_F16] = {2, "f16", "F16", "float16"},
    [PC_F64] = {8, "f64", "F64", "float64"},
    [PC_I32] = {4, "i32", "I32", "int32"},
    [PC_I64] = {8, "i64", "I64", "int64"},
    [PC_U8] = {1, "u8", "U8", "uint8"},
    [PC_BOOL] = {1, "bool", "BOOL", "bool"},
};

size_t pc_dtype_size(pc_dtype dtype)
{
    return types[dtype].size;
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
    case PC_DTYPE_COUNT:
        break;
    }
}

void pc_convert_from_f32(void *dst, pc_dtype dtype, const float *src, size_t count)
{
    char *out = dst;
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
