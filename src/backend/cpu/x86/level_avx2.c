/* AVX2 with FMA.
 *
 * Easy to get wrong: VPMADDUBSW adds two products in 16 bits and saturates. Codes below 64 can't reach that with row codes of
 * at most 127; codes of 8 bits are kept signed, and their sign goes to the row, or in tiles both factors come in 16 bits.
 * A Zen 3 whose f32 peak is 102 GFLOP/s, tile of 4 x 16 in an L1 cache: 134 GOP/s by the sign, 149 in 16 bits; narrow codes
 * 197, 227, 247 with the pairs of two, four, eight words added before they are widened.
 */
#include "backend/cpu/x86/vec_avx2.h"

#include "backend/cpu/x86/groups_avx2.h"
#include "backend/cpu/x86/lanes_avx2.h"
#include "base/cpu.h"
#define GROUP_OF(type, dtype, unit, size, offset, has_min) \
    INLINE void group_##type(vf x[4], const void *block, int group) { floats_##type(x, block, group); }
#define FAST_BLOCKS PC_BLOCK_FORMATS
FAST_BLOCKS(GROUP_OF)
#define LEVEL avx2
#define LEVEL_FLAGS PC_CPU_AVX2

INLINE vi add_products(vi sum, __m256i w, __m256i y)
{
    return (vi)_mm256_add_epi32((__m256i)sum, _mm256_madd_epi16(_mm256_maddubs_epi16(w, y), _mm256_set1_epi16(1)));
}
#define DOT_NARROW(sum, w, y) add_products(sum, (__m256i)(w), (__m256i)(y))
#define DOT_WIDE(sum, w, y) \
    add_products(sum, _mm256_abs_epi8((__m256i)(w)), _mm256_sign_epi8((__m256i)(y), (__m256i)(w)))
#define WIDE_SIGNED true
#define PAIRS(w, y) (vi)_mm256_maddubs_epi16((__m256i)(w), (__m256i)(y))
#define PAIRS_ADD(p, q) (vi)_mm256_add_epi16((__m256i)(p), (__m256i)(q))
#define PAIRS_END(sum, p) (vi)_mm256_add_epi32((__m256i)(sum), _mm256_madd_epi16((__m256i)(p), _mm256_set1_epi16(1)))
#define DOT_SHORTS(sum, w, y) (vi)_mm256_add_epi32((__m256i)(sum), _mm256_madd_epi16((__m256i)(w), (__m256i)(y)))
#define TILE8_ROWS 4
#define DOT8
#include "backend/cpu/x86/dots_avx2.h"
#define DOT8_Q8_0 eight_dot_q8_0

#include "backend/cpu/template/level.h"
