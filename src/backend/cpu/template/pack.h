/* Packing of matrices into panels of units: dst[u * width + row].
 *
 * load_units(src, at, left) gives LANES units along K from element `at`, of which `left` numbers of K are there;
 * join_units(first, second) makes units from two vectors of neighbours in K. Both come from the including file, with
 * GEMM_UNIT = numbers of K in a unit.
 */
INLINE vf load_number(const void *data, pc_dtype dtype, int64_t at, int64_t left)
{
    const vmask m = vm_first(left);
    switch (dtype) {
    case PC_BF16: return vf_load_bf16((const pc_bf16 *)data + at, m);
    case PC_F16: return vf_load_f16((const pc_f16 *)data + at, m);
    default: return left >= LANES ? vf_load((const float *)data + at) : vf_load_mask((const float *)data + at, m);
    }
}

enum {
    PREFETCH_ALONG = 128, /* numbers along K: a whole panel's rows are more streams than the processor follows by itself */
    PREFETCH_STEPS = 8,   /* steps of K that lie far apart */
};

/* Number `at` is wanted soon. Behind the end of the data it does no harm. */
INLINE void ask_ahead(const void *data, pc_dtype dtype, int64_t at)
{
    __builtin_prefetch((const void *)((uintptr_t)data + (uintptr_t)at * (dtype == PC_F32 ? 4 : 2)));
}

/* Rows are contiguous along K: blocks of LANES x LANES units are transposed. */
INLINE void pack_along_k(float *dst, int64_t width, const pc_cpu_matrix *src, pc_dtype dtype, int64_t rows,
                         int64_t count, const bool round)
{
    const int64_t units = (count + GEMM_UNIT - 1) / GEMM_UNIT;
    for (int64_t u = 0; u < units; u += LANES) {
        const int64_t left = count - u * GEMM_UNIT;
        for (int64_t r = 0; r < width; r += LANES) {
            const int64_t start = r * src->row_stride + u * GEMM_UNIT;
            float *to = dst + u * width + r;
            vi block[LANES];
            if (rows - r >= LANES && left >= LANES * GEMM_UNIT) {
#pragma GCC unroll 16
                for (int i = 0; i < LANES; i++) {
                    ask_ahead(src->data, dtype, start + i * src->row_stride + PREFETCH_ALONG);
                    block[i] = load_units(src->data, dtype, start + i * src->row_stride, LANES * GEMM_UNIT, round);
                }
                vi_transpose(block);
#pragma GCC unroll 16
                for (int i = 0; i < LANES; i++) {
                    vf_store(to + i * width, (vf)block[i]);
                }
                continue;
            }
            for (int i = 0; i < LANES; i++) {
                block[i] = r + i < rows ? load_units(src->data, dtype, start + i * src->row_stride, left, round)
                                        : vi_set(0);
            }
            vi_transpose(block);
            for (int i = 0; i < LANES && u + i < units; i++) {
                vf_store(to + i * width, (vf)block[i]);
            }
        }
    }
}

/* Rows lie side by side: each step of K is copied, across all panels. The steps are far apart, so that the processor
 * doesn't foresee the next: it is asked for. */
INLINE void pack_step(float *dst, int64_t width, const pc_cpu_matrix *src, pc_dtype dtype, int64_t at, int64_t rows,
                      const bool pair, const bool round)
{
    for (int64_t r = 0; r < width; r += LANES) {
        const int64_t left = rows > r ? rows - r : 0;
        vf first = vf_set(0);
        vf second = vf_set(0);
        if (left > 0) {
            const int64_t ahead = at + r + PREFETCH_STEPS * src->k_stride;
            ask_ahead(src->data, dtype, ahead);
            first = load_number(src->data, dtype, at + r, left);
            if (GEMM_UNIT == 2 && pair) {
                ask_ahead(src->data, dtype, ahead + src->k_stride);
                second = load_number(src->data, dtype, at + src->k_stride + r, left);
            }
        }
        vf_store(dst + r, (vf)join_units(first, second, round));
    }
}

INLINE void pack_along_rows(float *dst, const pc_cpu_panels *panels, const pc_cpu_matrix *src, pc_dtype dtype,
                            int64_t rows, int64_t count, const bool round)
{
    for (int64_t k = 0; k < count; k += GEMM_UNIT) {
        float *to = dst + k / GEMM_UNIT * panels->width;
        for (int64_t r = 0; r < rows; r += panels->height) {
            const int64_t left = rows - r < panels->height ? rows - r : panels->height;
            pack_step(to, panels->width, src, dtype, k * src->k_stride + r, left, k + 1 < count, round);
            to += panels->panel_stride;
        }
    }
}

INLINE void pack_panels(void *dst, const pc_cpu_panels *panels, const pc_cpu_matrix *src, int64_t rows, int64_t count,
                        const bool round)
{
    switch (src->dtype) {
    case PC_BF16: pack_along_rows(dst, panels, src, PC_BF16, rows, count, round); break;
    case PC_F16: pack_along_rows(dst, panels, src, PC_F16, rows, count, round); break;
    default: pack_along_rows(dst, panels, src, PC_F32, rows, count, round); break;
    }
}

INLINE void pack_panel(void *dst, int64_t width, const pc_cpu_matrix *src, int64_t rows, int64_t count,
                       const bool round)
{
    if (src->k_stride == 1) {
        switch (src->dtype) {
        case PC_BF16: pack_along_k(dst, width, src, PC_BF16, rows, count, round); break;
        case PC_F16: pack_along_k(dst, width, src, PC_F16, rows, count, round); break;
        default: pack_along_k(dst, width, src, PC_F32, rows, count, round); break;
        }
    } else {
        pack_panels(dst, &(pc_cpu_panels){width, width, 0}, src, rows, count, round);
    }
}
