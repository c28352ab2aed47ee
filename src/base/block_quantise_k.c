/* Quantising to blocks of 256: Q4_K, Q5_K (x = d scale q - dmin min) and Q6_K (x = d scale q).
 *
 * First each group alone: the scale (and minimum) with the least squared error, from many starts, fitted in turn with the
 * codes. Then scales become integers: those near the ideal are tried with codes rounded anew. Last, d and dmin are fitted to
 * all 256 numbers and everything is rounded again, for as long as the error falls. ggml stops after the first rounding.
 *
 * Easy to get wrong: minima are subtracted, so they are >= 0; the largest of a Q6_K block's scales may be negative, and then
 * takes -128.
 */
#include "base/block_internal.h"

#include <math.h>

enum { GROUPS_MIN = 8, GROUP_MIN = 32, GROUPS_6 = 16, GROUP_6 = 16, ROUNDS = 3 };

/* --- Q4_K, Q5_K: scale and minimum --- */

/* Error of n numbers as scale q - min with q = 0..top rounded; codes go to q. */
static float encode_min(uint8_t *q, const float *x, int n, int top, float scale, float min)
{
    float inverse = scale > 0 ? 1 / scale : 0, error = 0;
    for (int i = 0; i < n; i++) {
        int code = pc_block_round((x[i] + min) * inverse, 0, top);
        float off = x[i] - (scale * (float)code - min);
        q[i] = (uint8_t)code;
        error += off * off;
    }
    return error;
}

/* Least squares x = scale q - min with both >= 0. */
static void fit_min(const uint8_t *q, const float *x, int n, float *scale, float *min)
{
    float qq = 0, qs = 0, xq = 0, xs = 0;
    for (int i = 0; i < n; i++) {
        float code = q[i];
        qq += code * code;
        qs += code;
        xq += code * x[i];
        xs += x[i];
    }
    float det = (float)n * qq - qs * qs;
    *min = det > 0 ? (qs * xq - qq * xs) / det : 0;
    *scale = det > 0 ? ((float)n * xq - qs * xs) / det : qq > 0 ? xq / qq : 0;
    if (*min < 0) {
        *min = 0;
        *scale = qq > 0 ? xq / qq : 0;
    }
    *scale = *scale > 0 ? *scale : 0;
}

static void search_min(const float *x, int top, float *scale, float *min)
{
    uint8_t q[GROUP_MIN];
    float low = 0, high = x[0], best;
    for (int i = 0; i < GROUP_MIN; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    *scale = high > low ? (high - low) / (float)top : 0;
    *min = -low;
    best = encode_min(q, x, GROUP_MIN, top, *scale, *min);
    for (int step = -8; step <= 16 && high > low; step++) { /* from a range a bit shorter than the numbers' to a longer one */
        float s = (high - low) / ((float)top + 0.125f * (float)step), m = -low, error = 0;
        encode_min(q, x, GROUP_MIN, top, s, m);
        for (int turn = 0; turn < 2; turn++) {
            fit_min(q, x, GROUP_MIN, &s, &m);
            error = encode_min(q, x, GROUP_MIN, top, s, m);
        }
        if (error < best) {
            best = error;
            *scale = s;
            *min = m;
        }
    }
}

typedef struct min_block {
    float d, dmin; /* as f16 stores them */
    uint8_t scale[GROUPS_MIN], min[GROUPS_MIN];
    uint8_t q[PC_BLOCK_LARGE];
    float error;
} min_block;

/* Integers near the ideal scale and minimum of a group, with the codes that they give. */
static float round_group(min_block *b, int j, const float *x, int top, float scale, float min)
{
    int near_scale = pc_block_round(b->d > 0 ? scale / b->d : 0, 0, 63);
    int near_min = pc_block_round(b->dmin > 0 ? min / b->dmin : 0, 0, 63);
    uint8_t q[GROUP_MIN];
    float best = INFINITY;
    for (int s = near_scale - 1; s <= near_scale + 1; s++) {
        for (int m = near_min - 1; m <= near_min + 1; m++) {
            if (s < 0 || s > 63 || m < 0 || m > 63) {
                continue;
            }
            float error = encode_min(q, x, GROUP_MIN, top, b->d * (float)s, b->dmin * (float)m);
            if (error < best) {
                best = error;
                b->scale[j] = (uint8_t)s;
                b->min[j] = (uint8_t)m;
                memcpy(b->q + j * GROUP_MIN, q, sizeof q);
            }
        }
    }
    return best;
}

/* Least squares of all numbers for d and dmin: x = d (scale q) - dmin min. */
static void fit_block_min(min_block *b, const float *x)
{
    double aa = 0, ab = 0, bb = 0, xa = 0, xb = 0;
    for (int i = 0; i < PC_BLOCK_LARGE; i++) {
        double a = (double)b->scale[i / GROUP_MIN] * b->q[i], m = b->min[i / GROUP_MIN];
        aa += a * a;
        ab += a * m;
        bb += m * m;
        xa += a * x[i];
        xb += m * x[i];
    }
    double det = aa * bb - ab * ab;
    double d = det > 0 ? (xa * bb - xb * ab) / det : aa > 0 ? xa / aa : 0;
    double dmin = det > 0 ? (xa * ab - xb * aa) / det : 0;
    b->d = pc_block_f16(d > 0 ? (float)d : 0);
    b->dmin = pc_block_f16(dmin > 0 ? (float)dmin : 0);
}

static void search_block_min(min_block *best, const float *x, int top)
{
    float scale[GROUPS_MIN], min[GROUPS_MIN], most_scale = 0, most_min = 0;
    for (int j = 0; j < GROUPS_MIN; j++) {
        search_min(x + j * GROUP_MIN, top, &scale[j], &min[j]);
        most_scale = scale[j] > most_scale ? scale[j] : most_scale;
        most_min = min[j] > most_min ? min[j] : most_min;
    }
    min_block b = {.d = pc_block_f16(most_scale / 63), .dmin = pc_block_f16(most_min / 63)};
    best->error = INFINITY;
    for (int round = 0; round < ROUNDS; round++) {
        b.error = 0;
        for (int j = 0; j < GROUPS_MIN; j++) {
            b.error += round_group(&b, j, x + j * GROUP_MIN, top, scale[j], min[j]);
        }
        if (!(b.error < best->error)) {
            break;
        }
        *best = b;
        fit_block_min(&b, x);
    }
}

/* The 12 bytes that pc_block_scale_min reads. */
static void put_scales(uint8_t out[12], const min_block *b)
{
    for (int j = 0; j < 4; j++) {
        out[j] = (uint8_t)(b->scale[j] | b->scale[j + 4] >> 4 << 6);
        out[j + 4] = (uint8_t)(b->min[j] | b->min[j + 4] >> 4 << 6);
        out[j + 8] = (uint8_t)((b->scale[j + 4] & 15) | (b->min[j + 4] & 15) << 4);
    }
}

static void put_nibbles(uint8_t out[128], const uint8_t *q)
{
    for (int i = 0; i < 128; i++) {
        int at = i / 32 * 64 + i % 32;
        out[i] = (uint8_t)((q[at] & 15) | (q[at + 32] & 15) << 4);
    }
}

void pc_block_write_q4_k(void *dst, const float *x)
{
    pc_block_q4_k out;
    min_block best = {0};
    search_block_min(&best, x, 15);
    out.d = pc_f32_to_f16(best.d);
    out.dmin = pc_f32_to_f16(best.dmin);
    put_scales(out.scales, &best);
    put_nibbles(out.qs, best.q);
    memcpy(dst, &out, sizeof out);
}

void pc_block_write_q5_k(void *dst, const float *x)
{
    pc_block_q5_k out = {0};
    min_block best = {0};
    search_block_min(&best, x, 31);
    out.d = pc_f32_to_f16(best.d);
    out.dmin = pc_f32_to_f16(best.dmin);
    put_scales(out.scales, &best);
    put_nibbles(out.qs, best.q);
    for (int i = 0; i < PC_BLOCK_LARGE; i++) {
        out.qh[i % 32] |= (uint8_t)(best.q[i] >> 4 << (i / 32));
    }
    memcpy(dst, &out, sizeof out);
}

/* --- Q6_K: scale alone, codes -32..31 --- */

static float encode_6(int8_t *q, const float *x, float scale)
{
    float inverse = scale != 0 ? 1 / scale : 0, error = 0;
    for (int i = 0; i < GROUP_6; i++) {
        int code = pc_block_round(x[i] * inverse, -32, 31);
        float off = x[i] - scale * (float)code;
        q[i] = (int8_t)code;
        error += off * off;
    }
    return error;
}

static float fit_6(const int8_t *q, const float *x)
{
    float xq = 0, qq = 0;
    for (int i = 0; i < GROUP_6; i++) {
        xq += (float)q[i] * x[i];
        qq += (float)q[i] * (float)q[i];
    }
    return qq > 0 ? xq / qq : 0;
}

static float search_6(const float *x)
{
    int8_t q[GROUP_6];
    float largest = 0, best = INFINITY, scale = 0;
    for (int i = 0; i < GROUP_6; i++) {
        largest = fabsf(x[i]) > fabsf(largest) ? x[i] : largest;
    }
    for (int step = -9; step <= 9 && largest != 0; step++) {
        float s = -largest / (32 + 0.15f * (float)step);
        encode_6(q, x, s);
        for (int turn = 0; turn < 2; turn++) {
            s = fit_6(q, x);
            float error = encode_6(q, x, s);
            if (error < best) {
                best = error;
                scale = s;
            }
        }
    }
    return scale;
}

typedef struct block_6 {
    float d;
    int8_t scale[GROUPS_6], q[PC_BLOCK_LARGE];
    float error;
} block_6;

static float round_group_6(block_6 *b, int j, const float *x, float scale)
{
    int near = pc_block_round(b->d != 0 ? scale / b->d : 0, -128, 127);
    int8_t q[GROUP_6];
    float best = INFINITY;
    for (int s = near - 1; s <= near + 1; s++) {
        if (s < -128 || s > 127) {
            continue;
        }
        float error = encode_6(q, x, b->d * (float)s);
        if (error < best) {
            best = error;
            b->scale[j] = (int8_t)s;
            memcpy(b->q + j * GROUP_6, q, sizeof q);
        }
    }
    return best;
}

static float fit_block_6(const block_6 *b, const float *x)
{
    double xv = 0, vv = 0;
    for (int i = 0; i < PC_BLOCK_LARGE; i++) {
        double v = (double)b->scale[i / GROUP_6] * b->q[i];
        xv += v * x[i];
        vv += v * v;
    }
    return pc_block_f16(vv > 0 ? (float)(xv / vv) : 0);
}

static void search_block_6(block_6 *best, const float *x)
{
    float scale[GROUPS_6], largest = 0;
    for (int j = 0; j < GROUPS_6; j++) {
        scale[j] = search_6(x + j * GROUP_6);
        largest = fabsf(scale[j]) > fabsf(largest) ? scale[j] : largest;
    }
    block_6 b = {.d = pc_block_f16(largest / -128)};
    best->error = INFINITY;
    for (int round = 0; round < ROUNDS; round++) {
        b.error = 0;
        for (int j = 0; j < GROUPS_6; j++) {
            b.error += round_group_6(&b, j, x + j * GROUP_6, scale[j]);
        }
        if (!(b.error < best->error)) {
            break;
        }
        *best = b;
        b.d = fit_block_6(&b, x);
    }
}

void pc_block_write_q6_k(void *dst, const float *x)
{
    pc_block_q6_k out = {0};
    block_6 best = {0};
    search_block_6(&best, x);
    out.d = pc_f32_to_f16(best.d);
    memcpy(out.scales, best.scale, sizeof out.scales);
    for (int i = 0; i < PC_BLOCK_LARGE; i++) {
        int half = i / 128, at = i % 128, code = best.q[i] + 32;
        out.ql[half * 64 + at % 64] |= (uint8_t)((code & 15) << (at / 64 * 4));
        out.qh[half * 32 + at % 32] |= (uint8_t)(code >> 4 << (at / 32 * 2));
    }
    memcpy(dst, &out, sizeof out);
}
