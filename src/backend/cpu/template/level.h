/* Everything of a level that works in f32: fills pc_cpu_rows_<LEVEL>, and the products in f32 and in emulated bf16
 * (factors rounded to bf16, kept and multiplied as f32). The including file gives the vector type and LEVEL. */
#include "backend/cpu/kernels.h"

#define GEMM_UNIT 1
#define GEMM_STEP(a, b, c) vf_fma(a, b, c)

#include "backend/cpu/template/math.h"
#include "backend/cpu/template/gemm.h"

INLINE vf load_number(const void *data, pc_dtype dtype, int64_t at, int64_t left);

INLINE vi load_units(const void *data, pc_dtype dtype, int64_t at, int64_t left, const bool round)
{
    const vf x = load_number(data, dtype, at, left);
    return (vi)(round && dtype != PC_BF16 ? vf_round_bf16(x) : x);
}

INLINE vi join_units(vf first, vf second, const bool round)
{
    (void)second;
    return (vi)(round ? vf_round_bf16(first) : first);
}

#include "backend/cpu/template/pack.h"
#include "backend/cpu/template/pairs.h"
#include "backend/cpu/template/activation.h"
#include "backend/cpu/template/rows.h"
#include "backend/cpu/template/blocks.h"
#include "backend/cpu/template/int8.h"

static void pack_exact(void *dst, int64_t width, const pc_cpu_matrix *src, int64_t rows, int64_t count)
{
    pack_panel(dst, width, src, rows, count, false);
}

static void pack_rounded(void *dst, int64_t width, const pc_cpu_matrix *src, int64_t rows, int64_t count)
{
    pack_panel(dst, width, src, rows, count, true);
}

static void pack_across_exact(void *dst, const pc_cpu_panels *panels, const pc_cpu_matrix *src, int64_t rows,
                              int64_t count)
{
    pack_panels(dst, panels, src, rows, count, false);
}

static void pack_across_rounded(void *dst, const pc_cpu_panels *panels, const pc_cpu_matrix *src, int64_t rows,
                                int64_t count)
{
    pack_panels(dst, panels, src, rows, count, true);
}

#define JOIN2(a, b) a##b
#define JOIN(a, b) JOIN2(a, b)

const pc_cpu_rows JOIN(pc_cpu_rows_, LEVEL) = {
    .add = rows_add,
    .multiply = rows_multiply,
    .scale = rows_scale,
    .add_scaled = rows_add_scaled,
    .sum = rows_sum,
    .dot = rows_dot,
    .max = rows_max,
    .sum_exp = rows_sum_exp,
    .exp_scaled = rows_exp_scaled,
    .activation = rows_activation,
    .activation_grad = rows_activation_grad,
    .glu = rows_glu,
    .glu_grad = rows_glu_grad,
    .layer_norm = rows_layer_norm,
    .layer_norm_grad = rows_layer_norm_grad,
    .rms_norm = rows_rms_norm,
    .rms_norm_grad = rows_rms_norm_grad,
    .rope_angles = rows_rope_angles,
    .rope_halves = rows_rope_halves,
    .rope_pairs = rows_rope_pairs,
    .to_f32 = rows_to_f32,
    .adamw = rows_adamw,
    .score_max = rows_score_max,
    .score_exp = rows_score_exp,
    .score_grad = rows_score_grad,
    .peak = run_peak,
};

static const pc_cpu_cut cut = CUT;

const pc_cpu_gemm JOIN(pc_cpu_gemm_f32_, LEVEL) = {
    .cut = &cut, .rows = TILE_ROWS, .cols = 2 * LANES, .lanes = LANES, .unit = 1, .tile = run_tile, .pack = pack_exact,
    .pack_across = pack_across_exact};

const pc_cpu_gemm JOIN(pc_cpu_gemm_rounded_, LEVEL) = {
    .cut = &cut, .rows = TILE_ROWS, .cols = 2 * LANES, .lanes = LANES, .unit = 1, .tile = run_tile, .pack = pack_rounded,
    .pack_across = pack_across_rounded, .pairs = &pairs_of_level};

const pc_cpu_block_rows JOIN(pc_cpu_block_rows_, LEVEL) = {
    .lanes = LANES,
    .dot_rows = DOT_ROWS,
    .inner_rows = INNER_ROWS,
    .inner_columns = INNER_COLUMNS,
    .dot = {FAST_BLOCKS(DOT_FIELD)},
    .read = {FAST_BLOCKS(READ_FIELD)},
    .inner = run_inner,
};

static const pc_cpu_int8 int8 = INT8_TABLE;

#define LEVEL_NAME2(level) #level
#define LEVEL_NAME(level) LEVEL_NAME2(level)

const pc_cpu_level JOIN(pc_cpu_level_, LEVEL) = {
    .name = LEVEL_NAME(LEVEL),
    .flags = LEVEL_FLAGS,
    .rows = &JOIN(pc_cpu_rows_, LEVEL),
    .f32 = &JOIN(pc_cpu_gemm_f32_, LEVEL),
    .bf16 = &JOIN(pc_cpu_gemm_rounded_, LEVEL),
    .blocks = &JOIN(pc_cpu_block_rows_, LEVEL),
    .int8 = &int8,
};
