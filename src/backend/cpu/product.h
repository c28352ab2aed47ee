/* C = A B (+ bias, residual): one matrix product by all threads, for the kernels of nodes that are made of products. */
#ifndef PC_BACKEND_CPU_PRODUCT_H
#define PC_BACKEND_CPU_PRODUCT_H

#include "backend/cpu/node.h"

typedef struct pc_cpu_product {
    const pc_cpu_gemm *gemm;
    int64_t m, n, k;
    pc_cpu_matrix a, b; /* rows: M and N */
    bool transpose_a;   /* rows of A lie side by side */
    float *c;           /* [M,N] */
    bool accumulate;    /* C += */
    const float *bias, *residual; /* [N], [M,N], or NULL */
    const float *packed; /* whole B in panels (pc_cpu_packed), or NULL */

    /* The rest is the run's own. */
    int64_t units;      /* of K */
    int64_t packed_units; /* of a panel of `packed`: the same, or half when it has pairs */
    int64_t lanes;      /* width of a panel of A */
    float *panels;      /* scratch: a chunk of B, or all of A when there are few rows */
    float *a_panels;    /* scratch: a chunk of A when it is transposed */
    float *of_thread;   /* scratch: thread i's part begins at i * thread_floats */
    int64_t thread_floats;

    /* The chunk at work. */
    int64_t first_row, chunk_rows;     /* of C */
    int64_t first_panel, chunk_panels; /* of B */
    int64_t first_unit, chunk_units;   /* of K */
    /* How items cut it. */
    int64_t tile_rows, item_tiles; /* even heights: rows of a tile; tiles in an item */
    int64_t row_items, item_panels;
    int64_t a_stride; /* few rows: units between steps of K in packed A */
} pc_cpu_product;

/* Scratch for every product whose dims are at most those of `most`. */
size_t pc_cpu_product_scratch(const pc_cpu_product *most, int threads);
/* The sum over K has one order however many rows there are. Changes *p. */
void pc_cpu_product_run(pc_cpu_product *p, void *scratch, pc_pool *pool);

/* What a factor may be made of. */
static inline bool pc_cpu_is_factor(const pc_tensor *x)
{
    return x->dtype == PC_F32 || x->dtype == PC_BF16 || x->dtype == PC_F16;
}

#endif
