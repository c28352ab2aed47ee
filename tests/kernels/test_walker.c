/* Every kernel of the CPU backend against its operation's reference, at each instruction-set level: odd sizes, edge and
 * extreme values, guard bytes round each buffer and round the scratch, in place where the operation allows it, and the
 * same bits for 1, 2, 3 and 8 threads. */
#include "kernels/walker.h"

#include "ops/matmul.h"

static void matmul_case(walker *w, int64_t m, int64_t n, int64_t k, pc_matmul_params params, int options)
{
    enum { BIAS = 1, RESIDUAL = 2, ACCUMULATE = 4 };
    walker_begin(w, &pc_op_matmul, &params);
    walker_float(w, PC_F32, params.transpose_a ? pc_dims(2, k, m) : pc_dims(2, m, k));
    walker_float(w, PC_F32, params.transpose_b ? pc_dims(2, n, k) : pc_dims(2, k, n));
    if (options & BIAS) {
        walker_float(w, PC_F32, pc_dims(1, n));
    } else {
        walker_absent(w);
    }
    if (options & RESIDUAL) {
        walker_float(w, PC_F32, pc_dims(2, m, n));
    } else {
        walker_absent(w);
    }
    w->accumulate = options & ACCUMULATE;
    w->absolute = 2e-6 * sqrt((double)k) + (params.compute == PC_BF16 ? 1e-5 : 0);
    walker_check(w);
}

static void test_matmul(void **state)
{
    static const int64_t sizes[][3] = {
        {1, 1, 1}, {1, 33, 7}, {2, 16, 16}, {3, 31, 2}, {4, 65, 129}, {5, 32, 64}, {7, 17, 33}, {13, 40, 31}, {14, 32, 256},
        {15, 33, 257}, {29, 64, 300}, {28, 96, 513}, {65, 130, 70}, {113, 47, 19}, {16, 1, 5}, {200, 3, 1}, {0, 4, 4}, {4, 5, 0},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (int variant = 0; variant < 8; variant++) {
            pc_matmul_params params = {variant & 1, (variant & 2) != 0, variant & 4 ? PC_BF16 : PC_F32};
            if ((sizes[i][0] == 0 && params.transpose_a) || (sizes[i][2] == 0 && !(params.transpose_a && !params.transpose_b))) {
                continue; /* no rows to count: not a shape */
            }
            matmul_case(*state, sizes[i][0], sizes[i][1], sizes[i][2], params, (int)((i + (size_t)variant * 3) % 8));
        }
    }
}

static void test_matmul_types(void **state)
{
    walker *w = *state;
    static const pc_dtype types[] = {PC_F32, PC_BF16, PC_F16};
    for (int i = 0; i < 9 * 4; i++) {
        pc_matmul_params params = {i / 9 & 1, i / 18, i % 2 ? PC_BF16 : PC_F32};
        walker_begin(w, &pc_op_matmul, &params);
        walker_float(w, types[i % 3], params.transpose_a ? pc_dims(2, 37, 21) : pc_dims(2, 21, 37));
        walker_float(w, types[i / 3 % 3], params.transpose_b ? pc_dims(2, 50, 37) : pc_dims(2, 37, 50));
        walker_absent(w);
        walker_absent(w);
        w->absolute = 3e-5;
        walker_check(w);
    }
}

/* A row alone, in a small batch and in a large one: the same bits; also with the weight packed beforehand. */
static void test_matmul_rows(void **state)
{
    enum { M = 300, N = 75, K = 601 };
    walker *w = *state;
    for (int variant = 0; variant < 6; variant++) {
        pc_matmul_params params = {false, true, variant & 1 ? PC_BF16 : PC_F32};
        const pc_dtype type = (const pc_dtype[]){PC_F32, PC_BF16, PC_F16}[variant / 2];
        walker_begin(w, &pc_op_matmul, &params);
        pc_tensor *a = walker_float(w, PC_F32, pc_dims(2, M, K));
        pc_tensor *b = walker_float(w, type, pc_dims(2, N, K));
        walker_absent(w);
        walker_absent(w);
        for (int level = 0; level < w->levels; level++) {
            pc_param param = {.dtype = type, .shape = pc_dims(2, N, K), .data = b->data};
            float *whole = walker_run(w, level, 2);
            for (int64_t rows = 1; rows <= 30; rows += rows < 3 ? 1 : 13) {
                for (int packed = 0; packed < 2; packed++) {
                    if (packed) {
                        assert_int_equal(w->backend[level][0]->pack(w->backend[level][0], &param, params.compute), PC_OK);
                        b->param = &param;
                    }
                    void *data = a->data;
                    a->data = (float *)a->data + 17 * K;
                    a->shape = pc_dims(2, rows, K);
                    float *part = walker_run(w, level, 1);
                    assert_memory_equal(part, whole + 17 * N, (size_t)(rows * N) * sizeof(float));
                    free(part);
                    a->data = data;
                    a->shape = pc_dims(2, M, K);
                    if (packed) {
                        float *again = walker_run(w, level, 1);
                        assert_memory_equal(again, whole, M * N * sizeof(float));
                        free(again);
                        w->backend[level][0]->unpack(w->backend[level][0], &param);
                        assert_null(param.packed);
                        b->param = NULL;
                    }
                }
            }
            free(whole);
        }
        walker_end(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matmul),
        cmocka_unit_test(test_matmul_types),
        cmocka_unit_test(test_matmul_rows),
    };
    return cmocka_run_group_tests(tests, walker_setup, walker_teardown);
}
