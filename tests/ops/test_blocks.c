/* Products and row look-ups read parameters in block formats: the same results as with the values that the blocks mean. */
#include "backend/cpu/cpu.h"
#include "base/block.h"
#include "base/memory.h"
#include "base/rng.h"
#include "ops/matmul.h"
#include "ops/rows.h"
#include "tensor/exec.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { T = 3, N = 5, K = 256 };

static const pc_dtype formats[] = {PC_Q8_0, PC_Q4_0, PC_Q4_K, PC_Q5_K, PC_Q6_K, PC_IQ4_NL};

/* y = x W^T [T,N], rows 4, 0, 4 of W [T,K], dx = ones W [T,K] */
static void run(const pc_backend *backend, pc_param *param, const float *x, float *y, float *rows, float *dx)
{
    static const int32_t ids[T] = {4, 0, 4};
    static const float ones[T * N] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    pc_graph *graph;
    pc_exec *exec;
    assert_int_equal(pc_graph_new(&graph), PC_OK);
    pc_tensor *in = pc_graph_input(graph, "x", PC_F32, pc_dims(2, T, K));
    pc_tensor *dy = pc_graph_input(graph, "dy", PC_F32, pc_dims(2, T, N));
    pc_tensor *at = pc_graph_input(graph, "ids", PC_I32, pc_dims(1, T));
    pc_tensor *w = pc_graph_param(graph, param);
    pc_tensor *out = pc_keep(graph, pc_linear(graph, in, w, NULL, NULL, PC_F32));
    pc_tensor *taken = pc_keep(graph, pc_take_rows(graph, w, at));
    pc_tensor *back = pc_keep(graph, pc_matmul(graph, dy, w, (pc_matmul_params){.compute = PC_F32}));
    assert_int_equal(pc_graph_finish(graph), PC_OK);
    assert_int_equal(pc_exec_new(&exec, graph, backend), PC_OK);
    assert_int_equal(pc_exec_bind(exec, in, x, pc_dims(2, T, K)), PC_OK);
    assert_int_equal(pc_exec_bind(exec, dy, ones, pc_dims(2, T, N)), PC_OK);
    assert_int_equal(pc_exec_bind(exec, at, ids, pc_dims(1, T)), PC_OK);
    assert_int_equal(pc_exec_run(exec), PC_OK);
    memcpy(y, out->data, T * N * sizeof *y);
    memcpy(rows, taken->data, T * K * sizeof *rows);
    memcpy(dx, back->data, T * K * sizeof *dx);
    pc_exec_free(exec);
    pc_graph_free(graph);
}

static void blocks_serve_as_weights(void **state)
{
    (void)state;
    static float x[T * K], plain[N * K], y[2][T * N], rows[2][T * K], dx[2][T * K];
    static uint8_t blocks[N * K * 2];
    static char name[] = "w";
    pc_backend *cpu;
    pc_rng rng;
    pc_rng_init(&rng, 1, 1);
    assert_int_equal(pc_cpu_backend_new(&cpu, 2, 0), PC_OK);
    for (size_t f = 0; f < sizeof formats / sizeof formats[0]; f++) {
        for (int i = 0; i < T * K; i++) {
            x[i] = (float)pc_rng_normal(&rng);
        }
        for (int i = 0; i < N * K; i++) {
            plain[i] = (float)pc_rng_normal(&rng);
        }
        pc_block_quantise(formats[f], blocks, plain, N * K);
        pc_block_dequantise(formats[f], plain, blocks, N * K);
        pc_param truth = {.name = name, .dtype = PC_F32, .shape = pc_dims(2, N, K), .data = plain, .any_type = true};
        pc_param param = {.name = name, .dtype = formats[f], .shape = pc_dims(2, N, K), .data = blocks, .any_type = true};
        run(NULL, &truth, x, y[0], rows[0], dx[0]);
        run(NULL, &param, x, y[1], rows[1], dx[1]);
        assert_memory_equal(y[0], y[1], sizeof y[0]);
        assert_memory_equal(rows[0], rows[1], sizeof rows[0]);
        assert_memory_equal(dx[0], dx[1], sizeof dx[0]);
        run(cpu, &param, x, y[1], rows[1], dx[1]);
        assert_memory_equal(rows[0], rows[1], sizeof rows[0]);
    }
    pc_cpu_backend_free(cpu);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(blocks_serve_as_weights)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
