/* AVX2 with FMA. */
#include "backend/cpu/x86/vec_avx2.h"

#include "backend/cpu/x86/groups_avx2.h"
#include "base/cpu.h"
#define GROUP_OF(type, dtype, unit) \
    INLINE void group_##type(vf x[4], const void *block, int group) { floats_##type(x, block, group); }
FAST_BLOCKS(GROUP_OF)
#define LEVEL avx2
#define LEVEL_FLAGS PC_CPU_AVX2
#include "backend/cpu/template/level.h"
