/* Products with weights in blocks at each instruction-set level: against their references, and a row of a batch with the bits that
 * it has alone. */
#include "kernels/walker.h"

#include "backend/cpu/node.h"
#include "base/block.h"
#include "ops/matmul.h"

#include <float.h>

/* Bytes `byte`, or random ones for -1, with scales of a sane size: every code and every scale occurs. */
static pc_tensor *blocks_of(walker *w, pc_dtype type, int64_t n, int64_t k, int byte)
{
    pc_tensor *b = walker_tensor(w, type, pc_dims(2, n, k));
    const size_t size = pc_dtype_size(type), bytes = pc_tensor_bytes(b);
    for (size_t i = 0; i < bytes; i++) {
        ((uint8_t *)b->data)[i] = byte < 0 ? (uint8_t)pc_rng_below(&w->rng, 256) : (uint8_t)byte;
    }
    for (size_t at = 0; at < bytes; at += size) {
        const size_t d = type == PC_Q2_K ? offsetof(pc_block_q2_k, d) : type == PC_Q3_K ? offsetof(pc_block_q3_k, d)
                       : type == PC_Q6_K ? offsetof(pc_block_q6_k, d) : 0;
        const bool min = type == PC_Q4_1 || type == PC_Q5_1 || type == PC_Q4_K || type == PC_Q5_K || type == PC_Q2_K;
        for (size_t i = 0; i <= min; i++) {
            const pc_f16 scale = pc_f32_to_f16((float)(1e-3 * pc_rng_normal(&w->rng)));
            memcpy((char *)b->data + at + d + 2 * i, &scale, sizeof scale);
        }
    }
    memcpy(w->original[1], b->data, bytes);
    return b;
}

static pc_tensor *random_blocks(walker *w, pc_dtype type, int64_t n, int64_t k) { return blocks_of(w, type, n, k, -1); }

/* size: m, n, k. The weight lies as [n,k], or as [k,n] when gradients go back through it. */
static void blocks_case(walker *w, pc_dtype type, pc_matmul_params params, const int64_t size[3], bool options)
{
    const int64_t m = size[0], n = size[1], k = size[2];
    const bool back = !params.transpose_b;
    walker_begin(w, &pc_op_matmul, &params);
    walker_float(w, PC_F32, pc_dims(2, m, k));
    random_blocks(w, type, back ? k : n, back ? n : k);
    if (options) {
        walker_float(w, PC_F32, pc_dims(1, n));
        walker_float(w, PC_F32, pc_dims(2, m, n));
    } else {
        walker_absent(w);
        walker_absent(w);
    }
    w->accumulate = options;
    w->absolute = (params.compute == PC_BF16 ? 4e-6 : 2e-6) * sqrt((double)k); /* codes are not centred: larger sums */
    walker_check(w);
}

/* Sums over rows of the weight, fewer and more than a tile has; columns of one block and of more than a tile. */
static void test_blocks_back(void **state)
{
    static const int64_t sizes[][3] = {{1, 256, 1}, {3, 512, 53}, {66, 256, 130}, {5, 768, 300}};
    for (int type = PC_DTYPE_PLAIN; type < PC_DTYPE_COUNT; type++) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            const bool options = (i + (size_t)type) % 2;
            blocks_case(*state, (pc_dtype)type, (pc_matmul_params){.compute = options ? PC_BF16 : PC_F32}, sizes[i], options);
        }
        if (pc_dtype_unit((pc_dtype)type) == 32) {
            blocks_case(*state, (pc_dtype)type, (pc_matmul_params){.compute = PC_BF16}, (const int64_t[]){9, 288, 40}, true);
        }
    }
}

static void test_blocks(void **state)
{
    static const int64_t sizes[][3] = {{1, 1, 256}, {1, 53, 512}, {2, 49, 256}, {3, 7, 768}, {4, 9, 256},
                                       {5, 50, 512}, {65, 4, 1280}, {70, 100, 256}};
    for (int type = PC_DTYPE_PLAIN; type < PC_DTYPE_COUNT; type++) {
        for (int compute = 0; compute < 2; compute++) {
            const pc_matmul_params params = {false, true, compute ? PC_BF16 : PC_F32};
            for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
                blocks_case(*state, (pc_dtype)type, params, sizes[i], (i + (size_t)type) % 2);
            }
            if (pc_dtype_unit((pc_dtype)type) == 32) {
                blocks_case(*state, (pc_dtype)type, params, (const int64_t[]){3, 5, 96}, false);
                blocks_case(*state, (pc_dtype)type, params, (const int64_t[]){2, 17, 32}, true);
                blocks_case(*state, (pc_dtype)type, params, (const int64_t[]){4, 33, 320}, false);
                blocks_case(*state, (pc_dtype)type, params, (const int64_t[]){9, 13, 544}, true);
            }
        }
    }
}

/* The largest codes on both sides, all of one sign: no sum on the way may overflow. */
static void test_blocks_extremes(void **state)
{
    enum { K = 256 };
    static const int bytes[] = {0x00, 0x0f, 0x7f, 0x80, 0xff};
    static const int64_t rows[] = {1, 9};
    walker *w = *state;
    for (int type = PC_DTYPE_PLAIN; type < PC_DTYPE_COUNT; type++) {
        for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++) {
            for (size_t j = 0; j < sizeof rows / sizeof rows[0]; j++) {
                walker_begin(w, &pc_op_matmul, &(pc_matmul_params){false, true, PC_BF16});
                pc_tensor *a = walker_float(w, PC_F32, pc_dims(2, rows[j], K));
                for (int64_t at = 0; at < rows[j] * K; at++) {
                    ((float *)a->data)[at] = at / K % 2 ? -1.0f : 1.0f;
                }
                memcpy(w->original[0], a->data, (size_t)(rows[j] * K) * sizeof(float));
                blocks_of(w, (pc_dtype)type, 19, K, bytes[i]);
                walker_absent(w);
                walker_absent(w);
                w->absolute = 1e-4;
                walker_check(w);
            }
        }
    }
}

/* A row alone, in a small batch and in a large one: the same bits. */
static void check_rows_of_blocks(walker *w, pc_dtype type, pc_dtype compute)
{
    enum { M = 150, N = 75, K = 768 };
    const pc_matmul_params params = {false, true, compute};
    walker_begin(w, &pc_op_matmul, &params);
    pc_tensor *a = walker_float(w, PC_F32, pc_dims(2, M, K));
    random_blocks(w, type, N, K);
    walker_absent(w);
    walker_absent(w);
    for (int level = 0; level < w->levels; level++) {
        float *whole = walker_run(w, level, 2);
        void *data = a->data;
        for (int64_t rows = 1; rows <= 17; rows += rows < 7 ? 1 : 10) {
            a->data = (float *)data + 17 * K;
            a->shape = pc_dims(2, rows, K);
            float *part = walker_run(w, level, 1);
            assert_memory_equal(part, whole + 17 * N, (size_t)(rows * N) * sizeof(float));
            free(part);
        }
        a->data = data;
        a->shape = pc_dims(2, M, K);
        free(whole);
    }
    walker_end(w);
}

static void test_blocks_rows(void **state)
{
    for (int type = PC_DTYPE_PLAIN; type < PC_DTYPE_COUNT; type++) {
        check_rows_of_blocks(*state, (pc_dtype)type, PC_F32);
        check_rows_of_blocks(*state, (pc_dtype)type, PC_BF16);
    }
}

/* Rounding to 8 bits at each level: the codes and scales of the function that defines it, also of what is not finite. */
static void test_rounding(void **state)
{
    enum { ROWS = 3, COUNT = 320 };
    walker *w = *state;
    float x[ROWS * COUNT];
    for (int i = 0; i < ROWS * COUNT; i++) {
        x[i] = (float)(pc_rng_normal(&w->rng) * exp2((double)pc_rng_below(&w->rng, 40) - 20));
        x[i] = i / 32 == 3 ? 0 : i / 32 == 5 ? 1e-38f : i / 32 == 7 ? (float)(i % 32) - 15.5f : x[i];
    }
    x[40] = NAN;
    x[70] = INFINITY;
    x[COUNT + 1] = FLT_MAX;
    for (int level = 0; level < w->levels; level++) {
        const pc_cpu_int8 *int8 = pc_cpu_level_of(w->backend[level][0])->int8;
        for (int rows = 1; rows <= ROWS && rows <= int8->rows; rows++) {
            for (int which = 0; which < 4; which++) {
                const int group = which % 2 ? 32 : 16, bytes = which / 2 + 1, units = group * bytes / 4;
                int32_t got[COUNT / 16 * (16 / 2 + 3) * ROWS];
                int8->round(got, &(pc_cpu_rounding){.x = x, .ldx = COUNT, .count = COUNT, .rows = rows, .group = group,
                                                    .offset = -8, .code_bytes = bytes});
                for (int i = 0; i < rows * COUNT; i++) {
                    const int row = i / COUNT, k = i % COUNT, of_unit = 4 / bytes;
                    const int32_t *at = got + k / group * (units + 3) * rows;
                    int8_t code[32], four[4];
                    int16_t two[2];
                    float scale;
                    const float want = pc_block_round_eight(code, x + row * COUNT + k / 32 * 32);
                    memcpy(four, at + k % group / of_unit * rows + row, sizeof four);
                    memcpy(two, four, sizeof two);
                    memcpy(&scale, at + units * rows + row, sizeof scale);
                    assert_int_equal(bytes == 1 ? four[k % 4] : two[k % 2], code[k % 32]);
                    assert_true(scale == want || (isnan(scale) && isnan(want)));
                    int sum = 0;
                    for (int j = 0; j < group; j++) {
                        sum += code[k % 32 / group * group + j];
                    }
                    assert_int_equal(at[(units + 1) * rows + row], -8 * sum);
                }
            }
        }
    }
}

/* Each level dequantises to the bits that define the type. */
static void test_blocks_read(void **state)
{
    enum { COUNT = 4096 };
    walker *w = *state;
    static float want[COUNT], got[COUNT];
    for (int type = PC_DTYPE_PLAIN; type < PC_DTYPE_COUNT; type++) {
        walker_begin(w, &pc_op_matmul, &(pc_matmul_params){false, true, PC_F32});
        walker_float(w, PC_F32, pc_dims(1, 1));
        pc_tensor *b = random_blocks(w, (pc_dtype)type, 1, COUNT);
        pc_block_dequantise((pc_dtype)type, want, b->data, COUNT);
        for (int level = 0; level < w->levels; level++) {
            const pc_cpu_block_rows *functions = pc_cpu_level_of(w->backend[level][0])->blocks;
            if (functions->read[type - PC_DTYPE_PLAIN]) {
                functions->read[type - PC_DTYPE_PLAIN](got, b->data, COUNT);
                assert_memory_equal(got, want, sizeof got);
            }
        }
        walker_end(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_back),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_blocks_rows),
        cmocka_unit_test(test_blocks_extremes),
        cmocka_unit_test(test_rounding),
        cmocka_unit_test(test_blocks_read),
    };
    return cmocka_run_group_tests(tests, walker_setup, walker_teardown);
}
