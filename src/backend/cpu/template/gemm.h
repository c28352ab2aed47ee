/* Tiles of a matrix product over the level's vectors, for the unit that GEMM_STEP multiplies.
 *
 * A tile keeps its C in registers (TILE_ROWS x 2 vectors), and each step of k loads two vectors of B and broadcasts one
 * unit of A for each row. All heights are compiled, so that a tile of one row does the same sums as a full one.
 * GEMM_STEP(a, b, c) = c + a * b, with a and b holding units as the bits of floats.
 */
INLINE void tile_body(const pc_cpu_tile *t, const int rows, const int vectors, const bool full)
{
    const float *a = t->a;
    const float *b = t->b;
    const int64_t lda = t->lda;
    const int64_t ldb = t->ldb;
    const vmask mask = vm_first(t->cols - (vectors - 1) * LANES);
    const int last = vectors - 1;
    vf c[TILE_ROWS][2];
#pragma GCC unroll 14
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 2
        for (int j = 0; j < vectors; j++) {
            const float *from = t->c + r * t->ldc + j * LANES;
            c[r][j] = vf_set(0);
            if (t->load) {
                c[r][j] = full || j < last ? vf_load(from) : vf_load_mask(from, mask);
            }
        }
    }
    for (int64_t k = t->k; k > 0; k--) {
        vf x[2];
#pragma GCC unroll 2
        for (int j = 0; j < vectors; j++) {
            x[j] = full || j < last ? vf_load(b + j * LANES) : vf_load_mask(b + j * LANES, mask);
        }
#pragma GCC unroll 14
        for (int r = 0; r < rows; r++) {
            const vf y = vf_set(a[r]);
#pragma GCC unroll 2
            for (int j = 0; j < vectors; j++) {
                c[r][j] = GEMM_STEP(y, x[j], c[r][j]);
            }
        }
        a += lda;
        b += ldb;
    }
#pragma GCC unroll 2
    for (int j = 0; j < vectors; j++) {
        const vmask m = full || j < last ? vm_first(LANES) : mask;
        if (t->bias) {
            const vf bias = vf_load_mask(t->bias + j * LANES, m);
#pragma GCC unroll 14
            for (int r = 0; r < rows; r++) {
                c[r][j] = c[r][j] + bias;
            }
        }
        if (t->residual) {
#pragma GCC unroll 14
            for (int r = 0; r < rows; r++) {
                c[r][j] = c[r][j] + vf_load_mask(t->residual + r * t->ldr + j * LANES, m);
            }
        }
#pragma GCC unroll 14
        for (int r = 0; r < rows; r++) {
            float *to = t->c + r * t->ldc + j * LANES;
            if (full || j < last) {
                vf_store(to, c[r][j]);
            } else {
                vf_store_mask(to, c[r][j], m);
            }
        }
    }
}

#define TILE(rows)                                   \
    static void tile_##rows(const pc_cpu_tile *tile) \
    {                                                \
        if (tile->cols == 2 * LANES) {               \
            tile_body(tile, rows, 2, true);          \
        } else if (tile->cols > LANES) {             \
            tile_body(tile, rows, 2, false);         \
        } else {                                     \
            tile_body(tile, rows, 1, false);         \
        }                                            \
    }
TILE(1)
TILE(2)
TILE(3)
TILE(4)
#if TILE_ROWS >= 6
TILE(5)
TILE(6)
#endif
#if TILE_ROWS >= 14
TILE(7)
TILE(8)
TILE(9)
TILE(10)
TILE(11)
TILE(12)
TILE(13)
TILE(14)
#endif

static void run_tile(const pc_cpu_tile *tile)
{
    static void (*const by_rows[TILE_ROWS])(const pc_cpu_tile *) = {
        tile_1, tile_2, tile_3, tile_4,
#if TILE_ROWS >= 6
        tile_5, tile_6,
#endif
#if TILE_ROWS >= 14
        tile_7, tile_8, tile_9, tile_10, tile_11, tile_12, tile_13, tile_14,
#endif
    };
    by_rows[tile->rows - 1](tile);
}

/* As many independent accumulators as a tile has; the values stay near 1. */
static double run_peak(int64_t rounds)
{
    vf c[TILE_ROWS][2];
    vf a = vf_set(0);
    vf b = vf_set(0);
    __asm__ volatile("" : "+" IN_REGISTER(a), "+" IN_REGISTER(b));
    for (int r = 0; r < TILE_ROWS; r++) {
        c[r][0] = c[r][1] = vf_set(1);
    }
    for (int64_t i = 0; i < rounds; i++) {
#pragma GCC unroll 14
        for (int r = 0; r < TILE_ROWS; r++) {
            c[r][0] = GEMM_STEP(a, b, c[r][0]);
            c[r][1] = GEMM_STEP(a, b, c[r][1]);
        }
    }
    for (int r = 0; r < TILE_ROWS; r++) {
        __asm__ volatile("" : : IN_REGISTER(c[r][0]), IN_REGISTER(c[r][1]));
    }
    return 2.0 * GEMM_UNIT * LANES * TILE_ROWS * 2 * (double)rounds;
}
