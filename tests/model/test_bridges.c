/* Pictures that stay apart from the text: a session, in pieces of any size, sees what a trace sees; answers are transformers';
 * compositions train, are saved and loaded; what doesn't fit is refused. */
#include "backend/cpu/cpu.h"
#include "base/file.h"
#include "base/memory.h"
#include "media/decode.h"
#include "model/session.h"
#include "model/tiles.h"
#include "support/allocfail.h"
#include "support/folder.h"
#include "support/golden.h"
#include "train/learner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { SIDE = 28, MOST = 64, VOCABULARY = 40, PLACEHOLDER = 7, TOKENS = 12 };

typedef struct seen {
    pc_backend *backend;
    pc_session *session;
    float *soft[2];
} seen;

static void open_session(seen *s, const pc_model *model, const float *pixels, pc_session_options options)
{
    int64_t side = model->encoder.info.image_size;
    assert_int_equal(pc_cpu_backend_new(&s->backend, 1, 0), PC_OK);
    if (pc_session_new(&s->session, model, s->backend, &options) != PC_OK) {
        fail_msg("%s", pc_error());
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pc_session_see(s->session, pixels + i * 3 * side * side, NULL, &s->soft[i], NULL), PC_OK);
    }
}

static void close_session(seen *s)
{
    pc_free(s->soft[0]);
    pc_free(s->soft[1]);
    pc_session_free(s->session);
    pc_cpu_backend_free(s->backend);
}

/* soft[i] of each placeholder: its picture's. */
static void place(const seen *s, const pc_model *model, const int32_t *ids, int64_t count, const float **soft)
{
    for (int64_t i = 0, picture = 0; i < count; i++) {
        soft[i] = ids[i] == model->image_token ? s->soft[picture++ % 2] : NULL;
    }
}

static int32_t best_of(const float *logits, int64_t count)
{
    int64_t best = 0;
    for (int64_t i = 1; i < count; i++) {
        best = logits[i] > logits[best] ? i : best;
    }
    return (int32_t)best;
}

static void check_answer(const char *folder, const char *truth_name, const char *expected_name, int64_t chunk, int64_t piece)
{
    pc_store *truth = golden_store(truth_name);
    pc_json *expected = golden_json(expected_name), *ids = pc_json_get(expected, "greedy_ids");
    pc_model *model = golden_model(folder);
    const float *soft[MOST];
    golden_input in;
    seen s;
    golden_input_read(&in, truth);
    open_session(&s, model, in.pixels, (pc_session_options){.context = 40, .chunk = chunk, .compute = PC_F32, .rows = 2});
    place(&s, model, in.ids, in.input.tokens, soft);
    /* Read once, forget all but the beginning, read again: the memory follows. */
    assert_int_equal(pc_session_read(s.session, in.ids, soft, in.input.tokens), PC_OK);
    pc_session_rewind(s.session, 3);
    for (int64_t at = 3; at < in.input.tokens; at += piece) {
        int64_t count = at + piece < in.input.tokens ? piece : in.input.tokens - at;
        assert_int_equal(pc_session_read(s.session, in.ids + at, soft + at, count), PC_OK);
    }
    float *logits = golden_values(pc_store_find(truth, "logits"));
    int64_t vocabulary = model->llm.info.vocabulary;
    double off = golden_deviation(pc_session_logits(s.session), logits + (in.input.tokens - 1) * vocabulary, vocabulary);
    assert_true(off <= 1e-4);
    pc_session_row_share(s.session, 1, 0, in.input.tokens); /* another row with the same beginning goes on alike */
    for (size_t i = 0; i < pc_json_length(ids); i++) {
        int32_t id = best_of(i > 0 ? pc_session_row_logits(s.session, 1) : pc_session_logits(s.session), vocabulary);
        assert_int_equal(id, pc_json_integer(pc_json_at(ids, i), -1));
        const pc_session_piece pieces[2] = {{.row = 0, .ids = &id, .count = 1}, {.row = 1, .ids = &id, .count = 1}};
        assert_int_equal(pc_session_read_rows(s.session, pieces, 2), PC_OK);
    }
    pc_free(logits);
    close_session(&s);
    golden_input_clear(&in);
    pc_model_free(model);
    pc_json_free(expected);
    pc_store_free(truth);
}

/* The pixels of picture i as a session takes them: for the second tower behind those for the first. */
static float *pixels_of(const pc_model *model, const golden_input *in, int64_t i)
{
    size_t first = 3 * (size_t)model->encoder.info.image_size * (size_t)model->encoder.info.image_size, more = pc_model_detail_pixels(model);
    float *pixels = pc_calloc(first + more, sizeof *pixels);
    assert_non_null(pixels);
    memcpy(pixels, in->pixels + (size_t)i * first, first * sizeof *pixels);
    if (more) {
        memcpy(pixels + first, in->detail, more * sizeof *pixels);
    }
    return pixels;
}

/* CogVLM, CogAgent, Qwen-VL, MoE-LLaVA: soft tokens stand in the text, in pieces that cut pictures anywhere. */
static void check_in_text(const char *const fixture[3], int64_t chunk, int64_t piece)
{
    pc_store *truth = golden_store(fixture[1]);
    pc_json *expected = golden_json(fixture[2]), *ids = pc_json_get(expected, "greedy_ids");
    pc_model *model = golden_model(fixture[0]);
    int64_t pictures = pc_store_find(truth, "pixel_values")->dim[0];
    const float *soft[MOST] = {0}, *detail[MOST] = {0};
    int32_t positions[MOST];
    golden_input in;
    seen s = {0};
    golden_input_read(&in, truth);
    const pc_session_options options = {.context = 40, .chunk = chunk, .compute = PC_F32};
    assert_int_equal(pc_cpu_backend_new(&s.backend, 1, 0), PC_OK);
    assert_int_equal(pc_session_new(&s.session, model, s.backend, &options), PC_OK);
    for (int64_t i = 0; i < pictures; i++) {
        float *pixels = pixels_of(model, &in, i);
        assert_int_equal(pc_session_see(s.session, pixels, NULL, &s.soft[i], NULL), PC_OK);
        pc_free(pixels);
    }
    int64_t each = model->connector.tokens;
    detail[0] = in.detail ? s.soft[0] + each * model->llm.info.width : NULL; /* seen from the first token on */
    for (int64_t i = 0, slot = 0; i < in.input.tokens; i++) {
        bool is_soft = in.ids[i] == model->image_token;
        soft[i] = is_soft ? s.soft[slot / each] + slot % each * model->llm.info.width : NULL;
        slot += is_soft;
    }
    assert_true(pc_session_expect(s.session, in.input.tokens));
    pc_model_positions(model, in.ids, in.input.tokens, NULL, 0, positions);
    for (int64_t at = 0; at < in.input.tokens; at += piece) {
        int64_t count = at + piece < in.input.tokens ? piece : in.input.tokens - at;
        const pc_session_piece one = {.ids = in.ids + at, .soft = soft + at, .detail = detail + at, .count = count, .positions = positions + at,
                                      .picture_goes_on = at + count < in.input.tokens && soft[at + count]};
        assert_int_equal(pc_session_read_rows(s.session, &one, 1), PC_OK);
    }
    for (size_t i = 0; i < pc_json_length(ids); i++) {
        int32_t id = best_of(pc_session_logits(s.session), model->llm.info.vocabulary);
        assert_int_equal(id, pc_json_integer(pc_json_at(ids, i), -1));
        assert_int_equal(pc_session_read(s.session, &id, NULL, 1), PC_OK);
    }
    close_session(&s);
    golden_input_clear(&in);
    pc_model_free(model);
    pc_json_free(expected);
    pc_store_free(truth);
}

static void test_answers(void **state)
{
    static const char *const fixtures[][3] = {
        {GOLDEN("idefics/v1"), GOLDEN("idefics/v1.safetensors"), GOLDEN("idefics/expected.json")},
        {GOLDEN("open_flamingo/llama"), GOLDEN("open_flamingo/llama.safetensors"), GOLDEN("open_flamingo/llama.json")},
        {GOLDEN("open_flamingo/mpt"), GOLDEN("open_flamingo/mpt.safetensors"), GOLDEN("open_flamingo/mpt.json")},
    };
    (void)state;
    for (int f = 0; f < 3; f++) {
        for (int64_t piece = 1; piece < 14; piece += 4) {
            check_answer(fixtures[f][0], fixtures[f][1], fixtures[f][2], 0, piece);
            check_answer(fixtures[f][0], fixtures[f][1], fixtures[f][2], 4, piece);
        }
    }
    for (int f = 0; f < 6; f++) {
        static const char *const in_text[][3] = {
            {GOLDEN("cogvlm/chat"), GOLDEN("cogvlm/chat.safetensors"), GOLDEN("cogvlm/expected.json")},
            {GOLDEN("cogagent/chat"), GOLDEN("cogagent/chat.safetensors"), GOLDEN("cogagent/expected.json")},
            {GOLDEN("qwen_vl/chat"), GOLDEN("qwen_vl/chat.safetensors"), GOLDEN("qwen_vl/expected.json")},
            {GOLDEN("moe_llava/stablelm"), GOLDEN("moe_llava/stablelm.safetensors"), GOLDEN("moe_llava/stablelm.json")},
            {GOLDEN("moe_llava/phi"), GOLDEN("moe_llava/phi.safetensors"), GOLDEN("moe_llava/phi.json")},
            {GOLDEN("moe_llava/qwen"), GOLDEN("moe_llava/qwen.safetensors"), GOLDEN("moe_llava/qwen.json")},
        };
        for (int64_t piece = 1; piece < 24; piece += 1 + f) {
            check_in_text(in_text[f], 0, piece);
            check_in_text(in_text[f], 3, piece);
        }
    }
}

/* The picture's file -> the pixels that the original's preparation gives, bit for bit. */
static void test_pixels(void **state)
{
    static const char *const fixtures[][2] = {
        {GOLDEN("idefics/v1"), GOLDEN("idefics/v1.safetensors")},
        {GOLDEN("open_flamingo/llama"), GOLDEN("open_flamingo/llama.safetensors")},
        {GOLDEN("cogvlm/chat"), GOLDEN("cogvlm/chat.safetensors")},
        {GOLDEN("cogagent/chat"), GOLDEN("cogagent/chat.safetensors")},
        {GOLDEN("qwen_vl/chat"), GOLDEN("qwen_vl/chat.safetensors")},
    };
    (void)state;
    for (int f = 0; f < 5; f++) {
        pc_store *truth = golden_store(fixtures[f][1]);
        pc_model *model = golden_model(fixtures[f][0]);
        float *expected = golden_values(pc_store_find(truth, "pixel_values")), *pixels;
        int64_t side = model->encoder.info.image_size;
        pc_image *image;
        assert_int_equal(pc_image_load(&image, GOLDEN("llava/shapes.png"), NULL), PC_OK);
        assert_int_equal(pc_model_prepare(model, image, &pixels, NULL), PC_OK);
        assert_memory_equal(pixels, expected, (size_t)(3 * side * side) * sizeof *pixels);
        if (pc_model_detail_pixels(model)) {
            float *large = golden_values(pc_store_find(truth, "detail_pixels"));
            assert_memory_equal(pixels + 3 * side * side, large, pc_model_detail_pixels(model) * sizeof *pixels);
            pc_free(large);
        }
        pc_free(pixels);
        pc_free(expected);
        pc_image_free(image);
        pc_model_free(model);
        pc_store_free(truth);
    }
}

/* --- compositions --- */

static const char *const encoder =
    "{\"model_type\": \"clip_vision_model\", \"hidden_size\": 16, \"intermediate_size\": 24, \"num_hidden_layers\": 2, "
    "\"num_attention_heads\": 2, \"image_size\": 28, \"patch_size\": 7}";
static const char *const connectors[] = {
    "{\"type\": \"resampler\", \"num_latents\": 3, \"depth\": 2, \"heads\": 2, \"head_size\": 4, \"project\": false}",
    "{\"type\": \"perceiver\", \"resampler_n_latents\": 3, \"resampler_depth\": 2, \"resampler_n_heads\": 2, "
    "\"resampler_head_dim\": 4}",
};
static const char *const bridges[] = {
    "{\"type\": \"gated_cross_attention\", \"cross_attn_every_n_layers\": 2, \"heads\": 2, \"head_size\": 4}",
    "{\"type\": \"idefics_cross_attention\"}",
};
static const char *const llms[] = {
    "{\"model_type\": \"llama\", \"vocab_size\": 40, \"hidden_size\": 16, \"intermediate_size\": 24, \"num_hidden_layers\": 2, "
    "\"num_attention_heads\": 4, \"num_key_value_heads\": 2, \"max_position_embeddings\": 64}",
    "{\"model_type\": \"mixtral\", \"vocab_size\": 40, \"hidden_size\": 16, \"intermediate_size\": 24, \"num_hidden_layers\": 2, "
    "\"num_attention_heads\": 4, \"num_key_value_heads\": 2, \"max_position_embeddings\": 64, \"num_local_experts\": 4}",
    "{\"model_type\": \"opt\", \"vocab_size\": 40, \"hidden_size\": 12, \"ffn_dim\": 16, \"num_hidden_layers\": 2, "
    "\"num_attention_heads\": 2, \"max_position_embeddings\": 64}",
};

static void write_config(const char *folder, const char *connector, const char *bridge, const char *llm, int placeholder)
{
    char path[512], text[2048];
    snprintf(text, sizeof text,
             "{\"model_type\": \"percept\", \"image_token_index\": %d, \"encoder\": %s, \"connector\": %s, \"bridge\": %s, \"llm\": %s}",
             placeholder, encoder, connector, bridge, llm);
    assert_int_equal(pc_file_write(pc_test_path(path, folder, "config.json"), text, strlen(text)), PC_OK);
}

/* Soft tokens in the text, weights of their own in every layer: what trains is used, what is saved answers alike. */
static void test_visual_expert(void **state)
{
    static float pixels[3 * SIDE * SIDE];
    static const char *const bridge = "{\"type\": \"visual_expert\"}", *const connector = "{\"type\": \"mlp\"}";
    static const pc_part_rate rates[] = {{"connector", 1e-2}};
    enum { SOFT = 16, ALL = SOFT + 3 };
    int32_t ids[ALL] = {0}, positions[ALL], soft_rows[SOFT], rows[2] = {SOFT, SOFT + 1}, targets[2] = {9, 12};
    pc_attention_range ranges[ALL];
    float weights[2] = {1, 1};
    char folder[256];
    pc_backend *backend;
    pc_model *model;
    (void)state;
    for (size_t i = 0; i < sizeof pixels / sizeof *pixels; i++) {
        pixels[i] = (float)((i * 37) % 101) / 50 - 1;
    }
    for (int32_t t = 0; t < ALL; t++) {
        positions[t] = t;
        ranges[t] = (pc_attention_range){.end = t + 1};
        ids[t] = t < SOFT ? 0 : 3 + t;
        soft_rows[t < SOFT ? t : 0] = t < SOFT ? t : 0;
    }
    pc_test_folder_new(folder);
    write_config(folder, connector, bridge, llms[0], VOCABULARY);
    if (pc_model_create(&model, folder, NULL, 7) != PC_OK) {
        fail_msg("%s", pc_error());
    }
    const pc_param *own = pc_params_find(&model->params, "bridge.layers.0.mlp.vision_mlp.down_proj.weight");
    assert_non_null(own);
    assert_int_equal(pc_params_own(&model->params), PC_OK);
    float first = ((float *)own->data)[0];
    const pc_batch batch = {.pixels = pixels, .ids = ids, .positions = positions, .ranges = ranges, .soft_rows = soft_rows,
                            .target_rows = rows, .target_ids = targets, .target_weights = weights, .samples = 1,
                            .tokens = ALL, .soft = SOFT, .targets = 2, .images = 1};
    const pc_learner_options options = {
        .stage = pc_stage_find("sft"), .limits = {1, ALL, SOFT, 2, 1}, .compute = PC_F32,
        .optimizer = pc_optimizer_find("adamw_torch"), .settings = {.beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8}, .max_norm = 1,
        .rates = rates, .rate_count = 1,
    };
    pc_learner *learner;
    pc_step_result one, two;
    assert_int_equal(pc_cpu_backend_new(&backend, 1, 0), PC_OK);
    if (pc_learner_new(&learner, model, backend, &options) != PC_OK) {
        fail_msg("%s", pc_error());
    }
    assert_int_equal(pc_learner_step(learner, &batch, 1, 1, &one), PC_OK);
    assert_int_equal(pc_learner_step(learner, &batch, 1, 1, &two), PC_OK);
    assert_true(two.loss < one.loss);
    assert_true(((float *)own->data)[0] != first);
    pc_learner_free(learner);
    pc_cpu_backend_free(backend);
    pc_model_free(model);
    pc_test_folder_free(folder);
}

/* Two pictures in twelve tokens. */
static const int32_t text_ids[TOKENS] = {1, 9, PLACEHOLDER, 12, 13, 30, PLACEHOLDER, 21, 22, 5, 33, 8};

static void answer(const pc_model *model, const float *pixels, float logits[VOCABULARY])
{
    const float *soft[TOKENS];
    seen s;
    open_session(&s, model, pixels, (pc_session_options){.context = MOST, .chunk = 5, .compute = PC_F32});
    place(&s, model, text_ids, TOKENS, soft);
    assert_int_equal(pc_session_read(s.session, text_ids, soft, TOKENS), PC_OK);
    memcpy(logits, pc_session_logits(s.session), VOCABULARY * sizeof *logits);
    close_session(&s);
}

static void train(pc_model *model, float *pixels)
{
    static const pc_part_rate rates[] = {{"encoder", 1e-2}, {"connector", 1e-2}, {"llm", 1e-2}};
    int32_t ids[TOKENS], positions[TOKENS], soft_rows[2] = {2, 6}, rows[3] = {8, 9, 10}, targets[3] = {5, 33, 8};
    pc_attention_range ranges[TOKENS];
    float weights[3] = {1, 1, 1};
    memcpy(ids, text_ids, sizeof ids);
    for (int32_t t = 0; t < TOKENS; t++) {
        positions[t] = t;
        ranges[t] = (pc_attention_range){.end = t + 1};
    }
    const pc_batch batch = {.pixels = pixels, .ids = ids, .positions = positions, .ranges = ranges, .soft_rows = soft_rows,
                            .target_rows = rows, .target_ids = targets, .target_weights = weights, .samples = 1,
                            .tokens = TOKENS, .soft = 2, .targets = 3, .images = 2};
    const pc_learner_options options = {
        .stage = pc_stage_find("sft"), .limits = {3, TOKENS + 9, 4, 5, 2}, .compute = PC_F32,
        .optimizer = pc_optimizer_find("adamw_torch"), .settings = {.beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8}, .max_norm = 1,
        .rates = rates, .rate_count = 3,
    };
    pc_backend *backend;
    pc_learner *learner;
    pc_step_result steps[3];
    assert_int_equal(pc_cpu_backend_new(&backend, 1, 0), PC_OK);
    assert_int_equal(pc_params_own(&model->params), PC_OK);
    if (pc_learner_new(&learner, model, backend, &options) != PC_OK) {
        fail_msg("%s", pc_error());
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pc_learner_step(learner, &batch, 1, 1, &steps[i]), PC_OK);
        assert_false(steps[i].skipped);
    }
    assert_true(steps[2].loss < steps[0].loss);
    pc_learner_free(learner);
    pc_cpu_backend_free(backend);
}

static void check_composition(const char *folder, float *pixels, const char *connector, const char *bridge, const char *llm)
{
    char copy[512];
    float before[VOCABULARY], after[VOCABULARY], loaded[VOCABULARY], other[VOCABULARY];
    pc_model *model, *again;
    write_config(folder, connector, bridge, llm, PLACEHOLDER);
    if (pc_model_create(&model, folder, NULL, 7) != PC_OK) {
        fail_msg("%s + %s + %s: %s", connector, bridge, llm, pc_error());
    }
    answer(model, pixels, before);
    train(model, pixels);
    answer(model, pixels, after);
    assert_memory_not_equal(before, after, sizeof after);
    answer(model, pixels + 5, other); /* other pixels, another answer: the gates have opened */
    assert_memory_not_equal(other, after, sizeof after);
    assert_int_equal(pc_model_save(model, pc_test_path(copy, folder, "saved"), PC_F32), PC_OK);
    if (pc_model_load(&again, copy) != PC_OK) {
        fail_msg("%s + %s + %s: %s", connector, bridge, llm, pc_error());
    }
    answer(again, pixels, loaded);
    assert_memory_equal(loaded, after, sizeof after);
    pc_model_free(model);
    pc_model_free(again);
}

static void test_compositions(void **state)
{
    static float pixels[2 * 3 * SIDE * SIDE + 5];
    char folder[256];
    (void)state;
    for (size_t i = 0; i < sizeof pixels / sizeof *pixels; i++) {
        pixels[i] = (float)((i * 37) % 101) / 50 - 1;
    }
    pc_test_folder_new(folder);
    for (int c = 0; c < 2; c++) {
        for (int b = 0; b < 2; b++) {
            for (int l = 0; l < (b ? 2 : 3); l++) { /* OPT has no MLP for IDEFICS's blocks to be like */
                check_composition(folder, pixels, connectors[c], bridges[b], llms[l]);
            }
        }
    }
    pc_test_folder_free(folder);
}

static void test_refusals(void **state)
{
    const struct {
        const char *connector, *bridge, *llm, *message;
        int placeholder;
    } cases[] = {
        {connectors[0], "1", llms[0], "bridge must be an object", 7},
        {connectors[0], "{}", llms[0], "bridge.type is missing; known: gated_cross_attention", 7},
        {connectors[0], "{\"type\": \"rope\"}", llms[0], "'rope' is unknown", 7},
        {connectors[0], bridges[0], llms[0], "token of the vocabulary of 40", 40},
        {connectors[0], "{\"type\": \"gated_cross_attention\", \"cross_attn_every_n_layers\": 3}", llms[0], "before every 3 of 2", 7},
        {connectors[0], "{\"type\": \"idefics_cross_attention\", \"cross_layer_interval\": 3}", llms[0], "a divisor of the 2", 7},
        {connectors[0], "{\"type\": \"idefics_cross_attention\", \"alpha_type\": \"gamma\"}", llms[0], "'gamma'", 7},
        {connectors[0], bridges[1], llms[2], "like LLaMA", 7},
        {connectors[1], "null", llms[2], "keeps the encoder's width 16", 7},
    };
    char folder[256];
    (void)state;
    pc_test_folder_new(folder);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pc_model *model = NULL;
        write_config(folder, cases[i].connector, cases[i].bridge, cases[i].llm, cases[i].placeholder);
        assert_int_equal(pc_model_create(&model, folder, NULL, 7), PC_ERR_DATA);
        if (!strstr(pc_error(), cases[i].message) || !strstr(pc_error(), "config.json")) {
            fail_msg("case %zu: '%s', expected '%s'", i, pc_error(), cases[i].message);
        }
        pc_model_free(model);
    }
    pc_test_folder_free(folder);
}

/* More pictures than a session keeps are refused before anything is read; forgotten ones make room. */
static void test_many_pictures(void **state)
{
    enum { PICTURES = 64 };
    pc_model *model = golden_model(GOLDEN("open_flamingo/llama"));
    pc_store *truth = golden_store(GOLDEN("open_flamingo/llama.safetensors"));
    int32_t ids[PICTURES + 1];
    const float *soft[PICTURES + 1];
    golden_input in;
    seen s;
    (void)state;
    golden_input_read(&in, truth);
    open_session(&s, model, in.pixels, (pc_session_options){.context = 80, .compute = PC_F32});
    for (int i = 0; i <= PICTURES; i++) {
        ids[i] = (int32_t)model->image_token;
        soft[i] = s.soft[i % 2];
    }
    assert_int_equal(pc_session_read(s.session, ids, soft, PICTURES + 1), PC_ERR_DATA);
    assert_non_null(strstr(pc_error(), "64 at a time"));
    assert_int_equal(pc_session_length(s.session), 0);
    assert_int_equal(pc_session_read(s.session, ids, soft, PICTURES), PC_OK);
    assert_int_equal(pc_session_read(s.session, ids, soft, 1), PC_ERR_DATA);
    pc_session_rewind(s.session, PICTURES - 1);
    assert_int_equal(pc_session_read(s.session, ids, soft, 1), PC_OK);
    close_session(&s);
    golden_input_clear(&in);
    pc_store_free(truth);
    pc_model_free(model);
}

static pc_status load_and_read(void *user)
{
    pc_model *model = NULL;
    pc_session *session = NULL;
    int32_t ids[3] = {1, 41, 9};
    float *soft = NULL;
    const pc_session_options options = {.context = 8, .compute = PC_F32};
    pc_backend *backend = NULL;
    pc_status status;
    PC_GO(pc_cpu_backend_new(&backend, 1, 0));
    PC_GO(pc_model_load(&model, user));
    PC_GO(pc_session_new(&session, model, backend, &options));
    static const float pixels[3 * 14 * 14];
    PC_GO(pc_session_see(session, pixels, NULL, &soft, NULL));
    const float *rows[3] = {NULL, soft, NULL};
    PC_GO(pc_session_read(session, ids, rows, 3));
done:
    pc_free(soft);
    pc_session_free(session);
    pc_model_free(model);
    pc_cpu_backend_free(backend);
    return status;
}

static void test_allocation_failures(void **state)
{
    (void)state;
    assert_true(pc_test_each_allocation(load_and_read, (void *)GOLDEN("idefics/v1")) > 100);
    assert_true(pc_test_each_allocation(load_and_read, (void *)GOLDEN("open_flamingo/llama")) > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pixels), cmocka_unit_test(test_answers),       cmocka_unit_test(test_compositions),        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_visual_expert), cmocka_unit_test(test_many_pictures), cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
