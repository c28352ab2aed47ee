/* AVX-512 without VNNI and BF16; products in 8 bits as in level_avx2.c. */
#include "backend/cpu/x86/vec_avx512.h"

#include "backend/cpu/x86/groups_avx2.h"
#include "base/cpu.h"
#define GROUP_OF(type, dtype, unit, size, offset, has_min)                       \
    INLINE void group_##type(vf x[2], const void *block, int group)              \
    {                                                                            \
        __m256 part[4];                                                          \
        floats_##type(part, block, group);                                       \
        for (int i = 0; i < 2; i++) {                                            \
            x[i] = _mm512_insertf32x8(_mm512_castps256_ps512(part[2 * i]), part[2 * i + 1], 1); \
        }                                                                        \
    }
#define FAST_BLOCKS PC_BLOCK_FORMATS
FAST_BLOCKS(GROUP_OF)
#define LEVEL avx512
#define LEVEL_FLAGS (PC_CPU_AVX2 | PC_CPU_AVX512)

INLINE vi add_products(vi sum, __m512i w, __m512i y)
{
    return (vi)_mm512_add_epi32((__m512i)sum, _mm512_madd_epi16(_mm512_maddubs_epi16(w, y), _mm512_set1_epi16(1)));
}

INLINE __m512i with_sign_of(__m512i y, __m512i w)
{
    return _mm512_mask_sub_epi8(y, _mm512_movepi8_mask(w), _mm512_setzero_si512(), y);
}
#define DOT_NARROW(sum, w, y) add_products(sum, (__m512i)(w), (__m512i)(y))
#define DOT_WIDE(sum, w, y) \
    add_products(sum, _mm512_abs_epi8((__m512i)(w)), with_sign_of((__m512i)(y), (__m512i)(w)))
#define WIDE_SIGNED true
#define PAIRS(w, y) (vi)_mm512_maddubs_epi16((__m512i)(w), (__m512i)(y))
#define PAIRS_ADD(p, q) (vi)_mm512_add_epi16((__m512i)(p), (__m512i)(q))
#define PAIRS_END(sum, p) (vi)_mm512_add_epi32((__m512i)(sum), _mm512_madd_epi16((__m512i)(p), _mm512_set1_epi16(1)))
#define DOT_SHORTS(sum, w, y) (vi)_mm512_add_epi32((__m512i)(sum), _mm512_madd_epi16((__m512i)(w), (__m512i)(y)))
#define TILE8_ROWS 6

#include "backend/cpu/template/level.h"
