/* Groups of 32 numbers out of blocks: AVX2 with F16C. codes_<type> gives their codes and scales_<type> their scale and minimum
 * as pc_block_take_apart does; floats_<type> the numbers themselves as four vectors of eight floats, each rounded as
 * pc_block_dequantise rounds it. */
#ifndef PC_BACKEND_CPU_GROUPS_AVX2_H
#define PC_BACKEND_CPU_GROUPS_AVX2_H

#include "base/block.h"

#include <immintrin.h>
#include <stddef.h>
#include <string.h>

#define GROUP_INLINE static inline __attribute__((always_inline, unused))

GROUP_INLINE float half_at(const void *p)
{
    uint16_t bits;
    memcpy(&bits, p, sizeof bits);
    return _cvtsh_ss(bits);
}

/* Nibbles of 16 bytes: the low ones, then the high ones. */
GROUP_INLINE void nibbles(__m128i code[2], const void *qs)
{
    const __m128i bytes = _mm_loadu_si128(qs), mask = _mm_set1_epi8(15);
    code[0] = _mm_and_si128(bytes, mask);
    code[1] = _mm_and_si128(_mm_srli_epi16(bytes, 4), mask);
}

/* Sets bit `value` in each byte whose bit of the 32 is set. */
GROUP_INLINE void add_bits(__m128i code[2], const void *qh, char value)
{
    uint32_t bits;
    memcpy(&bits, qh, sizeof bits);
    const __m256i spread = _mm256_shuffle_epi8(_mm256_set1_epi32((int)bits),
                                               _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2,
                                                                2, 2, 3, 3, 3, 3, 3, 3, 3, 3));
    const __m256i place = _mm256_set1_epi64x((long long)0x8040201008040201ull);
    const __m256i set = _mm256_and_si256(_mm256_cmpeq_epi8(_mm256_and_si256(spread, place), place), _mm256_set1_epi8(value));
    code[0] = _mm_or_si128(code[0], _mm256_castsi256_si128(set));
    code[1] = _mm_or_si128(code[1], _mm256_extracti128_si256(set, 1));
}

/* Sets bit `value` in each byte whose byte of the 32 has bit `bit` set. */
GROUP_INLINE void add_plane(__m128i code[2], const uint8_t *bytes, int bit, char value)
{
    const __m128i place = _mm_set1_epi8((char)(1 << bit));
    for (int i = 0; i < 2; i++) {
        const __m128i high = _mm_loadu_si128((const void *)(bytes + 16 * i));
        const __m128i set = _mm_cmpeq_epi8(_mm_and_si128(high, place), place);
        code[i] = _mm_or_si128(code[i], _mm_and_si128(set, _mm_set1_epi8(value)));
    }
}

/* Bits 2 part, 2 part + 1 of 32 bytes. */
GROUP_INLINE void pairs_of_bits(__m128i code[2], const uint8_t *bytes, int part)
{
    for (int i = 0; i < 2; i++) {
        const __m128i all = _mm_loadu_si128((const void *)(bytes + 16 * i));
        code[i] = _mm_and_si128(_mm_srl_epi16(all, _mm_cvtsi32_si128(2 * part)), _mm_set1_epi8(3));
    }
}

#define FIELD_OF(type, field) ((const uint8_t *)block + offsetof(pc_block_##type, field))

/* --- 32 numbers a block --- */

GROUP_INLINE void codes_q4_0(__m128i code[2], const void *block, int group)
{
    (void)group;
    nibbles(code, FIELD_OF(q4_0, qs));
}

GROUP_INLINE void codes_q4_1(__m128i code[2], const void *block, int group)
{
    (void)group;
    nibbles(code, FIELD_OF(q4_1, qs));
}

GROUP_INLINE void codes_q5_0(__m128i code[2], const void *block, int group)
{
    (void)group;
    nibbles(code, FIELD_OF(q5_0, qs));
    add_bits(code, FIELD_OF(q5_0, qh), 16);
}

GROUP_INLINE void codes_q5_1(__m128i code[2], const void *block, int group)
{
    (void)group;
    nibbles(code, FIELD_OF(q5_1, qs));
    add_bits(code, FIELD_OF(q5_1, qh), 16);
}

GROUP_INLINE void codes_q8_0(__m128i code[2], const void *block, int group)
{
    (void)group;
    for (int i = 0; i < 2; i++) {
        code[i] = _mm_xor_si128(_mm_loadu_si128((const void *)(FIELD_OF(q8_0, qs) + 16 * i)), _mm_set1_epi8(-128));
    }
}

GROUP_INLINE void iq4_codes(__m128i code[2], const void *qs)
{
    const __m128i values = _mm_xor_si128(_mm_loadu_si128((const void *)pc_iq4_values), _mm_set1_epi8(-128));
    nibbles(code, qs);
    for (int i = 0; i < 2; i++) {
        code[i] = _mm_shuffle_epi8(values, code[i]);
    }
}

GROUP_INLINE void codes_iq4_nl(__m128i code[2], const void *block, int group)
{
    (void)group;
    iq4_codes(code, FIELD_OF(iq4_nl, qs));
}

GROUP_INLINE void scales_of_one(float *scale, float *min, const void *block, int group)
{
    (void)min;
    (void)group;
    scale[0] = half_at(block);
}

GROUP_INLINE void scales_of_two(float *scale, float *min, const void *block, int group)
{
    (void)group;
    scale[0] = half_at(block);
    min[0] = half_at((const char *)block + sizeof(pc_f16));
}

#define scales_q4_0 scales_of_one
#define scales_q5_0 scales_of_one
#define scales_q8_0 scales_of_one
#define scales_iq4_nl scales_of_one
#define scales_q4_1 scales_of_two
#define scales_q5_1 scales_of_two

/* --- 256 numbers --- */

GROUP_INLINE void codes_iq4_xs(__m128i code[2], const void *block, int group)
{
    iq4_codes(code, FIELD_OF(iq4_xs, qs) + 16 * group);
}

GROUP_INLINE void scales_iq4_xs(float *scale, float *min, const void *block, int group)
{
    const uint8_t *low = FIELD_OF(iq4_xs, scales_l);
    uint16_t high;
    (void)min;
    memcpy(&high, FIELD_OF(iq4_xs, scales_h), sizeof high);
    const int code = (low[group / 2] >> (4 * (group % 2)) & 15) | (high >> (2 * group) & 3) << 4;
    scale[0] = half_at(block) * (float)(code - 32);
}

/* Nibbles of group `group` of Q4_K and Q5_K: pairs of groups share 32 bytes, the even one the low nibbles. */
GROUP_INLINE void pair_nibbles(__m128i code[2], const uint8_t *qs, int group)
{
    for (int i = 0; i < 2; i++) {
        const __m128i bytes = _mm_loadu_si128((const void *)(qs + group / 2 * 32 + 16 * i));
        code[i] = _mm_and_si128(group % 2 ? _mm_srli_epi16(bytes, 4) : bytes, _mm_set1_epi8(15));
    }
}

GROUP_INLINE void codes_q4_k(__m128i code[2], const void *block, int group) { pair_nibbles(code, FIELD_OF(q4_k, qs), group); }

GROUP_INLINE void codes_q5_k(__m128i code[2], const void *block, int group)
{
    pair_nibbles(code, FIELD_OF(q5_k, qs), group);
    add_plane(code, FIELD_OF(q5_k, qh), group, 16);
}

/* Q4_K and Q5_K begin alike: d, dmin, scales. */
GROUP_INLINE void scales_q4_k(float *scale, float *min, const void *block, int group)
{
    uint8_t s, m;
    pc_block_scale_min(FIELD_OF(q4_k, scales), group, &s, &m);
    scale[0] = half_at(block) * (float)s;
    min[0] = -(half_at(FIELD_OF(q4_k, dmin)) * (float)m);
}

#define scales_q5_k scales_q4_k

/* Q6_K: halves of 128 numbers; groups 0..3 of a half have the low nibbles of ql[0..31] and [32..63], then the high ones, and
 * two bits of each byte of qh. */
GROUP_INLINE void codes_q6_k(__m128i code[2], const void *block, int group)
{
    const int half = group / 4, part = group % 4;
    const uint8_t *ql = FIELD_OF(q6_k, ql) + 64 * half + 32 * (part % 2);
    __m128i two[2];
    pairs_of_bits(two, FIELD_OF(q6_k, qh) + 32 * half, part);
    for (int i = 0; i < 2; i++) {
        const __m128i low = _mm_loadu_si128((const void *)(ql + 16 * i));
        const __m128i nibble = _mm_and_si128(part / 2 ? _mm_srli_epi16(low, 4) : low, _mm_set1_epi8(15));
        code[i] = _mm_or_si128(nibble, _mm_slli_epi16(two[i], 4));
    }
}

GROUP_INLINE void scales_q6_k(float *scale, float *min, const void *block, int group)
{
    const int8_t *scales = (const int8_t *)FIELD_OF(q6_k, scales) + 2 * group;
    const float d = half_at(FIELD_OF(q6_k, d));
    (void)min;
    scale[0] = d * (float)scales[0];
    scale[1] = d * (float)scales[1];
}

GROUP_INLINE void codes_q2_k(__m128i code[2], const void *block, int group)
{
    pairs_of_bits(code, FIELD_OF(q2_k, qs) + 32 * (group / 4), group % 4);
}

GROUP_INLINE void scales_q2_k(float *scale, float *min, const void *block, int group)
{
    const uint8_t *scales = FIELD_OF(q2_k, scales) + 2 * group;
    const float d = half_at(FIELD_OF(q2_k, d)), dmin = half_at(FIELD_OF(q2_k, dmin));
    for (int i = 0; i < 2; i++) {
        scale[i] = d * (float)(scales[i] & 15);
        min[i] = -(dmin * (float)(scales[i] >> 4));
    }
}

GROUP_INLINE void codes_q3_k(__m128i code[2], const void *block, int group)
{
    pairs_of_bits(code, FIELD_OF(q3_k, qs) + 32 * (group / 4), group % 4);
    add_plane(code, FIELD_OF(q3_k, hmask), group, 4);
}

GROUP_INLINE void scales_q3_k(float *scale, float *min, const void *block, int group)
{
    const float d = half_at(FIELD_OF(q3_k, d));
    (void)min;
    for (int i = 0; i < 2; i++) {
        scale[i] = d * (float)pc_block_scale_q3(FIELD_OF(q3_k, scales), 2 * group + i);
    }
}

/* --- the numbers --- */

/* Signed bytes as floats. */
GROUP_INLINE void widen(__m256 x[4], const __m128i code[2])
{
    for (int i = 0; i < 2; i++) {
        x[2 * i] = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(code[i]));
        x[2 * i + 1] = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_unpackhi_epi64(code[i], code[i])));
    }
}

#define FLOATS_OF(type, dtype, unit, size, offset, has_min)                                                             \
    GROUP_INLINE void floats_##type(__m256 x[4], const void *block, int group)                                          \
    {                                                                                                                   \
        __m128i code[2];                                                                                                \
        float scale[2], min[2];                                                                                         \
        codes_##type(code, block, group);                                                                               \
        code[0] = _mm_sub_epi8(code[0], _mm_set1_epi8((char)offset));                                                   \
        code[1] = _mm_sub_epi8(code[1], _mm_set1_epi8((char)offset));                                                   \
        widen(x, code);                                                                                                 \
        scales_##type(scale, min, block, group);                                                                        \
        for (int i = 0; i < 4; i++) {                                                                                   \
            const int at = 8 * i / size;                                                                                \
            x[i] = _mm256_mul_ps(x[i], _mm256_set1_ps(scale[at]));                                                      \
            x[i] = has_min ? _mm256_add_ps(x[i], _mm256_set1_ps(min[at])) : x[i];                                       \
        }                                                                                                               \
    }
PC_BLOCK_FORMATS(FLOATS_OF)

/* The codes, scales and minima of the first `count` numbers of neighbouring blocks, for template/int8.h. */
#define TAKE_OF(type, dtype, unit, size, offset, has_min)                                                               \
    GROUP_INLINE void take_##type(pc_block_parts *out, const char *block, int64_t count)                                \
    {                                                                                                                   \
        for (int64_t k = 0; k < count; k += 32) {                                                                       \
            const char *at = block + k / unit * (int64_t)sizeof(pc_block_##type);                                       \
            __m128i code[2];                                                                                            \
            codes_##type(code, at, (int)(k % unit / 32));                                                               \
            _mm_storeu_si128((void *)(out->code + k), code[0]);                                                         \
            _mm_storeu_si128((void *)(out->code + k + 16), code[1]);                                                    \
            scales_##type(out->scale + k / size, out->min + k / size, at, (int)(k % unit / 32));                        \
        }                                                                                                               \
    }
PC_BLOCK_FORMATS(TAKE_OF)

#endif
