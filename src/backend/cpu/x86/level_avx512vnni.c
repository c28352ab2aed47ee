/* AVX-512 with VNNI: products in 8 bits by VPDPBUSD; everything else is the AVX-512 level's. */
#include "backend/cpu/x86/vec_avx512.h"

#include "backend/cpu/kernels.h"
#include "base/cpu.h"

#define DOT_NARROW(sum, w, y) (vi)_mm512_dpbusd_epi32((__m512i)(sum), (__m512i)(w), (__m512i)(y))
#define DOT_WIDE DOT_NARROW
#define WIDE_SIGNED false
#define TILE8_ROWS 6

#include "backend/cpu/x86/groups_avx2.h"
#include "backend/cpu/x86/lanes_avx512.h"
#define DOT8

#include "backend/cpu/template/int8.h"

const pc_cpu_int8 pc_cpu_int8_avx512vnni = INT8_TABLE;

const pc_cpu_level pc_cpu_level_avx512vnni = {
    .name = "avx512vnni",
    .flags = PC_CPU_AVX2 | PC_CPU_AVX512 | PC_CPU_AVX512_VNNI,
    .rows = &pc_cpu_rows_avx512,
    .f32 = &pc_cpu_gemm_f32_avx512,
    .bf16 = &pc_cpu_gemm_rounded_avx512,
    .blocks = &pc_cpu_block_rows_avx512,
    .int8 = &pc_cpu_int8_avx512vnni,
};
