/* Blocks of the model kinds to come, against what PyTorch computes for them (tests/oracle/make_blocks.py): values and all
 * gradients within 1e-4 of the largest magnitude, by the references and by the kernels; then each learns a few steps.
 */
#include "backend/cpu/cpu.h"
#include "base/json.h"
#include "connector/bridge/gated_cross_attention.h"
#include "nn/moe.h"
#include "nn/t5.h"
#include "ops/add.h"
#include "ops/multiply.h"
#include "ops/rows.h"
#include "store/store.h"
#include "support/learn.h"
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

enum { MOST = 16 };

typedef struct bench bench;

/* One block and its fixture. */
typedef struct block {
    const char *fixture;
    const char *prefix; /* of declared names, absent in the fixture */
    void (*declare)(bench *b, pc_scope *scope);
    void (*build)(bench *b, const pc_build *build); /* from use() to give() */
    /* A parameter's values under "w." or "grad.w."; NULL = the array of its name. */
    void (*values)(const bench *b, const char *kind, const pc_param *param, float *out);
} block;

typedef struct value {
    const char *name; /* in the fixture */
    pc_tensor *tensor;
    void *data; /* of inputs */
} value;

struct bench {
    const block *block;
    pc_store *store;
    pc_params params;
    void *weights;
    pc_graph *graph;
    value inputs[MOST], outputs[MOST];
    int input_count, output_count;
    bool trains; /* the loss is the distance to a goal instead of the fixture's weighted sum */
    pc_tensor *loss;
};

/* --- the fixture --- */

static const pc_array *find(const bench *b, const char *kind, const char *name)
{
    char full[256];
    snprintf(full, sizeof full, "%s%s", kind, name);
    return pc_store_find(b->store, full);
}

static const pc_array *need(const bench *b, const char *kind, const char *name)
{
    const pc_array *array = find(b, kind, name);
    if (!array) {
        fail_msg("the fixture has no %s%s", kind, name);
    }
    return array;
}

static float *read_floats(const pc_array *array)
{
    float *data = pc_calloc((size_t)pc_array_count(array), sizeof *data);
    assert_non_null(data);
    assert_int_equal(pc_array_to_f32(array, data), PC_OK);
    return data;
}

static void read_values(const bench *b, const char *kind, const pc_param *param, float *out)
{
    if (b->block->values) {
        b->block->values(b, kind, param, out);
        return;
    }
    const pc_array *array = need(b, kind, param->name + strlen(b->block->prefix));
    assert_int_equal(pc_array_need_shape(array, param->shape.ndim, param->shape.dim), PC_OK);
    assert_int_equal(pc_array_to_f32(array, out), PC_OK);
}

static void compare(const char *what, const char *name, const float *found, const float *expected, int64_t count)
{
    double largest = 0;
    for (int64_t i = 0; i < count; i++) {
        largest = fmax(largest, fabs((double)expected[i]));
    }
    for (int64_t i = 0; i < count; i++) {
        if (!(fabs((double)found[i] - expected[i]) <= TOLERANCE * largest)) {
            fail_msg("%s%s[%lld]: expected %g, found %g (largest %g)", what, name, (long long)i, (double)expected[i],
                     (double)found[i], largest);
        }
    }
}

/* --- building --- */

static value *add_input(bench *b, const char *name, pc_dtype dtype, pc_shape shape, void *data)
{
    assert_true(b->input_count < MOST);
    value *v = &b->inputs[b->input_count++];
    *v = (value){name, pc_graph_input(b->graph, name, dtype, shape), data};
    return v;
}

/* An input with the fixture's numbers; its gradient is compared, too. */
static pc_tensor *use(bench *b, const char *name, pc_shape shape)
{
    const pc_array *array = need(b, "in.", name);
    assert_int_equal(pc_array_count(array), pc_shape_count(&shape));
    value *v = add_input(b, name, PC_F32, shape, read_floats(array));
    if (!b->trains) {
        pc_graph_want_grad(b->graph, v->tensor);
    }
    return v->tensor;
}

static pc_tensor *use_ints(bench *b, const int32_t *numbers, pc_shape shape)
{
    size_t count = (size_t)pc_shape_count(&shape);
    int32_t *data = pc_calloc(count, sizeof *data);
    assert_non_null(data);
    memcpy(data, numbers, count * sizeof *data);
    return add_input(b, NULL, PC_I32, shape, data)->tensor;
}

static void add_to_loss(bench *b, pc_tensor *part)
{
    b->loss = b->loss ? pc_add(b->graph, b->loss, part) : part;
}

/* A result: compared with the fixture's, part of the loss where the fixture has its weight. */
static void give(bench *b, const char *name, pc_tensor *tensor)
{
    assert_true(b->output_count < MOST);
    b->outputs[b->output_count++] = (value){name, pc_keep(b->graph, tensor), NULL};
    const pc_array *up = find(b, "up.", name);
    if (!up) {
        return;
    }
    pc_tensor *weight = add_input(b, NULL, PC_F32, tensor->max, read_floats(up))->tensor;
    if (b->trains && pc_array_count(up) > 1) {
        pc_tensor *miss = pc_add(b->graph, tensor, pc_scale(b->graph, weight, -1)); /* the goal is any array */
        add_to_loss(b, pc_dot(b->graph, miss, miss));
    } else {
        add_to_loss(b, pc_dot(b->graph, tensor, weight));
    }
}

static void open_bench(bench *b, const block *which, bool trains)
{
    char path[512];
    *b = (bench){.block = which, .trains = trains};
    snprintf(path, sizeof path, "%s/golden/blocks/%s.safetensors", PERCEPT_TESTS_DIR, which->fixture);
    if (pc_store_open(&b->store, path) != PC_OK) {
        fail_msg("%s", pc_error());
    }
    pc_scope scope = {.params = &b->params, .part = "llm", .prefix = "", .std = 0.02};
    which->declare(b, &scope);
    assert_int_equal(scope.status, PC_OK);
    assert_int_equal(pc_params_own(&b->params), PC_OK);
    for (size_t i = 0; i < b->params.count; i++) {
        b->params.items[i]->param.trains = true;
        read_values(b, "w.", &b->params.items[i]->param, b->params.items[i]->param.data);
    }
    assert_int_equal(pc_params_make_gradients(&b->params), PC_OK);
    assert_int_equal(pc_graph_new(&b->graph), PC_OK);
    pc_build build = {.graph = b->graph, .compute = PC_F32};
    which->build(b, &build);
    pc_keep(b->graph, b->loss);
    pc_graph_backward(b->graph, b->loss);
}

static pc_exec *start(bench *b, const pc_backend *backend)
{
    pc_exec *exec;
    if (pc_exec_new(&exec, b->graph, backend) != PC_OK) {
        fail_msg("%s: %s", b->block->fixture, pc_error());
    }
    for (int i = 0; i < b->input_count; i++) {
        assert_int_equal(pc_exec_bind(exec, b->inputs[i].tensor, b->inputs[i].data, b->inputs[i].tensor->max), PC_OK);
    }
    return exec;
}

static void close_bench(bench *b)
{
    for (int i = 0; i < b->input_count; i++) {
        pc_free(b->inputs[i].data);
    }
    pc_graph_free(b->graph);
    pc_params_clear(&b->params);
    pc_store_free(b->store);
    pc_free(b->weights);
}

static void *new_weights(bench *b, size_t size)
{
    b->weights = pc_calloc(1, size);
    assert_non_null(b->weights);
    return b->weights;
}

/* --- T5 --- */

enum { T5_SOURCE = 15, T5_TARGET = 9 };

typedef struct t5_weights {
    pc_t5_block_weights encoder, decoder;
    pc_param *encoder_bias, *decoder_bias;
    pc_norm_weights encoder_norm, decoder_norm;
} t5_weights;

static pc_t5_config t5_config(const bench *b)
{
    bool gated = strcmp(b->block->fixture, "t5_gated") == 0;
    return (pc_t5_config){
        .width = 24, .heads = 4, .head_size = 6, .hidden = 32, .buckets = 8, .max_distance = 12,
        .activation = gated ? PC_ACT_GELU_TANH : PC_ACT_RELU, .gated = gated, .eps = 1e-6,
    };
}

static void t5_declare(bench *b, pc_scope *scope)
{
    pc_t5_config config = t5_config(b);
    t5_weights *w = new_weights(b, sizeof *w);
    pc_t5_block_declare(scope, &w->encoder, &config, PC_T5_ENCODER, "encoder.block.0");
    pc_t5_block_declare(scope, &w->decoder, &config, PC_T5_DECODER, "decoder.block.0");
    w->encoder_bias = pc_t5_bias_declare(scope, &config, "encoder.block.0.layer.0.SelfAttention.relative_attention_bias");
    w->decoder_bias = pc_t5_bias_declare(scope, &config, "decoder.block.0.layer.0.SelfAttention.relative_attention_bias");
    pc_norm_declare(scope, &w->encoder_norm, config.width, false, "encoder.final_layer_norm");
    pc_norm_declare(scope, &w->decoder_norm, config.width, false, "decoder.final_layer_norm");
}

/* bias [H,2M+1] by distance -> [H,T,T], every query with every key */
static pc_tensor *all_pairs(bench *b, const pc_build *build, pc_tensor *bias, int64_t tokens)
{
    int32_t at[4 * T5_SOURCE * T5_SOURCE];
    const int64_t heads = bias->max.dim[0], width = bias->max.dim[1];
    for (int64_t i = 0; i < heads * tokens * tokens; i++) {
        const pc_attention_params params = {.place = PC_PLACE_ROW};
        at[i] = (int32_t)(i / (tokens * tokens) * width +
                          pc_attention_distance(&params, NULL, i / tokens % tokens, i % tokens, width / 2));
    }
    pc_tensor *pairs = pc_take_rows(build->graph, pc_reshape(build->graph, bias, pc_dims(2, -1, 1)),
                                    use_ints(b, at, pc_dims(1, heads * tokens * tokens)));
    return pc_reshape(build->graph, pairs, pc_dims(3, heads, tokens, tokens));
}

static void t5_build(bench *b, const pc_build *build)
{
    pc_t5_config config = t5_config(b);
    const t5_weights *w = b->weights;
    pc_attention_range whole[T5_SOURCE], causal[T5_TARGET];
    for (int32_t t = 0; t < T5_SOURCE; t++) {
        whole[t] = (pc_attention_range){.end = T5_SOURCE};
        causal[t % T5_TARGET] = (pc_attention_range){.end = t % T5_TARGET + 1};
    }
    pc_t5_io encoder = {
        .ranges = use_ints(b, &whole[0].prefix_begin, pc_dims(2, T5_SOURCE, 4)),
        .bias = pc_t5_bias(build, w->encoder_bias, &config, PC_T5_ENCODER),
    };
    pc_tensor *x = use(b, "encoder", pc_dims(2, T5_SOURCE, config.width));
    x = pc_t5_block_forward(build, &w->encoder, &config, x, &encoder);
    x = pc_norm_forward(build, &w->encoder_norm, x, config.eps);
    pc_t5_io decoder = {
        .ranges = use_ints(b, &causal[0].prefix_begin, pc_dims(2, T5_TARGET, 4)),
        .bias = pc_t5_bias(build, w->decoder_bias, &config, PC_T5_DECODER),
        .source = x,
        .source_ranges = use_ints(b, &whole[0].prefix_begin, pc_dims(2, T5_TARGET, 4)),
    };
    pc_tensor *y = use(b, "decoder", pc_dims(2, T5_TARGET, config.width));
    y = pc_t5_block_forward(build, &w->decoder, &config, y, &decoder);
    give(b, "encoder.position_bias", all_pairs(b, build, encoder.bias, T5_SOURCE));
    give(b, "decoder.position_bias", all_pairs(b, build, decoder.bias, T5_TARGET));
    give(b, "encoder", x);
    give(b, "decoder", pc_norm_forward(build, &w->decoder_norm, y, config.eps));
}

/* --- gated cross-attention --- */

enum { ROWS = 11, PICTURES = 2, QUERIES = 5 };

static const pc_gated_config gated_config = {
    .width = 24, .media_width = 20, .heads = 3, .head_size = 8, .hidden = 96, .every = 1, .eps = 1e-5,
};

static void gated_declare(bench *b, pc_scope *scope)
{
    pc_gated_block_declare(scope, new_weights(b, sizeof(pc_gated_block_weights)), &gated_config, "gated");
}

static void gated_build(bench *b, const pc_build *build)
{
    int64_t image_of[ROWS];
    int32_t pictures[ROWS];
    pc_attention_range ranges[ROWS];
    assert_int_equal(pc_array_to_i64(need(b, "in.", "image_of"), image_of), PC_OK);
    for (int t = 0; t < ROWS; t++) {
        pictures[t] = (int32_t)image_of[t];
    }
    pc_media_ranges(ranges, pictures, ROWS, QUERIES);
    pc_tensor *x = use(b, "x", pc_dims(2, ROWS, 24)), *media = use(b, "media", pc_dims(2, PICTURES * QUERIES, 20));
    const pc_bridge_input in = {.media = media, .seen = use_ints(b, &ranges[0].prefix_begin, pc_dims(2, ROWS, 4))};
    give(b, "y", pc_gated_block_forward(build, b->weights, &gated_config, x, &in, 0));
}

/* --- IDEFICS's --- */

static const char *const idefics_keys = "{\"qk_layer_norms\": true, \"alpha_type\": \"vector\", \"rms_norm_eps\": 1e-6}";

static struct {
    void *config;
    pc_bridge bridge;
} idefics;

static void idefics_declare(bench *b, pc_scope *scope)
{
    const pc_bridge_type *type = pc_bridge_find("idefics_cross_attention");
    pc_json *keys;
    assert_non_null(type);
    assert_int_equal(pc_json_parse(&keys, idefics_keys, strlen(idefics_keys), "test"), PC_OK);
    idefics.config = pc_calloc(1, type->config_size);
    assert_non_null(idefics.config);
    assert_int_equal(pc_fields_default(&type->fields, idefics.config), PC_OK);
    assert_int_equal(pc_fields_from_json(&type->fields, idefics.config, keys, true, "test"), PC_OK);
    pc_json_free(keys);
    idefics.bridge = (pc_bridge){
        .config = idefics.config,
        .weights = new_weights(b, type->weights_size),
        .dims = {.media = 20, .queries = QUERIES, .width = 24, .layers = 1, .heads = 3, .key_heads = 3, .head_size = 8, .hidden = 28},
    };
    type->declare(scope, idefics.config, &idefics.bridge.dims, (void *)idefics.bridge.weights);
}

static void idefics_build(bench *b, const pc_build *build)
{
    int64_t image_of[ROWS];
    int32_t pictures[ROWS];
    pc_attention_range ranges[ROWS];
    const pc_bridge_type *type = pc_bridge_find("idefics_cross_attention");
    assert_int_equal(pc_array_to_i64(need(b, "in.", "image_of"), image_of), PC_OK);
    for (int t = 0; t < ROWS; t++) {
        pictures[t] = (int32_t)image_of[t];
    }
    pc_media_ranges(ranges, pictures, ROWS, QUERIES);
    pc_tensor *x = use(b, "x", pc_dims(2, ROWS, 24));
    idefics.bridge.in = (pc_bridge_input){
        .media = use(b, "media", pc_dims(2, PICTURES * QUERIES, 20)),
        .seen = use_ints(b, &ranges[0].prefix_begin, pc_dims(2, ROWS, 4)),
    };
    pc_hook hook = type->hook(&idefics.bridge);
    pc_hooks hooks = {&hook, 1};
    x = pc_hooks_before_layer(&hooks, build, 0, x);
    give(b, "y", pc_hooks_before_layer(&hooks, build, 1, x)); /* one layer: nothing stands behind it */
    pc_fields_clear(&type->fields, idefics.config);
    pc_free(idefics.config);
}

/* --- CogAgent's --- */

enum { DETAILS = 10 };

static struct {
    void *config;
    pc_bridge bridge;
} cogagent;

/* The visual expert's parameters, which this block doesn't use, have no gradient. */
static void cogagent_values(const bench *b, const char *kind, const pc_param *param, float *out)
{
    if (strstr(param->name, "vision")) {
        memset(out, 0, (size_t)pc_shape_count(&param->shape) * sizeof *out);
        return;
    }
    const pc_array *array = need(b, kind, param->name + strlen(b->block->prefix));
    assert_int_equal(pc_array_need_shape(array, param->shape.ndim, param->shape.dim), PC_OK);
    assert_int_equal(pc_array_to_f32(array, out), PC_OK);
}

static void cogagent_declare(bench *b, pc_scope *scope)
{
    static const char keys[] = "{\"cross_compute_hidden_size\": 12, \"rms_norm_eps\": 1e-5}";
    const pc_bridge_type *type = pc_bridge_find("cogagent");
    pc_json *json;
    assert_non_null(type);
    assert_int_equal(pc_json_parse(&json, keys, sizeof keys - 1, "test"), PC_OK);
    cogagent.config = pc_calloc(1, type->config_size);
    assert_non_null(cogagent.config);
    assert_int_equal(pc_fields_from_json(&type->fields, cogagent.config, json, true, "test"), PC_OK);
    pc_json_free(json);
    cogagent.bridge = (pc_bridge){
        .config = cogagent.config,
        .weights = new_weights(b, type->weights_size),
        .dims = {.media = 20, .queries = DETAILS, .width = 24, .layers = 1, .heads = 3, .key_heads = 3, .head_size = 8, .hidden = 28},
    };
    assert_int_equal(type->check(cogagent.config, &cogagent.bridge.dims, "test"), PC_OK);
    type->declare(scope, cogagent.config, &cogagent.bridge.dims, (void *)cogagent.bridge.weights);
}

static void cogagent_build(bench *b, const pc_build *build)
{
    const pc_bridge_type *type = pc_bridge_find("cogagent");
    pc_attention_range ranges[ROWS];
    for (int t = 0; t < ROWS; t++) {
        ranges[t] = (pc_attention_range){.end = DETAILS};
    }
    pc_tensor *x = use(b, "x", pc_dims(2, ROWS, 24));
    cogagent.bridge.in = (pc_bridge_input){
        .media = use(b, "media", pc_dims(2, DETAILS, 20)),
        .seen = use_ints(b, &ranges[0].prefix_begin, pc_dims(2, ROWS, 4)),
    };
    pc_hook hook = type->hook(&cogagent.bridge);
    pc_hooks hooks = {&hook, 1};
    give(b, "y", pc_hooks_after_attention(&hooks, build, 0, x));
    pc_fields_clear(&type->fields, cogagent.config);
    pc_free(cogagent.config);
}

/* --- mixture of experts --- */

enum { TOKENS = 13 };

static const pc_moe_config moe_config = {
    .width = 16, .hidden = 24, .experts = 4, .top_k = 2, .renormalise = true, .activation = PC_ACT_SILU, .balance = 1,
};

/* The fixture keeps gate and up of an expert in one array [E,2F,D]. */
static void moe_values(const bench *b, const char *kind, const pc_param *param, float *out)
{
    bool gate = strstr(param->name, "gate_proj"), up = strstr(param->name, "up_proj");
    const char *name = gate || up ? "gate_up" : strstr(param->name, "down_proj") ? "down" : "gate";
    float *data = read_floats(need(b, kind, name));
    int64_t count = pc_shape_count(&param->shape), expert = moe_config.hidden * moe_config.width;
    for (int64_t i = 0; i < count; i++) {
        out[i] = gate || up ? data[(2 * (i / expert) + up) * expert + i % expert] : data[i];
    }
    pc_free(data);
}

static void moe_declare(bench *b, pc_scope *scope)
{
    pc_moe_declare(scope, new_weights(b, sizeof(pc_moe_weights)), &moe_config, 1, "mlp");
}

static void build_experts(bench *b, const pc_build *build, const pc_moe_config *config)
{
    pc_side_losses side = {0};
    pc_build wants = *build;
    pc_tensor *logits, *seen = NULL, *x = use(b, "x", pc_dims(2, TOKENS, config->width));
    wants.side = &side;
    assert_int_equal(pc_moe_check(config, "moe"), PC_OK);
    give(b, "y", pc_moe_forward(&wants, b->weights, config, x, NULL, &logits));
    pc_moe_note(&wants, config, logits, &seen);
    pc_moe_balance(&wants, config, seen);
    give(b, "aux_loss", side.sum);
}

static void moe_build(bench *b, const pc_build *build)
{
    build_experts(b, build, &moe_config);
}

/* Switch Transformer: the best expert alone, weighted by its probability; an expert takes ceil(13 / 4 * 1.2) = 4 tokens. */
static const pc_moe_config switch_config = {
    .width = 16, .hidden = 24, .experts = 4, .top_k = 1, .plain = true, .activation = PC_ACT_RELU, .capacity = 1.2, .balance = 1,
    .z = 0.5,
};

static void switch_declare(bench *b, pc_scope *scope)
{
    pc_moe_declare(scope, new_weights(b, sizeof(pc_moe_weights)), &switch_config, 1, "mlp");
}

static void switch_build(bench *b, const pc_build *build)
{
    build_experts(b, build, &switch_config);
}

/* --- the tests --- */

static const block t5_relu = {"t5_relu", "", t5_declare, t5_build, NULL};
static const block t5_gated = {"t5_gated", "", t5_declare, t5_build, NULL};
static const block gated = {"gated_xattn", "gated.", gated_declare, gated_build, NULL};
static const block idefics_xattn = {"idefics_xattn", "gated_cross_attn_layers.0.", idefics_declare, idefics_build, NULL};
static const block cogagent_xattn = {"cogagent_xattn", "layers.0.", cogagent_declare, cogagent_build, cogagent_values};
static const block moe = {"moe", "mlp.", moe_declare, moe_build, moe_values};
static const block switch_top1 = {"switch_top1", "mlp.", switch_declare, switch_build, NULL};

static void compare_gradients(bench *b)
{
    for (int i = 0; i < b->input_count; i++) {
        const value *v = &b->inputs[i];
        if (v->tensor->needs_grad) {
            float *expected = read_floats(need(b, "grad.in.", v->name));
            compare("grad.in.", v->name, v->tensor->grad->data, expected, pc_shape_count(&v->tensor->max));
            pc_free(expected);
        }
    }
    if (!b->block->values) {
        size_t weights = 0;
        for (size_t i = 0; i < pc_store_count(b->store); i++) {
            weights += strncmp(pc_store_at(b->store, i)->name, "w.", 2) == 0;
        }
        assert_int_equal(b->params.count, weights); /* all that the fixture has, not a part */
    }
    for (size_t i = 0; i < b->params.count; i++) {
        const pc_param *param = &b->params.items[i]->param;
        int64_t count = pc_shape_count(&param->shape);
        float *expected = pc_calloc((size_t)count, sizeof *expected);
        assert_non_null(expected);
        read_values(b, "grad.w.", param, expected);
        compare("grad.", param->name, param->grad, expected, count);
        pc_free(expected);
    }
}

static void same_as_pytorch(const block *which)
{
    for (int kernels = 0; kernels < 2; kernels++) {
        bench b;
        pc_backend *backend = NULL;
        assert_int_equal(kernels ? pc_cpu_backend_new(&backend, 2, 0) : PC_OK, PC_OK);
        open_bench(&b, which, false);
        pc_exec *exec = start(&b, backend);
        assert_int_equal(pc_exec_run(exec), PC_OK);
        for (int i = 0; i < b.output_count; i++) {
            const value *v = &b.outputs[i];
            float *expected = read_floats(need(&b, "out.", v->name));
            compare("out.", v->name, v->tensor->data, expected, pc_shape_count(&v->tensor->max));
            pc_free(expected);
        }
        compare_gradients(&b);
        pc_exec_free(exec);
        close_bench(&b);
        pc_cpu_backend_free(backend);
    }
}

static void learns(const block *which)
{
    bench b;
    pc_backend *backend;
    assert_int_equal(pc_cpu_backend_new(&backend, 1, 0), PC_OK);
    open_bench(&b, which, true);
    pc_exec *exec = start(&b, backend);
    check_learns(exec, b.loss, &b.params, 0.02);
    pc_exec_free(exec);
    close_bench(&b);
    pc_cpu_backend_free(backend);
}

#define TESTS(X) X(t5_relu) X(t5_gated) X(gated) X(idefics_xattn) X(cogagent_xattn) X(moe) X(switch_top1)

#define DEFINE(name)                                                                                                   \
    static void name##_is_pytorchs(void **state) { (void)state; same_as_pytorch(&name); }                             \
    static void name##_learns(void **state) { (void)state; learns(&name); }
TESTS(DEFINE)

#define UNIT(name) cmocka_unit_test(name##_is_pytorchs), cmocka_unit_test(name##_learns),

int main(void)
{
    const struct CMUnitTest tests[] = {
        TESTS(UNIT)
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
