/* AVX-512 without BF16. */
#include "backend/cpu/x86/vec_avx512.h"
#include "base/cpu.h"
#define LEVEL avx512
#define LEVEL_FLAGS (PC_CPU_AVX2 | PC_CPU_AVX512)
#include "backend/cpu/template/level.h"
