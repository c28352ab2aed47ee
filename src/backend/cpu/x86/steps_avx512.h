/* Codes of 64 numbers as one vector, and scales of 16 rows of blocks: what template/dots8.h asks for, in AVX-512.
 *
 * step_<type>(block, pair): groups 2 pair and 2 pair + 1 of 256 numbers, in their order, offset not subtracted.
 * fill_<type>(table, rows, count): scale and minimum of the groups of the next `count` numbers.
 */
#ifndef PC_BACKEND_CPU_STEPS_AVX512_H
#define PC_BACKEND_CPU_STEPS_AVX512_H

#include "backend/cpu/x86/groups_avx2.h"
#include "backend/cpu/x86/vec_avx512.h"

/* Shifts of 16-bit lanes, by quarters of a vector. */
GROUP_INLINE __m512i quarters_of_16(int a, int b, int c, int d)
{
    const __m512i quarter = _mm512_set_epi64(d, d, c, c, b, b, a, a);
    return _mm512_or_si512(_mm512_or_si512(quarter, _mm512_slli_epi64(quarter, 16)),
                           _mm512_or_si512(_mm512_slli_epi64(quarter, 32), _mm512_slli_epi64(quarter, 48)));
}

/* Low nibbles of 16 bytes, high ones, the same of another 16. */
GROUP_INLINE __m512i nibbles_of_two(const void *first, const void *second)
{
    __m512i z = _mm512_broadcast_i32x4(_mm_loadu_si128(first));
    z = _mm512_mask_broadcast_i32x4(z, 0xff00, _mm_loadu_si128(second));
    return _mm512_and_si512(_mm512_srlv_epi16(z, quarters_of_16(0, 4, 0, 4)), _mm512_set1_epi8(15));
}

/* 32 bytes in both halves, each half shifted. */
GROUP_INLINE __m512i twice_shifted(const void *bytes, int low, int high)
{
    const __m512i z = _mm512_broadcast_i64x4(_mm256_loadu_si256(bytes));
    return _mm512_srlv_epi16(z, quarters_of_16(low, low, high, high));
}

/* Adds `value` where the bytes have bit `bit`, and in the upper half bit + 1. */
GROUP_INLINE __m512i plus_planes(__m512i z, const void *bytes, int bit, char value)
{
    const __m512i all = _mm512_broadcast_i64x4(_mm256_loadu_si256(bytes));
    const __m512i place = _mm512_inserti64x4(_mm512_set1_epi8((char)(1 << bit)), _mm256_set1_epi8((char)(2 << bit)), 1);
    return _mm512_mask_add_epi8(z, _mm512_test_epi8_mask(all, place), z, _mm512_set1_epi8(value));
}

GROUP_INLINE __m512i plus_bits(__m512i z, const void *first, const void *second, char value)
{
    uint32_t low, high;
    memcpy(&low, first, sizeof low);
    memcpy(&high, second, sizeof high);
    return _mm512_mask_add_epi8(z, (__mmask64)((uint64_t)high << 32 | low), z, _mm512_set1_epi8(value));
}

GROUP_INLINE __m512i iq4_values(__m512i z)
{
    const __m128i values = _mm_xor_si128(_mm_loadu_si128((const void *)pc_iq4_values), _mm_set1_epi8(-128));
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(values), z);
}

/* Two neighbouring small blocks. */
#define FIRST_OF(type, field) (block + (size_t)(2 * pair) * sizeof(pc_block_##type) + offsetof(pc_block_##type, field))
#define SECOND_OF(type, field) (FIRST_OF(type, field) + sizeof(pc_block_##type))
#define BOTH_OF(type, field) FIRST_OF(type, field), SECOND_OF(type, field)

GROUP_INLINE __m512i step_q4_0(const char *block, int pair) { return nibbles_of_two(BOTH_OF(q4_0, qs)); }
GROUP_INLINE __m512i step_q4_1(const char *block, int pair) { return nibbles_of_two(BOTH_OF(q4_1, qs)); }

GROUP_INLINE __m512i step_q5_0(const char *block, int pair)
{
    return plus_bits(nibbles_of_two(BOTH_OF(q5_0, qs)), BOTH_OF(q5_0, qh), 16);
}

GROUP_INLINE __m512i step_q5_1(const char *block, int pair)
{
    return plus_bits(nibbles_of_two(BOTH_OF(q5_1, qs)), BOTH_OF(q5_1, qh), 16);
}

GROUP_INLINE __m512i step_q8_0(const char *block, int pair)
{
    const __m256i first = _mm256_loadu_si256((const void *)FIRST_OF(q8_0, qs));
    const __m256i second = _mm256_loadu_si256((const void *)SECOND_OF(q8_0, qs));
    return _mm512_xor_si512(_mm512_inserti64x4(_mm512_castsi256_si512(first), second, 1), _mm512_set1_epi8(-128));
}

GROUP_INLINE __m512i step_iq4_nl(const char *block, int pair) { return iq4_values(nibbles_of_two(BOTH_OF(iq4_nl, qs))); }

GROUP_INLINE __m512i step_iq4_xs(const char *block, int pair)
{
    const uint8_t *qs = FIELD_OF(iq4_xs, qs) + 32 * pair;
    return iq4_values(nibbles_of_two(qs, qs + 16));
}

GROUP_INLINE __m512i step_q4_k(const char *block, int pair)
{
    return _mm512_and_si512(twice_shifted(FIELD_OF(q4_k, qs) + 32 * pair, 0, 4), _mm512_set1_epi8(15));
}

GROUP_INLINE __m512i step_q5_k(const char *block, int pair)
{
    const __m512i z = _mm512_and_si512(twice_shifted(FIELD_OF(q5_k, qs) + 32 * pair, 0, 4), _mm512_set1_epi8(15));
    return plus_planes(z, FIELD_OF(q5_k, qh), 2 * pair, 16);
}

GROUP_INLINE __m512i step_q6_k(const char *block, int pair)
{
    const int half = pair / 2, part = pair % 2 * 4;
    const __m512i low = _mm512_srli_epi16(_mm512_loadu_si512(FIELD_OF(q6_k, ql) + 64 * half), (unsigned)part);
    const __m512i two = _mm512_and_si512(twice_shifted(FIELD_OF(q6_k, qh) + 32 * half, part, part + 2), _mm512_set1_epi8(3));
    return _mm512_or_si512(_mm512_and_si512(low, _mm512_set1_epi8(15)), _mm512_slli_epi16(two, 4));
}

GROUP_INLINE __m512i step_q2_k(const char *block, int pair)
{
    const int part = pair % 2 * 4;
    return _mm512_and_si512(twice_shifted(FIELD_OF(q2_k, qs) + 32 * (pair / 2), part, part + 2), _mm512_set1_epi8(3));
}

GROUP_INLINE __m512i step_q3_k(const char *block, int pair)
{
    const int part = pair % 2 * 4;
    const __m512i z = twice_shifted(FIELD_OF(q3_k, qs) + 32 * (pair / 2), part, part + 2);
    return plus_planes(_mm512_and_si512(z, _mm512_set1_epi8(3)), FIELD_OF(q3_k, hmask), 2 * pair, 4);
}

/* The first of the two groups alone: the last 32 numbers of a row of small blocks. */
#define HALF_STEP_OF(type, dtype, unit, size, offset, has_min)                                                          \
    GROUP_INLINE __m512i half_step_##type(const char *block, int pair)                                                  \
    {                                                                                                                   \
        __m128i code[2];                                                                                                \
        codes_##type(code, unit == 32 ? block + (size_t)(2 * pair) * sizeof(pc_block_##type) : block, 2 * pair % (unit / 32)); \
        return _mm512_zextsi256_si512(_mm256_set_m128i(code[1], code[0]));                                              \
    }
PC_BLOCK_FORMATS(HALF_STEP_OF)
#define HALF_STEP(type) half_step_##type

/* --- scales --- */

typedef struct scale_table {
    __m512 scale[PC_BLOCK_LARGE / 16], min[PC_BLOCK_LARGE / 16]; /* [group][row] */
} scale_table;

/* The f16 at `offset` in each of 16 rows. */
GROUP_INLINE __m512 halves_of_rows(const char *const row[16], int64_t offset)
{
    uint16_t bits[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {
        memcpy(&bits[i], row[i] + offset, sizeof bits[i]);
    }
    return _mm512_cvtph_ps(_mm256_set_epi16(
        (short)bits[15], (short)bits[14], (short)bits[13], (short)bits[12], (short)bits[11], (short)bits[10], (short)bits[9],
        (short)bits[8], (short)bits[7], (short)bits[6], (short)bits[5], (short)bits[4], (short)bits[3], (short)bits[2],
        (short)bits[1], (short)bits[0]));
}

#define FILL_SMALL(type, has_min)                                                                                       \
    GROUP_INLINE void fill_##type(scale_table *table, const char *const row[16], int64_t count)                         \
    {                                                                                                                   \
        for (int64_t g = 0; g < count / 32; g++) {                                                                      \
            const int64_t at = g * (int64_t)sizeof(pc_block_##type);                                                    \
            table->scale[g] = halves_of_rows(row, at);                                                                  \
            if (has_min) {                                                                                              \
                table->min[g] = halves_of_rows(row, at + (int64_t)sizeof(pc_f16));                                      \
            }                                                                                                           \
        }                                                                                                               \
    }
FILL_SMALL(q4_0, false)
FILL_SMALL(q4_1, true)
FILL_SMALL(q5_0, false)
FILL_SMALL(q5_1, true)
FILL_SMALL(q8_0, false)
FILL_SMALL(iq4_nl, false)

/* 16 numbers of each row to 16 rows of each number. */
GROUP_INLINE void turn(__m512 x[16])
{
    vi rows[16];
    memcpy(rows, x, sizeof rows);
    vi_transpose(rows);
    memcpy(x, rows, sizeof rows);
}

/* Groups whose scales are computed one by one. */
#define FILL_BY_GROUPS(type, size, has_min)                                                                             \
    GROUP_INLINE void fill_##type(scale_table *table, const char *const row[16], int64_t count)                         \
    {                                                                                                                   \
        for (int i = 0; i < 16; i++) {                                                                                  \
            for (int64_t g = 0; g < count / 32; g++) {                                                                  \
                float scale[2], min[2];                                                                                 \
                scales_##type(scale, min, row[i], (int)g);                                                              \
                for (int h = 0; h < 32 / size; h++) {                                                                   \
                    ((float *)&table->scale[g * 32 / size + h])[i] = scale[h];                                          \
                    if (has_min) {                                                                                      \
                        ((float *)&table->min[g * 32 / size + h])[i] = min[h];                                          \
                    }                                                                                                   \
                }                                                                                                       \
            }                                                                                                           \
        }                                                                                                               \
    }
FILL_BY_GROUPS(iq4_xs, 32, false)
FILL_BY_GROUPS(q3_k, 16, false)

GROUP_INLINE void fill_q2_k(scale_table *table, const char *const row[16], int64_t count)
{
    (void)count;
    for (int i = 0; i < 16; i++) {
        const char *block = row[i];
        const __m512i both = _mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)FIELD_OF(q2_k, scales)));
        const __m512 scale = _mm512_cvtepi32_ps(_mm512_and_si512(both, _mm512_set1_epi32(15)));
        const __m512 min = _mm512_cvtepi32_ps(_mm512_srli_epi32(both, 4));
        table->scale[i] = _mm512_mul_ps(_mm512_set1_ps(half_at(FIELD_OF(q2_k, d))), scale);
        table->min[i] = _mm512_mul_ps(_mm512_set1_ps(-half_at(FIELD_OF(q2_k, dmin))), min);
    }
    turn(table->scale);
    turn(table->min);
}

GROUP_INLINE void fill_q6_k(scale_table *table, const char *const row[16], int64_t count)
{
    (void)count;
    for (int i = 0; i < 16; i++) {
        const char *block = row[i];
        const __m512i scale = _mm512_cvtepi8_epi32(_mm_loadu_si128((const void *)FIELD_OF(q6_k, scales)));
        table->scale[i] = _mm512_mul_ps(_mm512_set1_ps(half_at(FIELD_OF(q6_k, d))), _mm512_cvtepi32_ps(scale));
    }
    turn(table->scale);
}

/* d and dmin, then three words of scales, of 16 rows: word[w] has word w of each row. */
GROUP_INLINE void words_of_rows(__m512i word[4], const char *const row[16])
{
    __m512i z[4];
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) { /* quarter q: row 4 q + v */
        z[v] = _mm512_castsi128_si512(_mm_loadu_si128((const void *)row[v]));
        z[v] = _mm512_inserti32x4(z[v], _mm_loadu_si128((const void *)row[4 + v]), 1);
        z[v] = _mm512_inserti32x4(z[v], _mm_loadu_si128((const void *)row[8 + v]), 2);
        z[v] = _mm512_inserti32x4(z[v], _mm_loadu_si128((const void *)row[12 + v]), 3);
    }
    const __m512i a = _mm512_unpacklo_epi32(z[0], z[1]), b = _mm512_unpackhi_epi32(z[0], z[1]);
    const __m512i c = _mm512_unpacklo_epi32(z[2], z[3]), d = _mm512_unpackhi_epi32(z[2], z[3]);
    word[0] = _mm512_unpacklo_epi64(a, c);
    word[1] = _mm512_unpackhi_epi64(a, c);
    word[2] = _mm512_unpacklo_epi64(b, d);
    word[3] = _mm512_unpackhi_epi64(b, d);
}

GROUP_INLINE __m512i bits_of(__m512i word, int from, int count)
{
    return _mm512_and_si512(_mm512_srli_epi32(word, (unsigned)from), _mm512_set1_epi32((1 << count) - 1));
}

/* pc_block_scale_min for 16 rows at once. */
GROUP_INLINE void fill_q4_k(scale_table *table, const char *const row[16], int64_t count)
{
    __m512i word[4];
    (void)count;
    words_of_rows(word, row);
    const __m512 d = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(word[0]));
    const __m512 dmin = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(word[0], 16)));
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++) {
        const int at = 8 * (j % 4);
        __m512i scale = bits_of(word[1], at, 6), min = bits_of(word[2], at, 6);
        if (j >= 4) {
            scale = _mm512_or_si512(bits_of(word[3], at, 4), _mm512_slli_epi32(bits_of(word[1], at + 6, 2), 4));
            min = _mm512_or_si512(bits_of(word[3], at + 4, 4), _mm512_slli_epi32(bits_of(word[2], at + 6, 2), 4));
        }
        table->scale[j] = _mm512_mul_ps(d, _mm512_cvtepi32_ps(scale));
        table->min[j] = _mm512_sub_ps(_mm512_setzero_ps(), _mm512_mul_ps(dmin, _mm512_cvtepi32_ps(min)));
    }
}

#define fill_q5_k fill_q4_k

#endif
