/* Gated cross-attention inside a language model that knows nothing of it. (Its arithmetic: tests/nn/test_blocks.c.) */
#include "connector/bridge/gated_cross_attention.h"
#include "llm/llm.h"
#include "ops/add.h"
#include "ops/multiply.h"
#include "support/learn.h"
#include "tensor/exec.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { LAYERS = 4, WIDTH = 24, LENGTH = 8, QUERIES = 5 };

static const pc_bridge_dims dims = {.media = 20, .queries = QUERIES, .width = WIDTH, .layers = LAYERS};

typedef struct decoder {
    pc_params params;
    void *config, *weights;
    const pc_llm_type *type;
    const pc_bridge_type *bridge;
    void *bridge_config, *bridge_weights;
    pc_gated_block_weights *blocks; /* of bridge_weights, [2] */
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
    static const char *const bridges[][2] = {
        {"cross_attn_every_n_layers", "2"}, {"heads", "3"}, {"head_size", "8"}, {"ff_mult", "2"},
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
    d->bridge = pc_bridge_find("gated_cross_attention");
    assert_non_null(d->bridge);
    d->bridge_config = pc_calloc(1, d->bridge->config_size);
    d->bridge_weights = pc_calloc(1, d->bridge->weights_size);
    assert_non_null(d->bridge_config);
    assert_non_null(d->bridge_weights);
    d->blocks = d->bridge_weights;
    assert_int_equal(pc_fields_default(&d->bridge->fields, d->bridge_config), PC_OK);
    for (size_t i = 0; i < sizeof bridges / sizeof bridges[0]; i++) {
        assert_int_equal(pc_fields_set(&d->bridge->fields, d->bridge_config, bridges[i][0], bridges[i][1], "test"), PC_OK);
    }
    pc_scope scope = {.params = &d->params, .part = "llm", .prefix = "", .std = 0.2};
    assert_int_equal(d->type->read(d->config, NULL, "test"), PC_OK);
    d->type->declare(&scope, d->config, d->weights);
    size_t own = d->params.count;
    assert_int_equal(d->bridge->check(d->bridge_config, &dims, "test"), PC_OK);
    d->bridge->declare(&scope, d->bridge_config, &dims, d->bridge_weights);
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
    const pc_bridge bridge = {
        .config = d->bridge_config,
        .weights = d->bridge_weights,
        .dims = dims,
        .in = {.media = d->media, .seen = pc_graph_input(d->graph, "seen", PC_I32, pc_dims(2, LENGTH, 4))},
    };
    pc_hook hook = d->bridge->hook(&bridge);
    pc_hooks hooks = {&hook, 1};
    pc_llm_io io = {
        .embeddings = d->type->embed(&build, d->weights, d->ids),
        .positions = pc_graph_input(d->graph, "positions", PC_I32, pc_dims(1, LENGTH)),
        .ranges = pc_graph_input(d->graph, "ranges", PC_I32, pc_dims(2, LENGTH, 4)),
        .frequencies = pc_graph_input(d->graph, "frequencies", PC_F32, pc_dims(1, 3)),
        .hooks = with_hook ? &hooks : NULL,
    };
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
    d->type->frequencies(d->config, 0, s->frequencies);
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
    pc_fields_clear(&d->bridge->fields, d->bridge_config);
    pc_free(d->bridge_config);
    pc_free(d->bridge_weights);
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
    check_learns(d.exec, d.loss, &d.params, 0.05);
    assert_true(fabsf(((float *)d.blocks[0].attention_gate->data)[0]) > 0.01f);
    assert_true(fabsf(((float *)d.blocks[1].attention_gate->data)[0]) > 0.01f);
    pc_exec_free(d.exec);
    pc_graph_free(d.graph);
    free_decoder(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gated_attention_enters_a_decoder),
        cmocka_unit_test(gated_attention_learns_in_a_frozen_decoder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
