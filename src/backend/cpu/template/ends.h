/* Where the sums of a tile (kernels.h) begin and what follows them, over the level's vectors. */
#ifndef PC_BACKEND_CPU_ENDS_H
#define PC_BACKEND_CPU_ENDS_H

#include "backend/cpu/kernels.h"

/* What the sums of row r, columns [column, column + LANES) begin with, and what follows them. */
INLINE vf sum_begin(const pc_cpu_tile *t, int r, int64_t column)
{
    return t->load ? vf_load_mask(t->c + r * t->ldc + column, vm_first(t->cols - column)) : vf_set(0);
}

INLINE void sum_end(const pc_cpu_tile *t, int r, int64_t column, vf x)
{
    const vmask m = vm_first(t->cols - column);
    if (t->bias) {
        x = x + vf_load_mask(t->bias + column, m);
    }
    if (t->residual) {
        x = x + vf_load_mask(t->residual + r * t->ldr + column, m);
    }
    vf_store_mask(t->c + r * t->ldc + column, x, m);
}

#endif
