/* Number types and their scalar conversions.
 *
 * Plain types have one number at a time; block types (base/block.h) store `unit` numbers that share scales. Rows of a
 * matrix are whole units. */
#ifndef PC_BASE_DTYPE_H
#define PC_BASE_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef enum pc_dtype {
    PC_F32,
    PC_BF16,
    PC_F16,
    PC_F64,
    PC_I32,
    PC_I64,
    PC_U8,
    PC_BOOL,
    PC_DTYPE_PLAIN, /* types before this one are plain, the others blocks */
    PC_Q4_0 = PC_DTYPE_PLAIN,
    PC_Q4_1,
    PC_Q5_0,
    PC_Q5_1,
    PC_Q8_0,
    PC_Q2_K,
    PC_Q3_K,
    PC_Q4_K,
    PC_Q5_K,
    PC_Q6_K,
    PC_IQ4_NL,
    PC_IQ4_XS,
    PC_DTYPE_COUNT
} pc_dtype;

size_t pc_dtype_size(pc_dtype dtype);           /* bytes of one unit: of a number, or of a block */
size_t pc_dtype_unit(pc_dtype dtype);           /* numbers in a unit: 1, 32 or 256 */
size_t pc_dtype_align(pc_dtype dtype);          /* what addresses of units are a multiple of */
/* Bytes of `count` numbers; false when that is no multiple of the unit, or too much. */
bool pc_dtype_bytes(pc_dtype dtype, size_t count, size_t *bytes);
static inline bool pc_dtype_is_block(pc_dtype dtype) { return dtype >= PC_DTYPE_PLAIN; }
const char *pc_dtype_name(pc_dtype dtype);      /* "f32", "bf16", "q4_k", ... */
const char *pc_dtype_safetensors_name(pc_dtype dtype); /* "F32", "BF16", "I64", ...; blocks have none: as in GGUF, "Q4_K" */
/* By any spelling (f32, F32, float32, Q4_K); -1 when unknown. */
int pc_dtype_from_name(const char *name);

typedef uint16_t pc_bf16;
typedef uint16_t pc_f16;

static inline float pc_bf16_to_f32(pc_bf16 value)
{
    uint32_t bits = (uint32_t)value << 16;
    float result;
    memcpy(&result, &bits, sizeof result);
    return result;
}

/* Round to nearest even; NaN stays NaN. */
static inline pc_bf16 pc_f32_to_bf16(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7fffffffu) > 0x7f800000u) {
        return (pc_bf16)((bits >> 16) | 0x40u);
    }
    return (pc_bf16)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

float pc_f16_to_f32(pc_f16 value);
pc_f16 pc_f32_to_f16(float value); /* round to nearest even, overflow to infinity */

/* dst[i] = src[i] converted to f32 / from f32, for F32, BF16, F16, F64 and blocks (count: whole units). From f32 to
 * blocks only those of pc_block_quantises. */
void pc_convert_to_f32(float *dst, const void *src, pc_dtype dtype, size_t count);
void pc_convert_from_f32(void *dst, pc_dtype dtype, const float *src, size_t count);

#endif
