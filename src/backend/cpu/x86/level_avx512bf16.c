/* AVX-512 with BF16: products of bf16 pairs by VDPBF16PS; everything else is the AVX-512 and VNNI level's. Every processor that
 * has BF16 has VNNI.
 *
 * Easy to get wrong: VDPBF16PS and the conversion flush denormals to zero, unlike the emulation of the lower levels.
 */
#include "backend/cpu/x86/vec_avx512.h"

#include "backend/cpu/kernels.h"
#include "base/cpu.h"

#define GEMM_UNIT 2
#define GEMM_STEP(a, b, c) _mm512_dpbf16_ps(c, (__m512bh)(a), (__m512bh)(b))

#include "backend/cpu/template/gemm.h"

INLINE vf load_number(const void *data, pc_dtype dtype, int64_t at, int64_t left);

INLINE vi load_units(const void *data, pc_dtype dtype, int64_t at, int64_t left, const bool round)
{
    (void)round;
    if (dtype == PC_BF16) {
        const __mmask32 m = left >= 32 ? 0xffffffffu : (1u << left) - 1;
        return (vi)_mm512_maskz_loadu_epi16(m, (const pc_bf16 *)data + at);
    }
    const vf low = load_number(data, dtype, at, left);
    const vf high = left > LANES ? load_number(data, dtype, at + LANES, left - LANES) : vf_set(0);
    return (vi)_mm512_cvtne2ps_pbh(high, low);
}

INLINE vi join_units(vf first, vf second, const bool round)
{
    (void)round;
    /* All of `first`, then all of `second`, as 16-bit numbers; the permutation makes neighbours of lane i of both. */
    const __m512i halves = (__m512i)_mm512_cvtne2ps_pbh(second, first);
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5,
                                           20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return (vi)_mm512_permutexvar_epi16(order, halves);
}

#include "backend/cpu/template/pack.h"

static void pack_pairs(void *dst, int64_t width, const pc_cpu_matrix *src, int64_t rows, int64_t count)
{
    pack_panel(dst, width, src, rows, count, false);
}

static void pack_pairs_across(void *dst, const pc_cpu_panels *panels, const pc_cpu_matrix *src, int64_t rows,
                              int64_t count)
{
    pack_panels(dst, panels, src, rows, count, false);
}

static const pc_cpu_cut cut = CUT;

static const pc_cpu_gemm gemm_bf16 = {
    .cut = &cut, .rows = TILE_ROWS, .cols = 2 * LANES, .lanes = LANES, .unit = 2, .tile = run_tile, .pack = pack_pairs,
    .pack_across = pack_pairs_across};

const pc_cpu_level pc_cpu_level_avx512bf16 = {
    .name = "avx512bf16",
    .flags = PC_CPU_AVX2 | PC_CPU_AVX512 | PC_CPU_AVX512_VNNI | PC_CPU_AVX512_BF16,
    .rows = &pc_cpu_rows_avx512,
    .f32 = &pc_cpu_gemm_f32_avx512,
    .bf16 = &gemm_bf16,
    .blocks = &pc_cpu_block_rows_avx512,
    .int8 = &pc_cpu_int8_avx512vnni,
    .peak_bf16 = run_peak,
};
