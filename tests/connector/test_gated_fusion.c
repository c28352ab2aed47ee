/* MM-CoT's gated fusion against PyTorch (tests/oracle/make_mm_cot.py): values, gradients, and a session that answers with it. */
#include "backend/cpu/cpu.h"
#include "base/memory.h"
#include "connector/bridge/bridge.h"
#include "model/session.h"
#include "ops/add.h"
#include "ops/attention.h"
#include "ops/multiply.h"
#include "support/golden.h"
#include "tensor/exec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { WIDTH = 12, MEDIA = 8, ROWS = 5, QUERIES = 4 };

static void expect_close(const pc_store *truth, const char *name, const float *found, int64_t count, double limit)
{
    const pc_array *array = pc_store_find(truth, name);
    assert_non_null(array);
    assert_int_equal(pc_array_count(array), count);
    float *expected = golden_values(array);
    double worst = golden_deviation(found, expected, count);
    if (!(worst < limit)) {
        fail_msg("%s: %g off", name, worst);
    }
    pc_free(expected);
}

typedef struct alone {
    pc_params params;
    const pc_bridge_type *type;
    void *weights;
    float *states, *features, *goal;
} alone;

static void open_alone(alone *a, const pc_store *truth)
{
    const pc_bridge_dims dims = {.media = MEDIA, .queries = QUERIES, .width = WIDTH};
    *a = (alone){.type = pc_bridge_find("gated_fusion")};
    assert_non_null(a->type);
    a->weights = pc_calloc(1, a->type->weights_size);
    assert_non_null(a->weights);
    pc_scope scope = {.params = &a->params, .part = "connector", .prefix = "", .std = 0.2};
    a->type->declare(&scope, NULL, &dims, a->weights);
    assert_int_equal(scope.status, PC_OK);
    assert_int_equal(pc_params_initialise(&a->params, 3), PC_OK);
    for (size_t i = 0; i < a->params.count; i++) {
        pc_param *param = &a->params.items[i]->param;
        float *values = golden_values(pc_store_find(truth, param->name)); /* the authors' names */
        memcpy(param->data, values, (size_t)pc_shape_count(&param->shape) * sizeof *values);
        pc_free(values);
        param->trains = true;
    }
    assert_int_equal(pc_params_make_gradients(&a->params), PC_OK);
    a->states = golden_values(pc_store_find(truth, "states"));
    a->features = golden_values(pc_store_find(truth, "features"));
    a->goal = golden_values(pc_store_find(truth, "goal"));
}

static void close_alone(alone *a)
{
    pc_params_clear(&a->params);
    pc_free(a->weights);
    pc_free(a->states);
    pc_free(a->features);
    pc_free(a->goal);
}

static void bind_input(pc_exec *exec, pc_tensor *input, const void *data)
{
    assert_int_equal(pc_exec_bind(exec, input, data, input->max), PC_OK);
}

/* The source's rows stand at 1, 2 ... of a text whose row 0 is something else. */
static void test_values_and_gradients(void **state)
{
    static const int32_t places[ROWS] = {1, 2, 3, 4, 5};
    pc_attention_range seen[ROWS + 1] = {{0}};
    pc_store *truth = golden_store(GOLDEN("mm_cot/fusion.safetensors"));
    pc_graph *graph;
    pc_exec *exec;
    alone a;
    (void)state;
    for (int i = 1; i <= ROWS; i++) {
        seen[i].end = QUERIES;
    }
    open_alone(&a, truth);
    assert_int_equal(pc_graph_new(&graph), PC_OK);
    pc_build build = {.graph = graph, .compute = PC_F32};
    pc_tensor *states = pc_graph_input(graph, "states", PC_F32, pc_dims(2, ROWS, WIDTH));
    pc_tensor *goal = pc_graph_input(graph, "goal", PC_F32, pc_dims(2, ROWS, WIDTH));
    pc_tensor *rows = pc_graph_input(graph, "rows", PC_I32, pc_dims(1, ROWS));
    const pc_bridge bridge = {
        .weights = a.weights,
        .dims = {.media = MEDIA, .queries = QUERIES, .width = WIDTH},
        .in = {.media = pc_graph_input(graph, "media", PC_F32, pc_dims(2, QUERIES, MEDIA)),
               .seen = pc_graph_input(graph, "seen", PC_I32, pc_dims(2, ROWS + 1, 4))},
    };
    pc_hook hook = a.type->hook(&bridge);
    pc_tensor *mixed = pc_keep(graph, hook.after_source(hook.user, &build, rows, states));
    pc_graph_backward(graph, pc_keep(graph, pc_dot(graph, mixed, goal)));
    assert_int_equal(pc_exec_new(&exec, graph, NULL), PC_OK);
    bind_input(exec, states, a.states);
    bind_input(exec, goal, a.goal);
    bind_input(exec, rows, places);
    bind_input(exec, bridge.in.media, a.features);
    bind_input(exec, bridge.in.seen, seen);
    assert_int_equal(pc_exec_run(exec), PC_OK);
    expect_close(truth, "mixed", mixed->data, ROWS * WIDTH, 1e-6);
    for (size_t i = 0; i < a.params.count; i++) {
        const pc_param *param = &a.params.items[i]->param;
        char name[64];
        snprintf(name, sizeof name, "gradient.%s", param->name);
        expect_close(truth, name, param->grad, pc_shape_count(&param->shape), 1e-5);
    }
    pc_exec_free(exec);
    pc_graph_free(graph);
    pc_store_free(truth);
    close_alone(&a);
}

/* A session sees the picture once, reads question and start token, and writes what the composition in PyTorch writes. */
static void test_session(void **state)
{
    enum { MOST = 32 };
    pc_store *truth = golden_store(GOLDEN("mm_cot/flan.safetensors"));
    pc_model *model = golden_model(GOLDEN("mm_cot/flan"));
    pc_json *cases = golden_json(GOLDEN("mm_cot/expected.json")), *expected = pc_json_get(cases, "greedy_ids");
    int32_t *ids = golden_ids(pc_store_find(truth, "input_ids"));
    float *pixels = golden_values(pc_store_find(truth, "pixel_values"));
    int64_t written = (int64_t)pc_json_length(expected), asked = pc_store_find(truth, "input_ids")->dim[0] - written;
    const float *soft[MOST] = {NULL};
    pc_backend *backend;
    pc_session *session;
    float *picture;
    int64_t count;
    (void)state;
    assert_int_equal(pc_cpu_backend_new(&backend, 2, 0), PC_OK);
    assert_int_equal(pc_model_pack(model, backend, PC_F32), PC_OK);
    const pc_session_options options = {.context = 48, .chunk = 8, .compute = PC_F32};
    assert_int_equal(pc_session_new(&session, model, backend, &options), PC_OK);
    assert_int_equal(pc_session_see(session, pixels, NULL, &picture, &count), PC_OK);
    soft[0] = picture;
    assert_int_equal(ids[0], model->image_token);
    for (int again = 0; again < 2; again++) { /* anew, and from the start token on */
        int64_t from = again ? asked - 1 : 0;
        pc_session_rewind(session, from);
        assert_int_equal(pc_session_read(session, ids + from, again ? NULL : soft, asked - from), PC_OK);
        for (int64_t i = 0; i < written; i++) {
            const float *logits = pc_session_row_logits(session, 0);
            int32_t best = 0;
            for (int32_t id = 1; id < model->llm.info.vocabulary; id++) {
                best = logits[id] > logits[best] ? id : best;
            }
            assert_int_equal(best, pc_json_integer(pc_json_at(expected, (size_t)i), -1));
            assert_int_equal(pc_session_read(session, &best, NULL, 1), PC_OK);
        }
    }
    pc_session_free(session);
    pc_free(picture);
    pc_free(pixels);
    pc_free(ids);
    pc_model_free(model); /* before the backend that packed it */
    pc_cpu_backend_free(backend);
    pc_json_free(cases);
    pc_store_free(truth);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_values_and_gradients), cmocka_unit_test(test_session)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
