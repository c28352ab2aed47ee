/* Quantising to blocks of 32: Q8_0, Q4_0, IQ4_NL. All are x = d v with v out of a table of values, so one search serves.
 *
 * Several scales are tried: those that put the largest number on one of the outer values, and near ones. From each, codes
 * and scale are fitted in turn (codes by rounding, d = sum x v / sum v v); the least sum of squares wins, with d as it is
 * stored in f16. ggml's own choice is among the candidates, so the error is never above its.
 */
#include "base/block_internal.h"

#include <math.h>

typedef struct code_table {
    const int8_t *values; /* ascending; NULL: the integers low..high */
    int low, high;        /* of values, or of indices into the table */
} code_table;

typedef struct fit {
    float d; /* as f16 stores it */
    double error;
    float values[PC_BLOCK_SMALL]; /* of the table, for each number */
} fit;

static float value_of(const code_table *table, int code)
{
    return table->values ? table->values[code] : (float)code;
}

/* values[i] = what the table has nearest to x[i] * inverse; NaN becomes its lowest. */
static void nearest_integers(float *values, const code_table *table, const float *x, float inverse)
{
    const float low = (float)table->low, high = (float)table->high, shift = 12582912.0f; /* as pc_block_round */
    for (int i = 0; i < PC_BLOCK_SMALL; i++) {
        float v = x[i] * inverse;
        v = v > low ? v : low;
        v = v < high ? v : high;
        values[i] = v + shift - shift;
    }
}

/* Above every middle between neighbours the next value is nearer. */
static void nearest_levels(float *values, const code_table *table, const float *x, float inverse)
{
    for (int i = 0; i < PC_BLOCK_SMALL; i++) {
        values[i] = table->values[table->low];
    }
    for (int code = table->low; code < table->high; code++) {
        const float middle = 0.5f * (float)(table->values[code] + table->values[code + 1]), next = table->values[code + 1];
        for (int i = 0; i < PC_BLOCK_SMALL; i++) {
            values[i] = x[i] * inverse > middle ? next : values[i];
        }
    }
}

enum { LANES = 4 }; /* sums side by side, so that they needn't wait for each other */

static double sum_of(const double lanes[LANES])
{
    return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
}

/* Values for the scale 1 / inverse, measured with d. */
static void encode(fit *out, const code_table *table, const float *x, float inverse, float d)
{
    double error[LANES] = {0};
    if (table->values) {
        nearest_levels(out->values, table, x, inverse);
    } else {
        nearest_integers(out->values, table, x, inverse);
    }
    for (int i = 0; i < PC_BLOCK_SMALL; i += LANES) {
        for (int l = 0; l < LANES; l++) {
            double off = (double)x[i + l] - (double)d * (double)out->values[i + l];
            error[l] += off * off;
        }
    }
    out->d = d;
    out->error = sum_of(error);
}

static float fitted_scale(const fit *made, const float *x)
{
    double xv[LANES] = {0}, vv[LANES] = {0};
    for (int i = 0; i < PC_BLOCK_SMALL; i += LANES) {
        for (int l = 0; l < LANES; l++) {
            const double v = (double)made->values[i + l];
            xv[l] += v * (double)x[i + l];
            vv[l] += v * v;
        }
    }
    return sum_of(vv) > 0 ? (float)(sum_of(xv) / sum_of(vv)) : 0;
}

static void try_scale(fit *best, const code_table *table, const float *x, float d)
{
    fit made;
    float stored = pc_block_f16(d);
    encode(&made, table, x, d != 0 ? 1 / d : 0, stored); /* the way of ggml: codes by the scale before f16 */
    if (made.error < best->error) {
        *best = made;
    }
    for (int turn = 0; turn < 2; turn++) {
        stored = pc_block_f16(fitted_scale(&made, x));
        if (stored == best->d || stored == made.d) { /* where others led, too */
            break;
        }
        encode(&made, table, x, stored != 0 ? 1 / stored : 0, stored);
        if (made.error < best->error) {
            *best = made;
        }
    }
}

static void search(fit *best, const code_table *table, const float *x, int steps, float step)
{
    float largest = 0;
    for (int i = 0; i < PC_BLOCK_SMALL; i++) {
        largest = fabsf(x[i]) > fabsf(largest) ? x[i] : largest;
    }
    memset(best, 0, sizeof *best);
    encode(best, table, x, 0, 0);
    if (largest == 0) {
        return;
    }
    const float ends[2] = {value_of(table, table->low), value_of(table, table->high)};
    for (int end = 0; end < 2; end++) {
        for (int i = 0; i <= steps; i++) {
            try_scale(best, table, x, largest / (ends[end] + (ends[end] < 0 ? 1 : -1) * step * (float)(i - steps / 4)));
        }
    }
}

/* The place of each value in the table, or the integer itself. */
static void codes_of(int8_t *codes, const fit *found, const code_table *table)
{
    for (int i = 0; i < PC_BLOCK_SMALL; i++) {
        int code = table->values ? table->low : (int)found->values[i];
        while (table->values && (float)table->values[code] < found->values[i]) {
            code++;
        }
        codes[i] = (int8_t)code;
    }
}

void pc_block_write_q8_0(void *dst, const float *x)
{
    static const code_table integers = {NULL, -127, 127};
    pc_block_q8_0 b;
    fit best;
    search(&best, &integers, x, 3, 0.5f);
    b.d = pc_f32_to_f16(best.d);
    codes_of(b.qs, &best, &integers);
    memcpy(dst, &b, sizeof b);
}

void pc_block_write_q4_0(void *dst, const float *x)
{
    static const code_table integers = {NULL, -8, 7};
    pc_block_q4_0 b;
    fit best;
    int8_t codes[PC_BLOCK_SMALL];
    search(&best, &integers, x, 8, 0.4f);
    codes_of(codes, &best, &integers);
    b.d = pc_f32_to_f16(best.d);
    for (int i = 0; i < 16; i++) {
        b.qs[i] = (uint8_t)((codes[i] + 8) | (codes[i + 16] + 8) << 4);
    }
    memcpy(dst, &b, sizeof b);
}

void pc_block_write_iq4_nl(void *dst, const float *x)
{
    static const code_table levels = {pc_iq4_values, 0, 15};
    pc_block_iq4_nl b;
    fit best;
    int8_t codes[PC_BLOCK_SMALL];
    search(&best, &levels, x, 8, 6.7f);
    codes_of(codes, &best, &levels);
    b.d = pc_f32_to_f16(best.d);
    for (int i = 0; i < 16; i++) {
        b.qs[i] = (uint8_t)(codes[i] | codes[i + 16] << 4);
    }
    memcpy(dst, &b, sizeof b);
}

/* --- by type --- */

static void (*const writers[PC_DTYPE_COUNT])(void *, const float *) = {
    [PC_Q8_0] = pc_block_write_q8_0, [PC_Q4_0] = pc_block_write_q4_0, [PC_IQ4_NL] = pc_block_write_iq4_nl,
    [PC_Q4_K] = pc_block_write_q4_k, [PC_Q5_K] = pc_block_write_q5_k, [PC_Q6_K] = pc_block_write_q6_k,
};

bool pc_block_quantises(pc_dtype dtype)
{
    return writers[dtype] != NULL;
}

void pc_block_quantise(pc_dtype dtype, void *dst, const float *src, size_t count)
{
    uint8_t *to = dst;
    size_t unit = pc_dtype_unit(dtype), size = pc_dtype_size(dtype);
    for (size_t i = 0; writers[dtype] && i + unit <= count; i += unit, to += size) {
        writers[dtype](to, src + i);
    }
}
