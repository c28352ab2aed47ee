/* Muon's steps against torch.optim.Muon (tests/oracle/make_muon.py); what it does not take goes AdamW's way. */
#include "backend/cpu/cpu.h"
#include "base/memory.h"
#include "store/store.h"
#include "tensor/exec.h"
#include "train/optimizer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GOLDEN PERCEPT_TESTS_DIR "/golden/training/muon.safetensors"

enum { MOST = 128, STEPS = 3 };
static const double RATE = 0.05, DECAY = 0.1;

static const pc_optimizer_settings settings = {.beta1 = 0.9, .beta2 = 0.98, .eps = 1e-8, .muon_momentum = 0.9};

static int64_t values(float *out, const pc_store *store, const char *matrix, const char *what, pc_shape *shape)
{
    char name[64];
    const pc_array *array;
    snprintf(name, sizeof name, "%s.%s", matrix, what);
    assert_int_equal(pc_store_need(&array, store, name), PC_OK);
    assert_int_equal(pc_array_to_f32(array, out), PC_OK);
    if (shape) {
        *shape = pc_dims(2, array->dim[0], array->dim[1]);
    }
    return pc_array_count(array);
}

/* param.data after an update with each of the gradients [STEPS, count]; gradients come doubled and are scaled back. */
static void descend(const pc_optimizer *optimizer, const pc_backend *backend, pc_param *param, const float *gradients,
                    pc_dtype compute)
{
    _Alignas(max_align_t) unsigned char step[PC_OPTIMIZER_STEP];
    float grad[MOST], moments[PC_OPTIMIZER_MOMENTS][MOST] = {{0}};
    int64_t count = pc_shape_count(&param->shape);
    pc_graph *graph;
    pc_exec *exec;
    assert_int_equal(pc_graph_new(&graph), PC_OK);
    pc_optimizer_slot slot = {.param = pc_graph_param(graph, param), .rate = RATE / 2, .decay = DECAY, .compute = compute};
    slot.grad = pc_graph_input(graph, "grad", PC_F32, param->shape);
    slot.grad->data = grad;
    for (int m = 0; m < optimizer->moments(&settings, param); m++) {
        slot.moments[m] = pc_graph_input(graph, "moment", PC_F32, param->shape);
        slot.moments[m]->data = moments[m];
    }
    optimizer->update(graph, &slot, step);
    assert_int_equal(pc_exec_new(&exec, graph, backend), PC_OK);
    for (int t = 0; t < STEPS; t++) {
        for (int64_t i = 0; i < count; i++) {
            grad[i] = 2 * gradients[t * count + i];
        }
        pc_optimizer_now now = {.number = t + 1, .gradient_scale = 0.5, .scale_rate = 2};
        optimizer->begin(step, &settings, &now);
        assert_int_equal(pc_exec_run(exec), PC_OK);
    }
    pc_exec_free(exec);
    pc_graph_free(graph);
}

static double distance(const float *a, const float *b, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++) {
        sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    }
    return sqrt(sum);
}

static void test_muon_is_torchs(void **state)
{
    static const char *const matrices[] = {"wide", "tall", "square"};
    pc_backend *backend;
    pc_store *store;
    (void)state;
    assert_int_equal(pc_cpu_backend_new(&backend, 2, 0), PC_OK);
    assert_int_equal(pc_store_open(&store, GOLDEN), PC_OK);
    for (int i = 0; i < 3; i++) {
        float before[MOST], p[MOST], after[MOST], exact[MOST], gradients[STEPS * MOST];
        pc_param param = {.name = (char *)"layers.0.mlp.up_proj.weight", .dtype = PC_F32, .data = p, .trains = true};
        int64_t count = values(before, store, matrices[i], "before", &param.shape);
        values(after, store, matrices[i], "after", NULL);
        values(exact, store, matrices[i], "exact", NULL);
        values(gradients, store, matrices[i], "grads", NULL);
        for (int bf16 = 0; bf16 < 2; bf16++) {
            memcpy(p, before, sizeof p);
            descend(pc_optimizer_find("muon"), backend, &param, gradients, bf16 ? PC_BF16 : PC_F32);
            double moved = distance(exact, before, count), ours = distance(p, exact, count) / moved;
            double torch = distance(p, after, count) / moved;
            print_message("%-6s %s: %.1e of the way from exact, %.1e from torch\n", matrices[i], bf16 ? "bf16" : "f32 ", ours, torch);
            assert_true(ours < (bf16 ? 0.04 : 1e-5) && torch < (bf16 ? 0.04 : 0.02));
        }
    }
    pc_store_free(store);
    pc_cpu_backend_free(backend);
}

static void test_the_rest_is_adamw(void **state)
{
    static const struct {
        const char *name;
        int dims, moments;
    } params[] = {{"model.embed_tokens.weight", 2, 2}, {"lm_head.weight", 2, 2}, {"model.norm.weight", 1, 2},
                  {"layers.0.self_attn.q_proj.weight", 2, 1}};
    const pc_optimizer *muon = pc_optimizer_find("muon"), *adamw = pc_optimizer_find("adamw_torch");
    pc_backend *backend;
    (void)state;
    assert_int_equal(pc_cpu_backend_new(&backend, 2, 0), PC_OK);
    for (int i = 0; i < 4; i++) {
        float ways[2][12], gradients[STEPS * 12];
        pc_param param = {.name = (char *)params[i].name, .dtype = PC_F32, .trains = true};
        param.shape = params[i].dims == 2 ? pc_dims(2, 3, 4) : pc_dims(1, 12);
        for (int k = 0; k < STEPS * 12; k++) {
            gradients[k] = (float)((k * 7) % 11 - 5);
        }
        assert_int_equal(muon->moments(&settings, &param), params[i].moments);
        for (int way = 0; way < 2; way++) {
            for (int k = 0; k < 12; k++) {
                ways[way][k] = (float)k;
            }
            param.data = ways[way];
            descend(way ? adamw : muon, backend, &param, gradients, PC_F32);
        }
        assert_int_equal(memcmp(ways[0], ways[1], sizeof ways[0]) == 0, params[i].moments == 2);
    }
    pc_cpu_backend_free(backend);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_muon_is_torchs),
        cmocka_unit_test(test_the_rest_is_adamw),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
