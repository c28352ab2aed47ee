/* Block formats: groups of numbers that share scales, as ggml lays them out in GGUF files.
 *
 * 32 numbers a block: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, IQ4_NL. 256 numbers: Q2_K to Q6_K, IQ4_XS. The structs are the bytes
 * of the files (little-endian, packed by construction). Dequantising here defines what a block means and agrees with ggml
 * bit by bit; quantising searches scales for the least squared error. Details: docs/formats/gguf.md.
 */
#ifndef PC_BASE_BLOCK_H
#define PC_BASE_BLOCK_H

#include "base/dtype.h"

enum { PC_BLOCK_SMALL = 32, PC_BLOCK_LARGE = 256 };

/* x = d (q - 8); low nibbles are numbers 0..15, high ones 16..31, in all formats of 32. */
typedef struct pc_block_q4_0 {
    pc_f16 d;
    uint8_t qs[16];
} pc_block_q4_0;

typedef struct pc_block_q4_1 { /* x = d q + m */
    pc_f16 d, m;
    uint8_t qs[16];
} pc_block_q4_1;

typedef struct pc_block_q5_0 { /* x = d (q - 16); bit i of qh is the fifth bit of number i */
    pc_f16 d;
    uint8_t qh[4];
    uint8_t qs[16];
} pc_block_q5_0;

typedef struct pc_block_q5_1 { /* x = d q + m */
    pc_f16 d, m;
    uint8_t qh[4];
    uint8_t qs[16];
} pc_block_q5_1;

typedef struct pc_block_q8_0 { /* x = d q */
    pc_f16 d;
    int8_t qs[32];
} pc_block_q8_0;

typedef struct pc_block_iq4_nl { /* x = d pc_iq4_values[q] */
    pc_f16 d;
    uint8_t qs[16];
} pc_block_iq4_nl;

/* 16 groups of 16: x = d (scale & 15) q - dmin (scale >> 4). Byte i of a half's 32 has numbers i, 32+i, 64+i, 96+i. */
typedef struct pc_block_q2_k {
    uint8_t scales[16];
    uint8_t qs[64];
    pc_f16 d, dmin;
} pc_block_q2_k;

/* 16 groups of 16: x = d (scale - 32) (q - 4); the third bit of q is in hmask. */
typedef struct pc_block_q3_k {
    uint8_t hmask[32];
    uint8_t qs[64];
    uint8_t scales[12];
    pc_f16 d;
} pc_block_q3_k;

/* 8 groups of 32: x = d scale q - dmin min, both of 6 bits (pc_block_scale_min). */
typedef struct pc_block_q4_k {
    pc_f16 d, dmin;
    uint8_t scales[12];
    uint8_t qs[128];
} pc_block_q4_k;

typedef struct pc_block_q5_k {
    pc_f16 d, dmin;
    uint8_t scales[12];
    uint8_t qh[32];
    uint8_t qs[128];
} pc_block_q5_k;

/* 16 groups of 16: x = d scale (q - 32). */
typedef struct pc_block_q6_k {
    uint8_t ql[128];
    uint8_t qh[64];
    int8_t scales[16];
    pc_f16 d;
} pc_block_q6_k;

/* 8 groups of 32: x = d (scale - 32) pc_iq4_values[q]. */
typedef struct pc_block_iq4_xs {
    pc_f16 d;
    uint16_t scales_h;
    uint8_t scales_l[4];
    uint8_t qs[128];
} pc_block_iq4_xs;

extern const int8_t pc_iq4_values[16];

/* Scale and minimum of group j of Q4_K and Q5_K, out of their 12 bytes. */
static inline void pc_block_scale_min(const uint8_t scales[12], int j, uint8_t *scale, uint8_t *min)
{
    if (j < 4) {
        *scale = scales[j] & 63;
        *min = scales[j + 4] & 63;
    } else {
        *scale = (uint8_t)((scales[j + 4] & 15) | (scales[j - 4] >> 6) << 4);
        *min = (uint8_t)(scales[j + 4] >> 4 | (scales[j] >> 6) << 4);
    }
}

/* Scale of group j of Q3_K, -32..31. */
static inline int pc_block_scale_q3(const uint8_t scales[12], int j)
{
    int low = j < 8 ? scales[j] & 15 : scales[j - 8] >> 4;
    int high = scales[8 + j % 4] >> (2 * (j / 4)) & 3;
    return (low | high << 4) - 32;
}

/* Scale of group j of IQ4_XS, -32..31. */
static inline int pc_block_scale_iq4(const pc_block_iq4_xs *block, int j)
{
    int low = block->scales_l[j / 2] >> (4 * (j % 2)) & 15;
    int high = block->scales_h >> (2 * j) & 3;
    return (low | high << 4) - 32;
}

/* (type, dtype, numbers of a block, of a group, offset, has a minimum) of every type: pc_block_format. */
#define PC_BLOCK_FORMATS(X)                                                                                             \
    X(q4_0, PC_Q4_0, 32, 32, 8, false)                                                                                  \
    X(q4_1, PC_Q4_1, 32, 32, 0, true)                                                                                   \
    X(q5_0, PC_Q5_0, 32, 32, 16, false)                                                                                 \
    X(q5_1, PC_Q5_1, 32, 32, 0, true)                                                                                   \
    X(q8_0, PC_Q8_0, 32, 32, 128, false)                                                                                \
    X(q2_k, PC_Q2_K, 256, 16, 0, true)                                                                                  \
    X(q3_k, PC_Q3_K, 256, 16, 4, false)                                                                                 \
    X(q4_k, PC_Q4_K, 256, 32, 0, true)                                                                                  \
    X(q5_k, PC_Q5_K, 256, 32, 0, true)                                                                                  \
    X(q6_k, PC_Q6_K, 256, 16, 32, false)                                                                                \
    X(iq4_nl, PC_IQ4_NL, 32, 32, 128, false)                                                                            \
    X(iq4_xs, PC_IQ4_XS, 256, 32, 128, false)

/* How the numbers of a type come out of codes: x = scale (code - offset) + min, with a scale and a minimum for each group. */
typedef struct pc_block_format {
    int group;    /* 16 or 32 numbers */
    int offset;
    bool has_min; /* else there is no addition */
} pc_block_format;

const pc_block_format *pc_block_format_of(pc_dtype dtype); /* a block type's */

typedef struct pc_block_parts {
    uint8_t code[PC_BLOCK_LARGE]; /* of the block's numbers, in their order */
    float scale[PC_BLOCK_LARGE / 16], min[PC_BLOCK_LARGE / 16]; /* by group */
} pc_block_parts;

/* One block's, which may lie at any address; min only where the format has it. */
void pc_block_take_apart(pc_dtype dtype, pc_block_parts *out, const void *block);

/* dst[count] = what the blocks mean; count is a multiple of pc_dtype_unit. src may lie at any address. */
void pc_block_dequantise(pc_dtype dtype, float *dst, const void *src, size_t count);
/* Number i of the array of blocks at data. Slow: for reference kernels and tests. */
float pc_block_get(pc_dtype dtype, const void *data, size_t i);

/* The other factor of a product with blocks, rounded to 8 bits: 32 numbers share the scale that is returned, their largest
 * magnitude / 127; x is about scale * code. NaN when one of them isn't finite, 0 when all are below 1e-30. */
float pc_block_round_eight(int8_t code[PC_BLOCK_SMALL], const float x[PC_BLOCK_SMALL]);

/* True for Q8_0, Q4_0, Q4_K, Q5_K, Q6_K, IQ4_NL: what pc_block_quantise makes. */
bool pc_block_quantises(pc_dtype dtype);
/* Blocks of count (whole units) numbers; a block depends on its numbers alone. Numbers that are not finite, or too large
 * for a scale in f16, spoil their block (it has some finite meaning), so callers check before. */
void pc_block_quantise(pc_dtype dtype, void *dst, const float *src, size_t count);

#endif
