/* AVX2 with FMA. */
#include "backend/cpu/x86/vec_avx2.h"
#include "base/cpu.h"
#define LEVEL avx2
#define LEVEL_FLAGS PC_CPU_AVX2
#include "backend/cpu/template/level.h"
