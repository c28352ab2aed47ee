/* What an instruction-set level offers to the node kernels: tables of functions on rows, tiles and panels.
 *
 * Each level (plain C, AVX2, AVX-512, AVX-512 + BF16) fills these tables from one source, template/, over its own vector
 * type. The functions know no threads, allocate nothing, and take unaligned pointers. Within one level a result depends
 * on the values alone; levels may differ in the last bits.
 */
#ifndef PC_BACKEND_CPU_KERNELS_H
#define PC_BACKEND_CPU_KERNELS_H

#include "base/dtype.h"
#include "ops/activation.h"

#include <stdbool.h>
#include <stdint.h>

/* C[rows,cols] (+)= A B, both factors as panels: A is a[k * lda + row], B is b[k * ldb + column], k in units of 32 bits
 * (one f32, or a pair of bf16 that is neighbours in K). The sum runs over k in order, one fused step each, starting at 0
 * or at C's old value; so cutting K in blocks changes no bit. */
typedef struct pc_cpu_tile {
    const void *a, *b;
    float *c;
    int64_t lda, ldb, ldc; /* units, units, floats */
    int64_t k;             /* units */
    int rows, cols;        /* 1..gemm->rows, 1..gemm->cols */
    bool load;             /* start at C's old value */
    const float *bias;     /* [cols] or NULL: added after the sum */
    const float *residual; /* added last, or NULL; rows are `ldr` floats apart */
    int64_t ldr;
} pc_cpu_tile;

/* A matrix with rows and a K direction; one of the two strides is 1. */
typedef struct pc_cpu_matrix {
    const void *data;
    pc_dtype dtype;              /* PC_F32, PC_BF16, PC_F16 */
    int64_t row_stride, k_stride; /* elements */
} pc_cpu_matrix;

typedef struct pc_cpu_panels {
    int64_t height;       /* rows of the matrix in a panel */
    int64_t width;        /* units between two steps of K: the height in whole vectors */
    int64_t panel_stride; /* units between panels */
} pc_cpu_panels;

/* How a product is cut for the caches. Bits don't depend on it. */
typedef struct pc_cpu_cut {
    int64_t units;        /* of K in a block: a panel of B stays in an L1 cache meanwhile */
    int64_t tiles;        /* most tiles of rows in an item: so much of A stays in an L2 cache */
    int64_t chunk_units;  /* of K, packed at a time */
    int64_t across_units; /* the same when A is transposed */
    int64_t panel_units;  /* of a factor, packed at a time */
} pc_cpu_cut;

/* Panels of numbers that are rounded to bf16 but multiplied as f32, kept in half the size: panel[k / 2 * width + r] has numbers k
 * (low half) and k + 1 of row r; the odd last half is zero. */
typedef struct pc_cpu_pairs {
    int rows;   /* most of `tile` */
    int panels; /* that `tile` takes at once when there is one row */
    void (*pack)(void *dst, int64_t width, const pc_cpu_matrix *src, int64_t rows, int64_t count);
    /* dst[k * width + r] for `count` numbers of K, f32 */
    void (*widen)(void *dst, const void *src, int64_t width, int64_t count);
    /* As pc_cpu_gemm.tile, with b in pairs: panels of gemm->cols columns, ldb units apart. The same bits. */
    void (*tile)(const pc_cpu_tile *tile);
} pc_cpu_pairs;

typedef struct pc_cpu_gemm {
    const pc_cpu_cut *cut;
    int rows, cols; /* largest tile */
    int lanes;      /* panel widths are multiples of this */
    int unit;       /* numbers of K in a unit: 1 or 2 */
    void (*tile)(const pc_cpu_tile *tile);
    /* dst[u * width + r] = unit u of row r, for `rows` rows and ceil(count / unit) units from `src`; rows up to `width` (a
     * multiple of lanes) and the odd last half are zeros. */
    void (*pack)(void *dst, int64_t width, const pc_cpu_matrix *src, int64_t rows, int64_t count);
    /* The same for many panels at once, from rows that lie side by side (row_stride 1): panel p takes the rows from
     * p * height on and begins at dst + p * panel_stride. Memory is read in whole lines, one step of K after another. */
    void (*pack_across)(void *dst, const pc_cpu_panels *panels, const pc_cpu_matrix *src, int64_t rows, int64_t count);
    const pc_cpu_pairs *pairs; /* how parameters are packed; NULL: as by `pack` */
} pc_cpu_gemm;

typedef struct pc_cpu_adamw {
    float beta2, one_less_beta1, one_less_beta2;
    float eps, gradient_scale;
    float rate;             /* learning rate / correction1 */
    float decay;            /* learning rate * weight decay */
    float root_correction2; /* sqrt(correction2) */
} pc_cpu_adamw;

/* Functions on n neighbouring floats (a row, or a block of a tensor). */
typedef struct pc_cpu_rows {
    void (*add)(float *out, const float *x, const float *y, int64_t n);
    void (*multiply)(float *out, const float *x, const float *y, int64_t n);
    void (*scale)(float *out, const float *x, float factor, int64_t n);
    void (*add_scaled)(float *out, const float *x, float factor, int64_t n); /* out += factor * x */
    float (*sum)(const float *x, int64_t n);
    float (*dot)(const float *x, const float *y, int64_t n);
    float (*max)(const float *x, int64_t n); /* -infinity when n is 0; passes over NaN */
    float (*sum_exp)(const float *x, float shift, int64_t n);                /* sum of exp(x - shift) */
    /* out = exp(x - shift) * factor - offset */
    void (*exp_scaled)(float *out, const float *x, float shift, float factor, float offset, int64_t n);
    void (*activation)(pc_activation kind, float *out, const float *x, int64_t n);
    void (*activation_grad)(pc_activation kind, float *out, const float *x, const float *dy, int64_t n);
    void (*glu)(pc_activation kind, float *out, const float *gate, const float *up, int64_t n);
    void (*glu_grad)(pc_activation kind, float *dgate, float *dup, const float *gate, const float *up, const float *dy,
                     int64_t n);
    void (*layer_norm)(float *out, const float *x, const float *w, const float *b, float eps, int64_t n);
    /* dw and db are added to. */
    void (*layer_norm_grad)(float *dx, float *dw, float *db, const float *x, const float *w, const float *dy, float eps,
                            int64_t n);
    void (*rms_norm)(float *out, const float *x, const float *w, float eps, int64_t n);
    void (*rms_norm_grad)(float *dx, float *dw, const float *x, const float *w, const float *dy, float eps, int64_t n);
    /* cosine[i], sine[i] of position * frequency[i] */
    void (*rope_angles)(float *cosine, float *sine, double position, const float *frequency, int64_t n);
    /* Pairs (i, i + n) of x[2n]; sine times -1 rotates back. May run in place. */
    void (*rope_halves)(float *out, const float *x, const float *cosine, const float *sine, float sign, int64_t n);
    void (*rope_pairs)(float *out, const float *x, const float *cosine, const float *sine, float sign, int64_t n);
    void (*to_f32)(float *out, const void *x, pc_dtype dtype, int64_t n);
    void (*adamw)(float *p, const float *grad, float *m, float *v, const pc_cpu_adamw *step, int64_t n);

    /* Attention on scores s[key * ld + row], `rows` rows (ld a multiple of lanes, padding rows are written too): row r
     * sees keys [low[r], high[r]). max[r] = maximum of max[r] and scale * score of the seen keys. */
    void (*score_max)(float *max, const float *s, int64_t ld, int rows, int64_t keys, const int32_t *low,
                      const int32_t *high, float scale);
    /* s = exp(scale * s - max) where seen, else 0; sum[r] += the row's values, keys in order. */
    void (*score_exp)(float *s, float *sum, const float *max, int64_t ld, int rows, int64_t keys, const int32_t *low,
                      const int32_t *high, float scale);
    /* One row of the backward pass, over keys: p = exp(scale * p - lse), dp = p * (dp - delta) * scale. */
    void (*score_grad)(float *p, float *dp, float lse, float delta, float scale, int64_t n);

    /* Independent multiply-adds for timing: runs `rounds` rounds, returns their floating-point operations. */
    double (*peak)(int64_t rounds);
} pc_cpu_rows;

/* out[row * ldo + column] = sum over k of a[row * lda + k] times number k of a row of blocks. */
typedef struct pc_cpu_dots {
    const float *a;
    const void *b; /* `columns` rows of blocks, b_bytes apart */
    float *out;
    int64_t lda, b_bytes, ldo;
    int64_t k;         /* whole blocks */
    int rows, columns; /* 1..dot_rows, any */
} pc_cpu_dots;

/* The same with b dequantised, K cut in pieces: partial sums are vectors of `lanes` floats, partial[(row * ldp + column) *
 * lanes]. */
typedef struct pc_cpu_inner {
    const float *a, *b;
    float *partial;
    float *out; /* NULL: another piece follows, the sums stay partial */
    int64_t lda, ldb, ldp, ldo;
    int64_t k;         /* multiple of 32 */
    int rows, columns; /* 1..inner_rows, 1..inner_columns */
    bool load;         /* start at the partial sums */
} pc_cpu_inner;

enum { PC_CPU_BLOCK_TYPES = PC_DTYPE_COUNT - PC_DTYPE_PLAIN };

/* Products of rows with rows of blocks. A sum has one order for `dot` and `inner`. */
typedef struct pc_cpu_block_rows {
    int lanes;
    int dot_rows, inner_rows, inner_columns;
    /* By type, from PC_DTYPE_PLAIN on; NULL: dequantise, then `inner`. */
    void (*dot[PC_CPU_BLOCK_TYPES])(const pc_cpu_dots *dots);
    /* out[count] = what the blocks mean, to the bit; NULL: pc_block_dequantise. */
    void (*read[PC_CPU_BLOCK_TYPES])(float *out, const void *src, int64_t count);
    void (*inner)(const pc_cpu_inner *tile);
} pc_cpu_block_rows;

/* --- products in 8 bits: rows rounded by pc_block_round_eight times rows of blocks ---
 *
 * A sum takes the groups of the type in order, each with the exact sum of its products of codes:
 *     s = fma((float)sum, scale_a * scale_b, s)    and where the type has a minimum    s = fma(scale_a * sum of a's codes, min, s)
 * so a row has the same bits however the product is cut.
 *
 * Rounded rows, for each group of G numbers:  codes [G/4][rows][4], scale [rows], start [rows], lift [rows]
 *     start: what the type's sum begins with, `offset` times the sum of the codes; lift: scale times that sum
 * A panel of the weight, for each group:      codes [G/4][cols][4], scale [cols], and min [cols] where the type has it
 * Codes are bytes, or for tiles of types with code_bytes 2 numbers of 16 bits, [G/2][rows][2] and [G/2][cols][2]. */
typedef struct pc_cpu_rounding {
    const float *x;
    int64_t ldx, count; /* floats between rows; numbers of each, a multiple of 32 */
    int rows;           /* 1..int8->rows */
    int group, offset;  /* of the type */
    int code_bytes;     /* 1; 2 for tiles of a type that has them so */
} pc_cpu_rounding;

typedef struct pc_cpu_int8_type {
    int group, offset; /* offset as panels hold the codes, negative: what a code of the row adds to the start of a sum */
    int code_bytes; /* of tiles and their factors, 1 or 2 */
    bool has_min;
    /* `columns` rows of blocks, b_bytes apart, `count` numbers of each; the panel's other columns are zeros. */
    void (*panel)(void *dst, const void *src, int64_t b_bytes, int columns, int64_t count);
    void (*tile)(const pc_cpu_tile *tile); /* a: rounded rows, b: a panel, k: groups */
    /* a: rows that were rounded alone, lda bytes apart; b: rows of blocks, ldb bytes apart; k: numbers; any cols. Or NULL. */
    void (*dot)(const pc_cpu_tile *tile);
} pc_cpu_int8_type;

typedef struct pc_cpu_int8 {
    int rows, cols; /* largest tile; panels are `cols` wide */
    int dot_rows;   /* most rows of `dot`; 0: none */
    void (*round)(void *dst, const pc_cpu_rounding *from);
    pc_cpu_int8_type of[PC_CPU_BLOCK_TYPES];
    double (*peak)(int64_t rounds);
} pc_cpu_int8;

typedef struct pc_cpu_level {
    const char *name;
    uint32_t flags; /* pc_cpu_flag that it needs */
    const pc_cpu_rows *rows;
    const pc_cpu_gemm *f32;
    const pc_cpu_gemm *bf16; /* factors rounded to bf16, sums in f32 */
    const pc_cpu_block_rows *blocks;
    const pc_cpu_int8 *int8;
    double (*peak_bf16)(int64_t rounds); /* NULL: as f32 */
} pc_cpu_level;

extern const pc_cpu_level pc_cpu_level_c;
#if defined(__x86_64__)
extern const pc_cpu_level pc_cpu_level_avx2;
extern const pc_cpu_level pc_cpu_level_avx512;
extern const pc_cpu_level pc_cpu_level_avx512vnni;
extern const pc_cpu_level pc_cpu_level_avx512bf16;
/* Parts that levels share. */
extern const pc_cpu_rows pc_cpu_rows_avx512;
extern const pc_cpu_gemm pc_cpu_gemm_f32_avx512;
extern const pc_cpu_gemm pc_cpu_gemm_rounded_avx512;
extern const pc_cpu_block_rows pc_cpu_block_rows_avx512;
extern const pc_cpu_int8 pc_cpu_int8_avx512vnni;
#endif

#endif
