/* Processor features. The compiler's run-time support also asks whether the system saves the wide registers. */
#include "base/cpu.h"

#include <stdio.h>
#include <string.h>

#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

uint32_t pc_cpu_flags(void)
{
    uint32_t flags = 0;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2") &&
        __builtin_cpu_supports("f16c")) {
        flags |= PC_CPU_AVX2;
    }
    if ((flags & PC_CPU_AVX2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
        flags |= PC_CPU_AVX512;
        flags |= __builtin_cpu_supports("avx512bf16") ? PC_CPU_AVX512_BF16 : 0;
        flags |= __builtin_cpu_supports("avx512vnni") ? PC_CPU_AVX512_VNNI : 0;
    }
#elif defined(__aarch64__)
    const unsigned long hwcap_dot = 1ul << 20;  /* HWCAP_ASIMDDP */
    const unsigned long hwcap2_bf16 = 1ul << 14; /* HWCAP2_BF16 */
    flags |= PC_CPU_NEON; /* part of every AArch64 */
    flags |= getauxval(AT_HWCAP) & hwcap_dot ? PC_CPU_NEON_DOT : 0;
    flags |= getauxval(AT_HWCAP2) & hwcap2_bf16 ? PC_CPU_NEON_BF16 : 0;
#endif
    return flags;
}

const char *pc_cpu_flags_text(uint32_t flags, char out[128])
{
    static const struct {
        uint32_t flag;
        const char *name;
    } names[] = {
        {PC_CPU_AVX2, "avx2"}, {PC_CPU_AVX512, "avx512"}, {PC_CPU_AVX512_BF16, "bf16"}, {PC_CPU_AVX512_VNNI, "vnni"},
        {PC_CPU_NEON, "neon"}, {PC_CPU_NEON_DOT, "dot"},  {PC_CPU_NEON_BF16, "neon-bf16"},
    };
    size_t length = 0;
    out[0] = '\0';
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (flags & names[i].flag) {
            length += (size_t)snprintf(out + length, 128 - length, "%s%s", length ? " " : "", names[i].name);
        }
    }
    return length ? out : strcpy(out, "scalar");
}
