/* Every connector alone against PyTorch (tests/oracle/make_connectors.py): tokens and all gradients within 1e-4 of the
 * largest magnitude, by the references and by the kernels; and what they refuse. */
#include "backend/cpu/cpu.h"
#include "connector/connector.h"
#include "ops/multiply.h"
#include "support/golden.h"
#include "tensor/exec.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const double TOLERANCE = 1e-4;

static const char *const fixtures[] = {"q_former_text", "perceiver", "resampler", "position_resampler", "abstractor",
                                       "ldp",           "ldpv2",     "pool",               "pixel_shuffle", "internvl"};

typedef struct bench {
    const char *name;
    pc_store *store;
    pc_json *json;
    const pc_connector_type *type;
    void *config, *weights;
    pc_connector_dims dims;
    pc_params params;
} bench;

static const pc_array *need(const bench *b, const char *kind, const char *name)
{
    char full[256];
    snprintf(full, sizeof full, "%s%s", kind, name);
    const pc_array *array = pc_store_find(b->store, full);
    if (!array) {
        fail_msg("%s: the fixture has no %s", b->name, full);
    }
    return array;
}

static pc_connector_dims read_dims(const pc_json *json)
{
    return (pc_connector_dims){
        pc_json_get_integer(json, "in", 0),   pc_json_get_integer(json, "out", 0),     pc_json_get_integer(json, "tokens", 0),
        pc_json_get_integer(json, "rows", 0), pc_json_get_integer(json, "columns", 0),
    };
}

static void new_config(bench *b, const pc_json *settings)
{
    b->config = pc_calloc(1, b->type->config_size);
    assert_non_null(b->config);
    assert_int_equal(pc_fields_default(&b->type->fields, b->config), PC_OK);
    assert_int_equal(pc_fields_from_json(&b->type->fields, b->config, settings, true, "config.json"), PC_OK);
}

static void open_bench(bench *b, const char *name)
{
    char path[256];
    *b = (bench){.name = name};
    snprintf(path, sizeof path, GOLDEN("connectors/%s.json"), name);
    b->json = golden_json(path);
    snprintf(path, sizeof path, GOLDEN("connectors/%s.safetensors"), name);
    b->store = golden_store(path);
    b->type = pc_connector_find(pc_json_get_text(b->json, "connector", ""));
    assert_non_null(b->type);
    b->dims = read_dims(pc_json_get(b->json, "dims"));
    new_config(b, pc_json_get(b->json, "config"));
    assert_int_equal(b->type->check(b->config, &b->dims, "config.json"), PC_OK);
    b->weights = pc_calloc(1, b->type->weights_size);
    assert_non_null(b->weights);
    pc_scope scope = {.params = &b->params, .part = "connector", .prefix = "", .std = 0.02};
    b->type->declare(&scope, b->config, &b->dims, b->weights);
    assert_int_equal(scope.status, PC_OK);
    assert_int_equal(pc_params_own(&b->params), PC_OK);
    for (size_t i = 0; i < b->params.count; i++) {
        pc_param *param = &b->params.items[i]->param;
        const pc_array *array = need(b, "w.", param->name);
        assert_int_equal(pc_array_need_shape(array, param->shape.ndim, param->shape.dim), PC_OK);
        assert_int_equal(pc_array_to_f32(array, param->data), PC_OK);
        param->trains = true;
    }
    assert_int_equal(pc_params_make_gradients(&b->params), PC_OK);
}

static void close_bench(bench *b)
{
    pc_params_clear(&b->params);
    pc_fields_clear(&b->type->fields, b->config);
    pc_free(b->config);
    pc_free(b->weights);
    pc_store_free(b->store);
    pc_json_free(b->json);
}

/* `scale`: values below a thousandth of it count as 0 (gradients that are 0 in exact arithmetic). Gives the largest
 * deviation, relative to the largest magnitude. */
static double compare(const bench *b, const char *what, const float *found, const pc_array *truth, double scale)
{
    float *expected = golden_values(truth);
    double largest = 1e-3 * scale, worst = 0;
    for (int64_t i = 0; i < pc_array_count(truth); i++) {
        largest = fmax(largest, fabs((double)expected[i]));
    }
    for (int64_t i = 0; i < pc_array_count(truth); i++) {
        worst = fmax(worst, fabs((double)found[i] - expected[i]));
        if (!(fabs((double)found[i] - expected[i]) <= TOLERANCE * largest)) {
            fail_msg("%s: %s[%lld]: expected %g, found %g (largest %g)", b->name, what, (long long)i, (double)expected[i],
                     (double)found[i], largest);
        }
    }
    pc_free(expected);
    return largest > 0 ? worst / largest : 0;
}

static double largest_gradient(const bench *b)
{
    double largest = 0;
    for (size_t i = 0; i < pc_store_count(b->store); i++) {
        const pc_array *array = pc_store_at(b->store, i);
        if (strncmp(array->name, "grad.", 5) == 0) {
            float *values = golden_values(array);
            for (int64_t k = 0; k < pc_array_count(array); k++) {
                largest = fmax(largest, fabs((double)values[k]));
            }
            pc_free(values);
        }
    }
    return largest;
}

static double compare_gradients(const bench *b, const pc_tensor *features)
{
    double scale = largest_gradient(b);
    double worst = compare(b, "gradient of the features", features->grad->data, need(b, "grad.", "features"), scale);
    for (size_t i = 0; i < b->params.count; i++) {
        const pc_param *param = &b->params.items[i]->param;
        char name[256];
        snprintf(name, sizeof name, "grad.w.%s", param->name);
        const pc_array *array = pc_store_find(b->store, name);
        if (array) { /* without one: a part that no token depends on */
            worst = fmax(worst, compare(b, name, param->grad, array, scale));
        }
    }
    return worst;
}

static pc_tensor *add_ints(const bench *b, pc_graph *graph, const char *name, pc_shape shape, int32_t **data)
{
    char full[64];
    snprintf(full, sizeof full, "in.%s", name);
    const pc_array *array = pc_store_find(b->store, full);
    *data = array ? golden_ids(array) : NULL;
    return array ? pc_graph_input(graph, name, PC_I32, shape) : NULL;
}

static void check_fixture(const char *name, const pc_backend *backend)
{
    bench b;
    pc_graph *graph;
    pc_exec *exec;
    int32_t *ids, *lengths;
    open_bench(&b, name);
    const pc_array *given = need(&b, "in.", "features"), *out = need(&b, "out", ""), *text = pc_store_find(b.store, "in.ids");
    int64_t groups = given->dim[0];
    assert_int_equal(pc_graph_new(&graph), PC_OK);
    pc_build build = {.graph = graph, .compute = PC_F32};
    pc_connector_input in = {.features = pc_graph_input(graph, "features", PC_F32, pc_dims(3, groups, b.dims.tokens, b.dims.in)),
                             .rows = b.dims.rows, .columns = b.dims.columns};
    in.ids = add_ints(&b, graph, "ids", pc_dims(2, groups, text ? text->dim[1] : 1), &ids);
    in.lengths = add_ints(&b, graph, "lengths", pc_dims(1, groups), &lengths);
    pc_graph_want_grad(graph, in.features);
    pc_tensor *up = pc_graph_input(graph, "up", PC_F32, pc_dims(3, out->dim[0], out->dim[1], out->dim[2]));
    pc_tensor *tokens = pc_keep(graph, b.type->forward(&build, b.config, b.weights, &in));
    pc_tensor *loss = pc_keep(graph, pc_dot(graph, tokens, up));
    pc_graph_backward(graph, loss);
    if (pc_exec_new(&exec, graph, backend) != PC_OK) {
        fail_msg("%s: %s", name, pc_error());
    }
    assert_int_equal(b.type->tokens(b.config, &b.dims), out->dim[1]);
    float *features = golden_values(given), *weight = golden_values(need(&b, "up", ""));
    assert_int_equal(pc_exec_bind(exec, in.features, features, in.features->max), PC_OK);
    assert_int_equal(pc_exec_bind(exec, up, weight, up->max), PC_OK);
    if (in.ids) {
        assert_int_equal(pc_exec_bind(exec, in.ids, ids, in.ids->max), PC_OK);
        assert_int_equal(pc_exec_bind(exec, in.lengths, lengths, in.lengths->max), PC_OK);
    }
    assert_int_equal(pc_exec_run(exec), PC_OK);
    double worst = compare(&b, "tokens", tokens->data, out, 0), grad = compare_gradients(&b, in.features);
    print_message("%-20s %-10s tokens %.2e, gradients %.2e\n", name, backend ? "kernels" : "reference", worst, grad);
    pc_free(ids);
    pc_free(lengths);
    pc_free(features);
    pc_free(weight);
    pc_exec_free(exec);
    pc_graph_free(graph);
    close_bench(&b);
}

static void test_values_and_gradients(void **state)
{
    pc_backend *backend;
    (void)state;
    assert_int_equal(pc_cpu_backend_new(&backend, 1, 0), PC_OK);
    for (size_t i = 0; i < sizeof fixtures / sizeof fixtures[0]; i++) {
        check_fixture(fixtures[i], NULL);
        check_fixture(fixtures[i], backend);
    }
    pc_cpu_backend_free(backend);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *connector, *config, *message;
        pc_connector_dims dims;
    } cases[] = {
        {"q_former", "{\"hidden_size\": 10, \"num_attention_heads\": 3}", "not a multiple", {8, 8, 4, 2, 2}},
        {"q_former", "{\"hidden_act\": \"soft\"}", "hidden_act 'soft'", {8, 8, 4, 2, 2}},
        {"abstractor", "{\"num_attention_heads\": 3}", "width 8", {8, 8, 4, 2, 2}},
        {"perceiver", "{}", "keeps the encoder's width 8", {8, 6, 4, 2, 2}},
        {"resampler", "{\"project\": false}", "does not project", {8, 6, 4, 2, 2}},
        {"position_resampler", "{\"heads\": 3}", "3 heads", {8, 8, 4, 2, 2}},
        {"position_resampler", "{}", "0 heads", {8, 8, 4, 2, 2}},
        {"position_resampler", "{\"heads\": 2}", "in a grid", {8, 8, 5, 0, 0}},
        {"ldp", "{}", "in a grid", {8, 8, 5, 0, 0}},
        {"ldpv2", "{}", "too few", {8, 8, 1, 1, 1}},
        {"pool", "{\"side\": 3}", "side 3", {8, 8, 4, 2, 2}},
        {"pool", "{\"side\": 2, \"projector_hidden_act\": \"x\"}", "'x' is unknown", {8, 8, 4, 2, 2}},
        {"pixel_shuffle", "{\"side\": 2}", "no multiple of side 2", {8, 8, 15, 3, 5}},
        {"internvl", "{\"side\": 2}", "no multiple of side 2", {8, 8, 15, 3, 5}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pc_json *json;
        bench b = {.type = pc_connector_find(cases[i].connector)};
        assert_non_null(b.type);
        assert_int_equal(pc_json_parse(&json, cases[i].config, strlen(cases[i].config), "test"), PC_OK);
        new_config(&b, json);
        assert_int_equal(b.type->check(b.config, &cases[i].dims, "config.json"), PC_ERR_DATA);
        if (!strstr(pc_error(), cases[i].message)) {
            fail_msg("%s: '%s'", cases[i].connector, pc_error());
        }
        pc_fields_clear(&b.type->fields, b.config);
        pc_free(b.config);
        pc_json_free(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_and_gradients),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
