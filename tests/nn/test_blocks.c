/* Blocks of the model kinds to come, against what PyTorch computes for them (tests/oracle/make_blocks.py): values and all
 * gradients within 1e-4 of the largest magnitude, by the references and by the kernels; then each learns a few steps.
 */
#include "backend/cpu/cpu.h"
#include "connector/gated_cross_attention.h"
#include "llm/llm.h"
#include "nn/moe.h"
#include "nn/t5.h"
#include "ops/adamw.h"
#include "ops/add.h"
#include "ops/multiply.h"
#include "store/store.h"
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

enum { MOST = 16, STEPS = 6 };

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

static void t5_build(bench *b, const pc_build *build)
{
    pc_t5_config config = t5_config(b);
    const t5_weights *w = b->weights;
    int32_t positions[T5_SOURCE];
    pc_attention_range whole[T5_SOURCE], causal[T5_TARGET];
    for (int32_t t = 0; t < T5_SOURCE; t++) {
        positions[t] = t;
        whole[t] = (pc_attention_range){.end = T5_SOURCE};
        causal[t % T5_TARGET] = (pc_attention_range){.end = t % T5_TARGET + 1};
    }
    pc_tensor *source_at = use_ints(b, positions, pc_dims(1, T5_SOURCE));
    pc_tensor *target_at = use_ints(b, positions, pc_dims(1, T5_TARGET));
    pc_t5_io encoder = {
        .ranges = use_ints(b, &whole[0].prefix_begin, pc_dims(2, T5_SOURCE, 4)),
        .bias = pc_t5_bias(build, w->encoder_bias, &config, PC_T5_ENCODER, source_at, source_at),
    };
    pc_tensor *x = use(b, "encoder", pc_dims(2, T5_SOURCE, config.width));
    x = pc_t5_block_forward(build, &w->encoder, &config, x, &encoder);
    x = pc_norm_forward(build, &w->encoder_norm, x, config.eps);
    pc_t5_io decoder = {
        .ranges = use_ints(b, &causal[0].prefix_begin, pc_dims(2, T5_TARGET, 4)),
        .bias = pc_t5_bias(build, w->decoder_bias, &config, PC_T5_DECODER, target_at, target_at),
        .source = x,
        .source_ranges = use_ints(b, &whole[0].prefix_begin, pc_dims(2, T5_TARGET, 4)),
    };
    pc_tensor *y = use(b, "decoder", pc_dims(2, T5_TARGET, config.width));
    y = pc_t5_block_forward(build, &w->decoder, &config, y, &decoder);
    give(b, "encoder.position_bias", encoder.bias);
    give(b, "decoder.position_bias", decoder.bias);
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
    pc_gated_cross_attention state = {
        .config = &gated_config, .blocks = b->weights, .count = pc_gated_blocks(&gated_config, 1), .media = media,
        .ranges = use_ints(b, &ranges[0].prefix_begin, pc_dims(2, ROWS, 4)),
    };
    pc_hook hook = pc_gated_cross_attention_hook(&state);
    pc_hooks hooks = {&hook, 1};
    x = pc_hooks_before_layer(&hooks, build, 0, x);
    give(b, "y", pc_hooks_before_layer(&hooks, build, 1, x)); /* one layer: nothing stands behind it */
}

/* --- mixture of experts --- */

enum { TOKENS = 13 };

static const pc_moe_config moe_config = {
    .width = 16, .hidden = 24, .experts = 4, .top_k = 2, .renormalise = true, .activation = PC_ACT_SILU,
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

static void moe_build(bench *b, const pc_build *build)
{
    pc_tensor *aux, *x = use(b, "x", pc_dims(2, TOKENS, moe_config.width));
    assert_int_equal(pc_moe_check(&moe_config, "moe"), PC_OK);
    give(b, "y", pc_moe_forward(build, b->weights, &moe_config, x, NULL, &aux));
    give(b, "aux_loss", aux);
}

/* --- the tests --- */

static const block t5_relu = {"t5_relu", "", t5_declare, t5_build, NULL};
static const block t5_gated = {"t5_gated", "", t5_declare, t5_build, NULL};
static const block gated = {"gated_xattn", "gated.", gated_declare, gated_build, NULL};
static const block moe = {"moe", "mlp.", moe_declare, moe_build, moe_values};

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

typedef struct optimizer {
    pc_graph *graph;
    pc_exec *exec;
    pc_adamw_step step;
    float *moments[2 * 64];
    int count;
} optimizer;

static pc_tensor *lasting(optimizer *o, const pc_param *param, float *data)
{
    pc_tensor *tensor = pc_graph_input(o->graph, param->name, PC_F32, param->shape);
    tensor->data = data;
    return tensor;
}

static void new_optimizer(optimizer *o, pc_params *params, double rate)
{
    *o = (optimizer){.step = {.beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .gradient_scale = 1, .scale_rate = 1}};
    assert_int_equal(pc_graph_new(&o->graph), PC_OK);
    for (size_t i = 0; i < params->count; i++) {
        pc_param *param = &params->items[i]->param;
        if (!param->trains) {
            continue;
        }
        float **moments = &o->moments[o->count];
        o->count += 2;
        for (int m = 0; m < 2; m++) {
            moments[m] = pc_calloc((size_t)pc_shape_count(&param->shape), sizeof(float));
            assert_non_null(moments[m]);
        }
        pc_adamw(o->graph, pc_graph_param(o->graph, param), lasting(o, param, param->grad), lasting(o, param, moments[0]),
                 lasting(o, param, moments[1]), (pc_adamw_params){&o->step, rate, 0});
    }
    assert_int_equal(pc_exec_new(&o->exec, o->graph, NULL), PC_OK);
}

static void free_optimizer(optimizer *o)
{
    pc_exec_free(o->exec);
    pc_graph_free(o->graph);
    for (int i = 0; i < o->count; i++) {
        pc_free(o->moments[i]);
    }
}

/* STEPS updates; every one lowers the loss, and together by a fifth. */
static void learn(pc_exec *exec, const pc_tensor *loss, pc_params *params, double rate)
{
    optimizer o;
    double first = 0, last = INFINITY;
    new_optimizer(&o, params, rate);
    for (int step = 0; step <= STEPS; step++) {
        pc_params_zero_gradients(params);
        assert_int_equal(pc_exec_run(exec), PC_OK);
        double now = pc_f32(loss)[0];
        if (!(now < last)) {
            fail_msg("step %d: loss %g, before %g", step, now, last);
        }
        first = step ? first : now;
        last = now;
        o.step.correction1 = 1 - pow(o.step.beta1, step + 1);
        o.step.correction2 = 1 - pow(o.step.beta2, step + 1);
        assert_int_equal(pc_exec_run(o.exec), PC_OK);
    }
    if (last > 0.8 * first) {
        fail_msg("the loss fell from %g to %g only", first, last);
    }
    free_optimizer(&o);
}

static void learns(const block *which)
{
    bench b;
    pc_backend *backend;
    assert_int_equal(pc_cpu_backend_new(&backend, 1, 0), PC_OK);
    open_bench(&b, which, true);
    pc_exec *exec = start(&b, backend);
    learn(exec, b.loss, &b.params, 0.02);
    pc_exec_free(exec);
    close_bench(&b);
    pc_cpu_backend_free(backend);
}

#define TESTS(X) X(t5_relu) X(t5_gated) X(gated) X(moe)

#define DEFINE(name)                                                                                                   \
    static void name##_is_pytorchs(void **state) { (void)state; same_as_pytorch(&name); }                             \
    static void name##_learns(void **state) { (void)state; learns(&name); }
TESTS(DEFINE)

/* --- the hook inside a language model --- */

enum { LAYERS = 4, WIDTH = 24, LENGTH = 8 };

typedef struct decoder {
    pc_params params;
    void *config, *weights;
    const pc_llm_type *type;
    pc_gated_block_weights blocks[2];
    pc_gated_config gated;
    pc_graph *graph;
    pc_exec *exec;
    pc_tensor *ids, *media, *hidden, *goal, *loss;
} decoder;

static void new_decoder(decoder *d)
{
    static const char *const settings[][2] = {
        {"vocab_size", "16"}, {"hidden_size", "24"}, {"intermediate_size", "32"}, {"num_hidden_layers", "4"},
        {"num_attention_heads", "4"}, {"num_key_value_heads", "2"},
    };
    *d = (decoder){.type = pc_llm_find("llama")};
    assert_non_null(d->type);
    d->config = pc_calloc(1, d->type->config_size);
    d->weights = pc_calloc(1, d->type->weights_size);
    assert_non_null(d->config);
    assert_non_null(d->weights);
    assert_int_equal(pc_fields_default(&d->type->fields, d->config), PC_OK);
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        assert_int_equal(pc_fields_set(&d->type->fields, d->config, settings[i][0], settings[i][1], "test"), PC_OK);
    }
    d->gated = (pc_gated_config){.width = WIDTH, .media_width = 20, .heads = 3, .head_size = 8, .hidden = 48,
                                 .every = 2, .eps = 1e-5};
    pc_scope scope = {.params = &d->params, .part = "llm", .prefix = "", .std = 0.2};
    d->type->declare(&scope, d->config, d->weights);
    size_t own = d->params.count;
    pc_gated_block_declare(&scope, &d->blocks[0], &d->gated, "gated.0");
    pc_gated_block_declare(&scope, &d->blocks[1], &d->gated, "gated.1");
    assert_int_equal(scope.status, PC_OK);
    assert_int_equal(pc_params_initialise(&d->params, 3), PC_OK);
    for (size_t i = own; i < d->params.count; i++) {
        d->params.items[i]->param.trains = true; /* as Flamingo: the language model is frozen */
    }
    assert_int_equal(pc_params_make_gradients(&d->params), PC_OK);
}

static void build_decoder(decoder *d, bool with_hook)
{
    assert_int_equal(pc_graph_new(&d->graph), PC_OK);
    pc_build build = {.graph = d->graph, .compute = PC_F32};
    d->ids = pc_graph_input(d->graph, "ids", PC_I32, pc_dims(1, LENGTH));
    d->media = pc_graph_input(d->graph, "media", PC_F32, pc_dims(2, 2 * QUERIES, 20));
    d->goal = pc_graph_input(d->graph, "goal", PC_F32, pc_dims(2, LENGTH, WIDTH));
    pc_gated_cross_attention state = {
        .config = &d->gated, .blocks = d->blocks, .count = pc_gated_blocks(&d->gated, LAYERS), .media = d->media,
        .ranges = pc_graph_input(d->graph, "seen", PC_I32, pc_dims(2, LENGTH, 4)),
    };
    pc_hook hook = pc_gated_cross_attention_hook(&state);
    pc_hooks hooks = {&hook, 1};
    pc_llm_io io = {
        .embeddings = d->type->embed(&build, d->weights, d->ids),
        .positions = pc_graph_input(d->graph, "positions", PC_I32, pc_dims(1, LENGTH)),
        .ranges = pc_graph_input(d->graph, "ranges", PC_I32, pc_dims(2, LENGTH, 4)),
        .frequencies = pc_graph_input(d->graph, "frequencies", PC_F32, pc_dims(1, 3)),
        .hooks = with_hook ? &hooks : NULL,
    };
    assert_int_equal(state.count, 2);
    d->hidden = pc_keep(d->graph, d->type->forward(&build, d->config, d->weights, &io));
    pc_tensor *miss = pc_add(d->graph, d->hidden, pc_scale(d->graph, d->goal, -1));
    d->loss = pc_keep(d->graph, pc_dot(d->graph, miss, miss));
    pc_graph_backward(d->graph, d->loss);
    if (pc_exec_new(&d->exec, d->graph, NULL) != PC_OK) {
        fail_msg("%s", pc_error());
    }
}

typedef struct sample {
    int32_t ids[LENGTH], positions[LENGTH];
    pc_attention_range ranges[LENGTH], seen[LENGTH];
    float media[2 * QUERIES * 20], frequencies[3], goal[LENGTH * WIDTH];
} sample;

/* One picture before row 3, another before row 6. */
static void fill_sample(const decoder *d, sample *s)
{
    static const int32_t image_of[LENGTH] = {0, 0, 0, 1, 1, 1, 2, 2};
    for (int32_t t = 0; t < LENGTH; t++) {
        s->ids[t] = t * 5 % 16;
        s->positions[t] = t;
        s->ranges[t] = (pc_attention_range){.end = t + 1};
    }
    for (int i = 0; i < 2 * QUERIES * 20; i++) {
        s->media[i] = sinf((float)(i * i));
    }
    for (int i = 0; i < LENGTH * WIDTH; i++) {
        s->goal[i] = cosf((float)(3 * i));
    }
    pc_media_ranges(s->seen, image_of, LENGTH, QUERIES);
    d->type->frequencies(d->config, s->frequencies);
}

static void bind_sample(decoder *d, const sample *s)
{
    const struct {
        const char *name;
        const void *data;
    } all[] = {{"ids", s->ids},       {"positions", s->positions},     {"ranges", s->ranges}, {"seen", s->seen},
               {"media", s->media},   {"frequencies", s->frequencies}, {"goal", s->goal}};
    for (int i = 0; i < pc_graph_inputs(d->graph); i++) {
        pc_tensor *input = pc_graph_input_at(d->graph, i);
        for (size_t j = 0; j < sizeof all / sizeof all[0]; j++) {
            if (strcmp(input->name, all[j].name) == 0) {
                assert_int_equal(pc_exec_bind(d->exec, input, all[j].data, input->max), PC_OK);
            }
        }
    }
}

static void run_decoder(decoder *d, const sample *s, bool with_hook, float *hidden)
{
    build_decoder(d, with_hook);
    bind_sample(d, s);
    if (pc_exec_run(d->exec) != PC_OK) {
        fail_msg("%s", pc_error());
    }
    memcpy(hidden, d->hidden->data, LENGTH * WIDTH * sizeof *hidden);
    pc_exec_free(d->exec);
    pc_graph_free(d->graph);
}

static void free_decoder(decoder *d)
{
    pc_params_clear(&d->params);
    pc_fields_clear(&d->type->fields, d->config);
    pc_free(d->config);
    pc_free(d->weights);
}

static void gated_attention_enters_a_decoder(void **state)
{
    static sample s;
    float plain[LENGTH * WIDTH], closed[LENGTH * WIDTH], opened[LENGTH * WIDTH], moved[LENGTH * WIDTH];
    decoder d;
    (void)state;
    new_decoder(&d);
    fill_sample(&d, &s);
    run_decoder(&d, &s, false, plain);
    run_decoder(&d, &s, true, closed);
    assert_memory_equal(plain, closed, sizeof plain); /* gates at 0 change nothing */
    ((float *)d.blocks[0].attention_gate->data)[0] = 0.8f;
    ((float *)d.blocks[1].attention_gate->data)[0] = -0.5f;
    run_decoder(&d, &s, true, opened);
    assert_memory_equal(plain, opened, 3 * WIDTH * sizeof *plain); /* rows before the first picture */
    for (int t = 3; t < LENGTH; t++) {
        assert_memory_not_equal(plain + t * WIDTH, opened + t * WIDTH, WIDTH * sizeof *plain);
    }
    s.media[QUERIES * 20] += 1; /* the second picture: only rows after it change */
    run_decoder(&d, &s, true, moved);
    assert_memory_equal(opened, moved, 6 * WIDTH * sizeof *plain);
    assert_memory_not_equal(opened + 6 * WIDTH, moved + 6 * WIDTH, WIDTH * sizeof *plain);
    free_decoder(&d);
}

static void gated_attention_learns_in_a_frozen_decoder(void **state)
{
    static sample s;
    decoder d;
    (void)state;
    new_decoder(&d);
    fill_sample(&d, &s);
    build_decoder(&d, true);
    bind_sample(&d, &s);
    learn(d.exec, d.loss, &d.params, 0.05);
    assert_true(fabsf(((float *)d.blocks[0].attention_gate->data)[0]) > 0.01f);
    assert_true(fabsf(((float *)d.blocks[1].attention_gate->data)[0]) > 0.01f);
    pc_exec_free(d.exec);
    pc_graph_free(d.graph);
    free_decoder(&d);
}

#define UNIT(name) cmocka_unit_test(name##_is_pytorchs), cmocka_unit_test(name##_learns),

int main(void)
{
    const struct CMUnitTest tests[] = {
        TESTS(UNIT)
        cmocka_unit_test(gated_attention_enters_a_decoder),
        cmocka_unit_test(gated_attention_learns_in_a_frozen_decoder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
