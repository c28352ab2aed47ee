/* Codes of 32 numbers as one vector, scales of eight rows of blocks, and their sums: what template/dots8.h asks for, in AVX2.
 * Codes of 8 bits come signed, less their offset. */
#ifndef PC_BACKEND_CPU_STEPS_AVX2_H
#define PC_BACKEND_CPU_STEPS_AVX2_H

#include "backend/cpu/x86/groups_avx2.h"
#include "backend/cpu/x86/vec_avx2.h"

typedef struct scale_table {
    __m256 scale[PC_BLOCK_LARGE / 16], min[PC_BLOCK_LARGE / 16]; /* [group][row] */
} scale_table;

#define STEP_OF(type, dtype, unit, size, offset, has_min)                                                               \
    GROUP_INLINE __m256i step_##type(const char *block, int group)                                                      \
    {                                                                                                                   \
        __m128i code[2];                                                                                                \
        codes_##type(code, block + (size_t)(group * 32 / unit) * sizeof(pc_block_##type), group % (unit / 32));         \
        const __m256i z = _mm256_set_m128i(code[1], code[0]);                                                           \
        return offset == 128 ? _mm256_xor_si256(z, _mm256_set1_epi8(-128)) : z;                                         \
    }                                                                                                                   \
    GROUP_INLINE void fill_##type(scale_table *table, const char *const row[8], int64_t count)                          \
    {                                                                                                                   \
        float *to_scale = (float *)table->scale, *to_min = (float *)table->min;                                         \
        for (int64_t g = 0; g < count / 32; g++) {                                                                      \
            for (int i = 0; i < 8; i++) {                                                                               \
                float scale[2], min[2];                                                                                 \
                scales_##type(scale, min, row[i] + g * 32 / unit * (int64_t)sizeof(pc_block_##type), (int)g % (unit / 32)); \
                for (int64_t h = 0; h < 32 / size; h++) {                                                               \
                    to_scale[(g * 32 / size + h) * 8 + i] = scale[h];                                                   \
                    if (has_min) {                                                                                      \
                        to_min[(g * 32 / size + h) * 8 + i] = min[h];                                                   \
                    }                                                                                                   \
                }                                                                                                       \
            }                                                                                                           \
        }                                                                                                               \
    }
PC_BLOCK_FORMATS(STEP_OF)
#define HALF_STEP(type) step_##type /* never: a step is 32 numbers */

INLINE __m256i sums_of_pairs(__m256i a, __m256i b)
{
    return _mm256_add_epi32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
}

INLINE vi vi_sums(vi a, vi b, vi c, vi d)
{
    const __m256i ab = sums_of_pairs((__m256i)a, (__m256i)b), cd = sums_of_pairs((__m256i)c, (__m256i)d);
    return (vi)_mm256_add_epi32(_mm256_unpacklo_epi64(ab, cd), _mm256_unpackhi_epi64(ab, cd));
}

INLINE void vi_quarters(vi x[2])
{
    const __m256i first = (__m256i)x[0], second = (__m256i)x[1];
    x[0] = (vi)_mm256_permute2x128_si256(first, second, 0x20);
    x[1] = (vi)_mm256_permute2x128_si256(first, second, 0x31);
}

INLINE vi vi_codes(const char *a, int64_t stride, const int size, int left)
{
    (void)left; /* 32 */
    return size == 32 ? (vi)_mm256_loadu_si256((const void *)a)
                      : (vi)_mm256_loadu2_m128i((const void *)(a + stride), (const void *)a);
}

#endif
