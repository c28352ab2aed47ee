/* What this processor can do, found at run time; tests lower it level by level. */
#ifndef PC_BASE_CPU_H
#define PC_BASE_CPU_H

#include <stdint.h>

typedef enum pc_cpu_flag {
    PC_CPU_AVX2 = 1 << 0,        /* with FMA, BMI2 and F16C */
    PC_CPU_AVX512 = 1 << 1,      /* F, BW, DQ, VL */
    PC_CPU_AVX512_BF16 = 1 << 2, /* VDPBF16PS */
    PC_CPU_AVX512_VNNI = 1 << 3,
    PC_CPU_NEON = 1 << 4,
    PC_CPU_NEON_DOT = 1 << 5,
    PC_CPU_NEON_BF16 = 1 << 6,
} pc_cpu_flag;

uint32_t pc_cpu_flags(void);                  /* what the processor and the system support */
const char *pc_cpu_flags_text(uint32_t flags, char out[128]); /* "avx2 avx512 bf16 vnni" */

#endif
