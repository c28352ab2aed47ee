/* Panels of a parameter in half the size, for products whose factors are rounded to bf16 but multiplied as f32: two bf16 that are
 * neighbours in K share a unit, as in the panels of the levels that multiply such pairs.
 *
 * A few rows read the pairs themselves: a shift and a mask give both numbers. Many rows have a block of a panel widened into the
 * L1 cache first. The steps of a sum are those of a tile, so the bits are, too.
 */
#include "backend/cpu/template/ends.h"

enum {
    PAIR_ROWS = 4,
    PAIR_PANELS = 2,  /* for one row, whose sums are few and each waits for its last step */
    PAIR_STEPS = 64,  /* of K, packed at a time */
};

INLINE vf pair_first(vi x) { return (vf)(x << 16); }
INLINE vf pair_second(vi x) { return (vf)(x & vi_set((int32_t)0xffff0000)); }

static void pack_as_pairs(void *dst, int64_t width, const pc_cpu_matrix *src, int64_t rows, int64_t count)
{
    float steps[PAIR_STEPS * 2 * LANES];
    float *to = dst;
    for (int64_t k = 0; k < count; k += PAIR_STEPS) {
        const int64_t here = count - k < PAIR_STEPS ? count - k : PAIR_STEPS;
        pc_cpu_matrix part = *src;
        part.data = (const char *)src->data + (int64_t)pc_dtype_size(src->dtype) * k * src->k_stride;
        pack_panel(steps, width, &part, rows, here, true);
        for (int64_t s = 0; s < here; s += 2) {
            for (int64_t r = 0; r < width; r += LANES) {
                const vi first = (vi)vf_load(steps + s * width + r);
                const vi second = s + 1 < here ? (vi)vf_load(steps + (s + 1) * width + r) : vi_set(0);
                vf_store(to, (vf)((first >> 16 & vi_set(0xffff)) | (second & vi_set((int32_t)0xffff0000))));
                to += LANES;
            }
        }
    }
}

static void widen_pairs(void *dst, const void *src, int64_t width, int64_t count)
{
    float *to = dst;
    const float *from = src;
    for (int64_t k = 0; k < count; k += 2, from += width) {
        for (int64_t r = 0; r < width; r += LANES) {
            const vi x = (vi)vf_load(from + r);
            vf_store(to + k * width + r, pair_first(x));
            if (k + 1 < count) {
                vf_store(to + (k + 1) * width + r, pair_second(x));
            }
        }
    }
}

INLINE void pairs_body(const pc_cpu_tile *t, const int rows, const int vectors)
{
    const float *a = t->a, *b = t->b;
    vf c[PAIR_ROWS][2 * PAIR_PANELS];
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            c[r][v] = sum_begin(t, r, v * LANES);
        }
    }
    for (int64_t k = t->k; k > 0; k -= 2) {
        vi x[2 * PAIR_PANELS];
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            x[v] = (vi)vf_load(b + v / 2 * t->ldb + v % 2 * LANES);
        }
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) {
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++) {
                c[r][v] = vf_fma(vf_set(a[r]), pair_first(x[v]), c[r][v]);
            }
        }
        if (k == 1) {
            break;
        }
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) {
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++) {
                c[r][v] = vf_fma(vf_set(a[t->lda + r]), pair_second(x[v]), c[r][v]);
            }
        }
        a += 2 * t->lda;
        b += 2 * LANES;
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            sum_end(t, r, v * LANES, c[r][v]);
        }
    }
}

INLINE void pairs_rows(const pc_cpu_tile *t, const int rows)
{
    if (t->cols > LANES) {
        pairs_body(t, rows, 2);
    } else {
        pairs_body(t, rows, 1);
    }
}

static void run_pairs(const pc_cpu_tile *t)
{
    switch (t->rows) {
    case 1:
        if (t->cols > 3 * LANES) {
            pairs_body(t, 1, 4);
        } else if (t->cols > 2 * LANES) {
            pairs_body(t, 1, 3);
        } else {
            pairs_rows(t, 1);
        }
        break;
    case 2: pairs_rows(t, 2); break;
    case 3: pairs_rows(t, 3); break;
    default: pairs_rows(t, 4); break;
    }
}

static const pc_cpu_pairs pairs_of_level = {
    .rows = PAIR_ROWS, .panels = PAIR_PANELS, .pack = pack_as_pairs, .widen = widen_pairs, .tile = run_pairs};
