/* Each point of a grid of encoders, interfaces and language models, put together by `model_type: percept`: it is made, takes
 * a step, is saved, loaded, and answers with the same logits, bit for bit; and what the configuration refuses. The interfaces are
 * those of recipes/survey/interfaces, token-level and feature-level, as they stand there. */
#include "backend/cpu/cpu.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "model/session.h"
#include "support/folder.h"
#include "train/learner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { SIDE = 48, MOST = 96, VOCABULARY = 40, TEXT = 6 };

static const char *const encoders[] = {
    "{\"model_type\": \"clip_vision_model\", \"hidden_size\": 16, \"intermediate_size\": 24, \"num_hidden_layers\": 2, "
    "\"num_attention_heads\": 2, \"image_size\": 48, \"patch_size\": 6}",
    "{\"model_type\": \"siglip_vision_model\", \"hidden_size\": 12, \"intermediate_size\": 16, \"num_hidden_layers\": 2, "
    "\"num_attention_heads\": 2, \"image_size\": 48, \"patch_size\": 6, \"vision_use_head\": false}",
    "{\"model_type\": \"blip_2_vision_model\", \"hidden_size\": 8, \"intermediate_size\": 16, \"num_hidden_layers\": 2, "
    "\"num_attention_heads\": 2, \"image_size\": 48, \"patch_size\": 6, \"feature_layer\": [1, -1], \"final_norm\": true}",
};

/* Files of recipes/survey/interfaces: their connector and bridge. */
static const char *const interfaces[] = {
    "linear", "mlp", "pool", "pixel_shuffle", "ldp", "ldpv2", "q_former", "resampler", "position_resampler", "abstractor",
    "gated_cross_attention", "visual_expert",
};

/* gated: its MLP is LLaMA's, so that a visual expert can stand beside it. */
static const struct {
    const char *text;
    bool gated;
} models[] = {
    {"{\"model_type\": \"llama\", \"vocab_size\": 40, \"hidden_size\": 16, \"intermediate_size\": 24, \"num_hidden_layers\": 2, "
     "\"num_attention_heads\": 4, \"num_key_value_heads\": 2, \"max_position_embeddings\": 96}", true},
    {"{\"model_type\": \"qwen2\", \"vocab_size\": 40, \"hidden_size\": 8, \"intermediate_size\": 16, \"num_hidden_layers\": 2, "
     "\"num_attention_heads\": 2, \"num_key_value_heads\": 1, \"max_position_embeddings\": 96, \"tie_word_embeddings\": true}", true},
    {"{\"model_type\": \"opt\", \"vocab_size\": 40, \"hidden_size\": 12, \"ffn_dim\": 16, \"num_hidden_layers\": 2, "
     "\"num_attention_heads\": 2, \"max_position_embeddings\": 96}", false},
    {"{\"model_type\": \"stablelm\", \"vocab_size\": 40, \"hidden_size\": 16, \"intermediate_size\": 24, \"num_hidden_layers\": 2, "
     "\"num_attention_heads\": 2, \"num_key_value_heads\": 1, \"max_position_embeddings\": 96}", true},
    {"{\"model_type\": \"phi\", \"vocab_size\": 40, \"hidden_size\": 16, \"intermediate_size\": 24, \"num_hidden_layers\": 2, "
     "\"num_attention_heads\": 2, \"max_position_embeddings\": 96}", false},
    {"{\"model_type\": \"mpt\", \"vocab_size\": 40, \"d_model\": 12, \"n_layers\": 2, \"n_heads\": 3, \"max_seq_len\": 96}", false},
};

enum { LLAMA, OPT = 2 };

static const char mlp[] = "{\"type\": \"mlp\"}";

#define COUNT(list) (sizeof(list) / sizeof *(list))

static void write_config(const char *folder, const char *encoder, const char *connector, const char *llm)
{
    char path[512], text[2048];
    snprintf(text, sizeof text, "{\"model_type\": \"percept\", \"encoder\": %s, \"connector\": %s, \"llm\": %s}", encoder,
             connector, llm);
    pc_test_path(path, folder, "config.json");
    assert_int_equal(pc_file_write(path, text, strlen(text)), PC_OK);
}

/* An interface of the recipes between small parts. */
static void write_point(const char *folder, const char *encoder, const char *interface, const char *llm)
{
    char path[512], name[256];
    pc_json *config, *part;
    snprintf(name, sizeof name, "%s/../recipes/survey/interfaces/%s.json", PERCEPT_TESTS_DIR, interface);
    assert_int_equal(pc_json_read(&config, name, 1 << 16), PC_OK);
    assert_int_equal(pc_json_parse(&part, encoder, strlen(encoder), "encoder"), PC_OK);
    assert_int_equal(pc_json_set(config, "encoder", part), PC_OK);
    assert_int_equal(pc_json_parse(&part, llm, strlen(llm), "llm"), PC_OK);
    assert_int_equal(pc_json_set(config, "llm", part), PC_OK);
    pc_test_path(path, folder, "config.json");
    assert_int_equal(pc_json_write_file(path, config, 1), PC_OK);
    pc_json_free(config);
}

/* Not the placeholder, 3. */
static int32_t text_id(int32_t i)
{
    return 4 + 5 * i;
}

/* Rows of the text that are the picture's. */
static int64_t picture_rows(const pc_model *model)
{
    return pc_model_pictures_apart(model) ? 1 : model->connector.tokens;
}

/* Logits behind a picture and a text. */
static float *answer(pc_model *model, const pc_backend *backend, const float *pixels)
{
    const int64_t picture = picture_rows(model);
    const pc_session_options options = {.context = MOST, .compute = PC_F32};
    pc_session *session;
    float *soft, *logits = pc_calloc(VOCABULARY, sizeof *logits);
    int64_t tokens;
    const float *rows[MOST] = {0};
    int32_t ids[MOST] = {0};
    assert_non_null(logits);
    assert_int_equal(pc_session_new(&session, model, backend, &options), PC_OK);
    assert_int_equal(pc_session_see(session, pixels, NULL, &soft, &tokens), PC_OK);
    assert_int_equal(tokens, model->connector.tokens);
    assert_true(picture + TEXT <= MOST);
    for (int64_t i = 0; i < picture; i++) {
        rows[i] = soft + i * model->llm.info.width;
        ids[i] = (int32_t)model->image_token;
    }
    for (int32_t i = 0; i < TEXT; i++) {
        ids[picture + i] = text_id(i);
    }
    assert_int_equal(pc_session_read(session, ids, rows, picture + TEXT), PC_OK);
    memcpy(logits, pc_session_logits(session), VOCABULARY * sizeof *logits);
    pc_session_free(session);
    pc_free(soft);
    return logits;
}

static void train(pc_model *model, const pc_backend *backend, float *pixels)
{
    const int64_t soft = picture_rows(model);
    static const pc_part_rate rates[] = {{"encoder", 1e-2}, {"connector", 1e-2}, {"llm", 1e-2}};
    int32_t ids[MOST] = {0}, positions[MOST], soft_rows[MOST], rows[TEXT], targets[TEXT];
    pc_attention_range ranges[MOST];
    float weights[TEXT];
    int64_t tokens = soft + TEXT;
    for (int32_t t = 0; t < tokens; t++) {
        ids[t] = t < soft ? (int32_t)model->image_token : text_id(t - (int32_t)soft);
        positions[t] = t;
        soft_rows[t] = t;
        ranges[t] = (pc_attention_range){.end = t + 1};
    }
    for (int32_t t = 0; t < TEXT; t++) {
        rows[t] = (int32_t)soft - 1 + t;
        targets[t] = text_id(t);
        weights[t] = 1;
    }
    const pc_batch batch = {.pixels = pixels, .ids = ids, .positions = positions, .ranges = ranges, .soft_rows = soft_rows,
                            .target_rows = rows, .target_ids = targets, .target_weights = weights, .samples = 1,
                            .tokens = tokens, .soft = soft, .targets = TEXT, .images = 1};
    const pc_learner_options options = {
        .stage = pc_stage_find("sft"), .limits = {1, tokens, soft, TEXT, 1}, .compute = PC_F32,
        .optimizer = pc_optimizer_find("adamw_torch"), .settings = {.beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8}, .max_norm = 1,
        .rates = rates, .rate_count = 3,
    };
    pc_learner *learner;
    pc_step_result first, second;
    assert_int_equal(pc_params_own(&model->params), PC_OK);
    if (pc_learner_new(&learner, model, backend, &options) != PC_OK) {
        fail_msg("%s", pc_error());
    }
    assert_int_equal(pc_learner_step(learner, &batch, 1, 1, &first), PC_OK);
    assert_int_equal(pc_learner_step(learner, &batch, 1, 1, &second), PC_OK);
    assert_false(first.skipped || second.skipped);
    assert_true(second.loss < first.loss);
    pc_learner_free(learner);
}

static void check_point(const char *folder, const pc_backend *backend, float *pixels)
{
    char copy[512];
    pc_model *model, *again;
    if (pc_model_create(&model, folder, NULL, 7) != PC_OK) {
        fail_msg("%s", pc_error());
    }
    float *before = answer(model, backend, pixels);
    train(model, backend, pixels);
    float *after = answer(model, backend, pixels);
    assert_true(memcmp(before, after, VOCABULARY * sizeof *after) != 0);
    pc_test_path(copy, folder, "saved");
    assert_int_equal(pc_model_save(model, copy, PC_F32), PC_OK);
    if (pc_model_load(&again, copy) != PC_OK) {
        fail_msg("%s", pc_error());
    }
    float *loaded = answer(again, backend, pixels);
    assert_memory_equal(loaded, after, VOCABULARY * sizeof *after);
    pc_free(before);
    pc_free(after);
    pc_free(loaded);
    pc_model_free(model);
    pc_model_free(again);
}

static void check_refused(const char *folder, const char *message)
{
    pc_model *model = NULL;
    assert_int_equal(pc_model_create(&model, folder, NULL, 7), PC_ERR_DATA);
    assert_non_null(strstr(pc_error(), message));
}

static void test_grid(void **state)
{
    static float pixels[3 * SIDE * SIDE];
    char folder[256];
    pc_backend *backend;
    int points = 0, refused = 0;
    (void)state;
    for (int i = 0; i < 3 * SIDE * SIDE; i++) {
        pixels[i] = (float)((i * 37) % 101) / 50 - 1;
    }
    assert_int_equal(pc_cpu_backend_new(&backend, 1, 0), PC_OK);
    pc_test_folder_new(folder);
    for (size_t e = 0; e < COUNT(encoders); e++) {
        for (size_t i = 0; i < COUNT(interfaces); i++) {
            for (size_t l = 0; l < COUNT(models); l++) {
                write_point(folder, encoders[e], interfaces[i], models[l].text);
                if (strcmp(interfaces[i], "visual_expert") == 0 && !models[l].gated) {
                    check_refused(folder, "'visual_expert' needs a language model like LLaMA");
                    refused++;
                    continue;
                }
                check_point(folder, backend, pixels);
                points++;
            }
        }
    }
    print_message("%d compositions, %d refused by name\n", points, refused);
    assert_int_equal(points, 207);
    assert_int_equal(refused, 9);
    pc_test_folder_free(folder);
    pc_cpu_backend_free(backend);
}

static void test_refusals(void **state)
{
    const struct {
        const char *encoder, *connector, *llm, *message;
    } cases[] = {
        {"1", mlp, models[LLAMA].text, "encoder must be an object"},
        {encoders[0], "null", models[LLAMA].text, "encoder needs a connector"},
        {"null", mlp, models[LLAMA].text, "connector needs an encoder"},
        {encoders[0], mlp, "null", "llm is missing"},
        {"{}", mlp, models[LLAMA].text, "encoder.model_type is missing; known: clip_vision"},
        {"{\"model_type\": \"retina\"}", mlp, models[LLAMA].text, "'retina' is unknown"},
        {encoders[0], "{}", models[LLAMA].text, "connector.type is missing; known: mlp"},
        {encoders[0], "{\"type\": \"glue\"}", models[LLAMA].text, "'glue' is unknown"},
        {encoders[0], mlp, "{\"model_type\": \"parrot\"}", "'parrot' is unknown"},
        {encoders[0], "{\"type\": \"q_former\", \"num_query_tokens\": 96}", models[LLAMA].text, "96 tokens, the language model reads 96"},
        {encoders[2], "{\"type\": \"abstractor\", \"num_attention_heads\": 3}", models[LLAMA].text, "width 16"},
        {"{\"model_type\": \"clip_vision_model\", \"keep_class_token\": true}", "{\"type\": \"ldp\"}", models[LLAMA].text, "in a grid"},
        {"{\"model_type\": \"clip_vision_model\", \"feature_layer\": 13}", mlp, models[LLAMA].text, "13 is outside"},
        {"{\"model_type\": \"clip_vision_model\", \"feature_layer\": []}", mlp, models[LLAMA].text, "expected 1 to"},
        {encoders[0], "{\"type\": \"pool\", \"side\": 9}", models[LLAMA].text, "side 9"},
    };
    char folder[256];
    (void)state;
    pc_test_folder_new(folder);
    for (size_t i = 0; i < COUNT(cases); i++) {
        pc_model *model = NULL;
        write_config(folder, cases[i].encoder, cases[i].connector, cases[i].llm);
        assert_int_equal(pc_model_create(&model, folder, NULL, 7), PC_ERR_DATA);
        if (!strstr(pc_error(), cases[i].message) || !strstr(pc_error(), "config.json")) {
            fail_msg("case %zu: '%s', expected '%s'", i, pc_error(), cases[i].message);
        }
        pc_model_free(model);
    }
    pc_test_folder_free(folder);
}

/* Positions that a table does not have are refused, not read. */
static void test_positions_end(void **state)
{
    char folder[256];
    pc_model *model;
    pc_backend *backend;
    pc_session *session;
    (void)state;
    pc_test_folder_new(folder);
    write_config(folder, encoders[0], mlp, models[OPT].text);
    assert_int_equal(pc_model_create(&model, folder, NULL, 7), PC_OK);
    assert_int_equal(pc_cpu_backend_new(&backend, 1, 0), PC_OK);
    const pc_session_options options = {.context = MOST + 1, .compute = PC_F32};
    assert_int_equal(pc_session_new(&session, model, backend, &options), PC_ERR_DATA);
    assert_non_null(strstr(pc_error(), "max_position_embeddings"));
    pc_model_free(model);
    pc_cpu_backend_free(backend);
    pc_test_folder_free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grid),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_positions_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
