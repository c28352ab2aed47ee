/* Groups of 32 numbers out of blocks, as four vectors of eight floats: AVX2 with F16C. Each number is rounded as
 * pc_block_dequantise rounds it: products of scale and code are exact or rounded once, the minimum is subtracted last. */
#ifndef PC_BACKEND_CPU_GROUPS_AVX2_H
#define PC_BACKEND_CPU_GROUPS_AVX2_H

#include "base/block.h"

#include <immintrin.h>
#include <stddef.h>
#include <string.h>

#define GROUP_INLINE static inline __attribute__((always_inline, unused))

GROUP_INLINE __m256 half_at(const void *p)
{
    uint16_t bits;
    memcpy(&bits, p, sizeof bits);
    return _mm256_set1_ps(_cvtsh_ss(bits));
}

GROUP_INLINE float one_half_at(const void *p)
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

/* Signed bytes as floats. */
GROUP_INLINE void widen(__m256 x[4], const __m128i code[2])
{
    for (int i = 0; i < 2; i++) {
        x[2 * i] = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(code[i]));
        x[2 * i + 1] = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_unpackhi_epi64(code[i], code[i])));
    }
}

GROUP_INLINE void scaled(__m256 x[4], __m256 d)
{
    for (int i = 0; i < 4; i++) {
        x[i] = _mm256_mul_ps(x[i], d);
    }
}

GROUP_INLINE void scaled_plus(__m256 x[4], __m256 d, __m256 m)
{
    for (int i = 0; i < 4; i++) {
        x[i] = _mm256_add_ps(_mm256_mul_ps(x[i], d), m);
    }
}

/* 16 in each byte whose bit of the 32 is set. */
GROUP_INLINE void fifth_bits(__m128i bit[2], const void *qh)
{
    uint32_t bits;
    memcpy(&bits, qh, sizeof bits);
    const __m256i spread = _mm256_shuffle_epi8(_mm256_set1_epi32((int)bits),
                                               _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2,
                                                                2, 2, 3, 3, 3, 3, 3, 3, 3, 3));
    const __m256i place = _mm256_set1_epi64x((long long)0x8040201008040201ull);
    const __m256i set = _mm256_and_si256(_mm256_cmpeq_epi8(_mm256_and_si256(spread, place), place), _mm256_set1_epi8(16));
    bit[0] = _mm256_castsi256_si128(set);
    bit[1] = _mm256_extracti128_si256(set, 1);
}

GROUP_INLINE void floats_q4_0(__m256 x[4], const void *block, int group)
{
    __m128i code[2];
    (void)group;
    nibbles(code, (const char *)block + offsetof(pc_block_q4_0, qs));
    for (int i = 0; i < 2; i++) {
        code[i] = _mm_sub_epi8(code[i], _mm_set1_epi8(8));
    }
    widen(x, code);
    scaled(x, half_at(block));
}

GROUP_INLINE void floats_q4_1(__m256 x[4], const void *block, int group)
{
    __m128i code[2];
    (void)group;
    nibbles(code, (const char *)block + offsetof(pc_block_q4_1, qs));
    widen(x, code);
    scaled_plus(x, half_at(block), half_at((const char *)block + offsetof(pc_block_q4_1, m)));
}

GROUP_INLINE void floats_q5_0(__m256 x[4], const void *block, int group)
{
    __m128i code[2], bit[2];
    (void)group;
    nibbles(code, (const char *)block + offsetof(pc_block_q5_0, qs));
    fifth_bits(bit, (const char *)block + offsetof(pc_block_q5_0, qh));
    for (int i = 0; i < 2; i++) {
        code[i] = _mm_sub_epi8(_mm_or_si128(code[i], bit[i]), _mm_set1_epi8(16));
    }
    widen(x, code);
    scaled(x, half_at(block));
}

GROUP_INLINE void floats_q5_1(__m256 x[4], const void *block, int group)
{
    __m128i code[2], bit[2];
    (void)group;
    nibbles(code, (const char *)block + offsetof(pc_block_q5_1, qs));
    fifth_bits(bit, (const char *)block + offsetof(pc_block_q5_1, qh));
    for (int i = 0; i < 2; i++) {
        code[i] = _mm_or_si128(code[i], bit[i]);
    }
    widen(x, code);
    scaled_plus(x, half_at(block), half_at((const char *)block + offsetof(pc_block_q5_1, m)));
}

GROUP_INLINE void floats_q8_0(__m256 x[4], const void *block, int group)
{
    const char *qs = (const char *)block + offsetof(pc_block_q8_0, qs);
    const __m128i code[2] = {_mm_loadu_si128((const void *)qs), _mm_loadu_si128((const void *)(qs + 16))};
    (void)group;
    widen(x, code);
    scaled(x, half_at(block));
}

GROUP_INLINE void iq4_codes(__m128i code[2], const void *qs)
{
    const __m128i values = _mm_loadu_si128((const void *)pc_iq4_values);
    nibbles(code, qs);
    for (int i = 0; i < 2; i++) {
        code[i] = _mm_shuffle_epi8(values, code[i]);
    }
}

GROUP_INLINE void floats_iq4_nl(__m256 x[4], const void *block, int group)
{
    __m128i code[2];
    (void)group;
    iq4_codes(code, (const char *)block + offsetof(pc_block_iq4_nl, qs));
    widen(x, code);
    scaled(x, half_at(block));
}

GROUP_INLINE void floats_iq4_xs(__m256 x[4], const void *block, int group)
{
    const pc_block_iq4_xs *b = block;
    const uint8_t *low = (const uint8_t *)block + offsetof(pc_block_iq4_xs, scales_l);
    uint16_t high;
    __m128i code[2];
    memcpy(&high, (const char *)block + offsetof(pc_block_iq4_xs, scales_h), sizeof high);
    const int scale = (low[group / 2] >> (4 * (group % 2)) & 15) | (high >> (2 * group) & 3) << 4;
    iq4_codes(code, b->qs + 16 * group);
    widen(x, code);
    scaled(x, _mm256_set1_ps(one_half_at(block) * (float)(scale - 32)));
}

/* Nibbles of group `group` of Q4_K and Q5_K: pairs of groups share 32 bytes, the even one the low nibbles. */
GROUP_INLINE void pair_nibbles(__m128i code[2], const uint8_t *qs, int group)
{
    for (int i = 0; i < 2; i++) {
        const __m128i bytes = _mm_loadu_si128((const void *)(qs + group / 2 * 32 + 16 * i));
        code[i] = _mm_and_si128(group % 2 ? _mm_srli_epi16(bytes, 4) : bytes, _mm_set1_epi8(15));
    }
}

GROUP_INLINE void scaled_less_min(__m256 x[4], float d, float dmin, const uint8_t *scales, int group)
{
    uint8_t scale, min;
    pc_block_scale_min(scales, group, &scale, &min);
    scaled_plus(x, _mm256_set1_ps(d * (float)scale), _mm256_set1_ps(-(dmin * (float)min)));
}

GROUP_INLINE void floats_q4_k(__m256 x[4], const void *block, int group)
{
    const char *b = block;
    __m128i code[2];
    pair_nibbles(code, (const uint8_t *)b + offsetof(pc_block_q4_k, qs), group);
    widen(x, code);
    scaled_less_min(x, one_half_at(b), one_half_at(b + offsetof(pc_block_q4_k, dmin)),
                    (const uint8_t *)b + offsetof(pc_block_q4_k, scales), group);
}

GROUP_INLINE void floats_q5_k(__m256 x[4], const void *block, int group)
{
    const char *b = block;
    __m128i code[2];
    pair_nibbles(code, (const uint8_t *)b + offsetof(pc_block_q5_k, qs), group);
    for (int i = 0; i < 2; i++) {
        const __m128i high = _mm_loadu_si128((const void *)(b + offsetof(pc_block_q5_k, qh) + 16 * i));
        const __m128i place = _mm_set1_epi8((char)(1 << group));
        const __m128i set = _mm_cmpeq_epi8(_mm_and_si128(high, place), place);
        code[i] = _mm_or_si128(code[i], _mm_and_si128(set, _mm_set1_epi8(16)));
    }
    widen(x, code);
    scaled_less_min(x, one_half_at(b), one_half_at(b + offsetof(pc_block_q5_k, dmin)),
                    (const uint8_t *)b + offsetof(pc_block_q5_k, scales), group);
}

/* Q6_K: halves of 128 numbers; groups 0..3 of a half have the low nibbles of ql[0..31] and [32..63], then the high ones, and
 * two bits of each byte of qh. */
GROUP_INLINE void floats_q6_k(__m256 x[4], const void *block, int group)
{
    const uint8_t *b = block;
    const int half = group / 4, part = group % 4;
    const uint8_t *ql = b + offsetof(pc_block_q6_k, ql) + 64 * half + 32 * (part % 2);
    const uint8_t *qh = b + offsetof(pc_block_q6_k, qh) + 32 * half;
    const int8_t *scales = (const int8_t *)b + offsetof(pc_block_q6_k, scales) + 2 * group;
    const float d = one_half_at(b + offsetof(pc_block_q6_k, d));
    __m128i code[2];
    for (int i = 0; i < 2; i++) {
        const __m128i low = _mm_loadu_si128((const void *)(ql + 16 * i)), high = _mm_loadu_si128((const void *)(qh + 16 * i));
        const __m128i nibble = _mm_and_si128(part / 2 ? _mm_srli_epi16(low, 4) : low, _mm_set1_epi8(15));
        const __m128i two = _mm_and_si128(_mm_srl_epi16(high, _mm_cvtsi32_si128(2 * part)), _mm_set1_epi8(3));
        code[i] = _mm_sub_epi8(_mm_or_si128(nibble, _mm_slli_epi16(two, 4)), _mm_set1_epi8(32));
    }
    widen(x, code);
    for (int i = 0; i < 4; i++) {
        x[i] = _mm256_mul_ps(x[i], _mm256_set1_ps(d * (float)scales[i / 2]));
    }
}

#define FAST_BLOCKS(X)                                                                                                  \
    X(q4_0, PC_Q4_0, 32) X(q4_1, PC_Q4_1, 32) X(q5_0, PC_Q5_0, 32) X(q5_1, PC_Q5_1, 32) X(q8_0, PC_Q8_0, 32)            \
    X(iq4_nl, PC_IQ4_NL, 32) X(iq4_xs, PC_IQ4_XS, 256) X(q4_k, PC_Q4_K, 256) X(q5_k, PC_Q5_K, 256) X(q6_k, PC_Q6_K, 256)

#endif
