/* AVX-512 without BF16. */
#include "backend/cpu/x86/vec_avx512.h"

#include "backend/cpu/x86/groups_avx2.h"
#include "base/cpu.h"
#define GROUP_OF(type, dtype, unit)                                              \
    INLINE void group_##type(vf x[2], const void *block, int group)              \
    {                                                                            \
        __m256 part[4];                                                          \
        floats_##type(part, block, group);                                       \
        for (int i = 0; i < 2; i++) {                                            \
            x[i] = _mm512_insertf32x8(_mm512_castps256_ps512(part[2 * i]), part[2 * i + 1], 1); \
        }                                                                        \
    }
FAST_BLOCKS(GROUP_OF)
#define LEVEL avx512
#define LEVEL_FLAGS (PC_CPU_AVX2 | PC_CPU_AVX512)
#include "backend/cpu/template/level.h"
