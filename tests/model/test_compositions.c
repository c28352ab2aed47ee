/* Each point of a grid of encoders, connectors and language models, put together by `model_type: percept`: it is made,
 * takes a step, is saved, loaded, and answers with the same logits, bit for bit; and what the configuration refuses. */
#include "backend/cpu/cpu.h"
#include "base/file.h"
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

enum { SIDE = 28, MOST = 64, VOCABULARY = 40, TEXT = 6 };

static const char *const encoders[] = {
    "{\"model_type\": \"clip_vision_model\", \"hidden_size\": 16, \"intermediate_size\": 24, \"num_hidden_layers\": 2, "
    "\"num_attention_heads\": 2, \"image_size\": 28, \"patch_size\": 7}",
    "{\"model_type\": \"siglip_vision_model\", \"hidden_size\": 12, \"intermediate_size\": 16, \"num_hidden_layers\": 2, "
    "\"num_attention_heads\": 2, \"image_size\": 28, \"patch_size\": 7, \"vision_use_head\": false}",
    "{\"model_type\": \"blip_2_vision_model\", \"hidden_size\": 8, \"intermediate_size\": 16, \"num_hidden_layers\": 2, "
    "\"num_attention_heads\": 2, \"image_size\": 28, \"patch_size\": 7, \"feature_layer\": [1, -1], \"final_norm\": true}",
};

static const char *const connectors[] = {
    "{\"type\": \"mlp\"}",
    "{\"type\": \"q_former\", \"num_query_tokens\": 3, \"hidden_size\": 8, \"num_hidden_layers\": 2, \"num_attention_heads\": 2, "
    "\"intermediate_size\": 12}",
    "{\"type\": \"resampler\", \"num_latents\": 3, \"depth\": 2, \"heads\": 2, \"head_size\": 4}",
    "{\"type\": \"position_resampler\", \"side\": 2, \"heads\": 2}",
    "{\"type\": \"abstractor\", \"num_query_tokens\": 3, \"num_hidden_layers\": 2, \"num_attention_heads\": 2, "
    "\"intermediate_size\": 12}",
    "{\"type\": \"ldp\"}",
    "{\"type\": \"ldpv2\"}",
    "{\"type\": \"pool\", \"side\": 2}",
    "{\"type\": \"pixel_shuffle\"}",
};

static const char *const llms[] = {
    "{\"model_type\": \"llama\", \"vocab_size\": 40, \"hidden_size\": 16, \"intermediate_size\": 24, \"num_hidden_layers\": 2, "
    "\"num_attention_heads\": 4, \"num_key_value_heads\": 2, \"max_position_embeddings\": 64}",
    "{\"model_type\": \"qwen2\", \"vocab_size\": 40, \"hidden_size\": 8, \"intermediate_size\": 16, \"num_hidden_layers\": 2, "
    "\"num_attention_heads\": 2, \"num_key_value_heads\": 1, \"max_position_embeddings\": 64, \"tie_word_embeddings\": true}",
    "{\"model_type\": \"opt\", \"vocab_size\": 40, \"hidden_size\": 12, \"ffn_dim\": 16, \"num_hidden_layers\": 2, "
    "\"num_attention_heads\": 2, \"max_position_embeddings\": 64}",
};

#define COUNT(list) (sizeof(list) / sizeof *(list))

static void write_config(const char *folder, const char *encoder, const char *connector, const char *llm)
{
    char path[512], text[2048];
    snprintf(text, sizeof text, "{\"model_type\": \"percept\", \"encoder\": %s, \"connector\": %s, \"llm\": %s}", encoder,
             connector, llm);
    pc_test_path(path, folder, "config.json");
    assert_int_equal(pc_file_write(path, text, strlen(text)), PC_OK);
}

/* Logits behind a picture and a text. */
static float *answer(pc_model *model, const pc_backend *backend, const float *pixels, int64_t *tokens)
{
    const pc_session_options options = {.context = MOST, .compute = PC_F32};
    pc_session *session;
    float *soft, *logits = pc_calloc(VOCABULARY, sizeof *logits);
    const float *rows[MOST] = {0};
    int32_t ids[MOST] = {0};
    assert_non_null(logits);
    assert_int_equal(pc_session_new(&session, model, backend, &options), PC_OK);
    assert_int_equal(pc_session_see(session, pixels, NULL, &soft, tokens), PC_OK);
    assert_int_equal(*tokens, model->connector.tokens);
    assert_true(*tokens + TEXT <= MOST);
    for (int64_t i = 0; i < *tokens; i++) {
        rows[i] = soft + i * model->llm.info.width;
    }
    for (int32_t i = 0; i < TEXT; i++) {
        ids[*tokens + i] = 3 + 5 * i;
    }
    assert_int_equal(pc_session_read(session, ids, rows, *tokens + TEXT), PC_OK);
    memcpy(logits, pc_session_logits(session), VOCABULARY * sizeof *logits);
    pc_session_free(session);
    pc_free(soft);
    return logits;
}

static void train(pc_model *model, const pc_backend *backend, float *pixels, int64_t soft)
{
    static const pc_part_rate rates[] = {{"encoder", 1e-2}, {"connector", 1e-2}, {"llm", 1e-2}};
    int32_t ids[MOST] = {0}, positions[MOST], soft_rows[MOST], rows[TEXT], targets[TEXT];
    pc_attention_range ranges[MOST];
    float weights[TEXT];
    int64_t tokens = soft + TEXT;
    for (int32_t t = 0; t < tokens; t++) {
        ids[t] = t < soft ? 0 : 3 + 5 * (t - (int32_t)soft);
        positions[t] = t;
        soft_rows[t] = t;
        ranges[t] = (pc_attention_range){.end = t + 1};
    }
    for (int32_t t = 0; t < TEXT; t++) {
        rows[t] = (int32_t)soft - 1 + t;
        targets[t] = 3 + 5 * t;
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

static void check_point(const char *folder, const pc_backend *backend, float *pixels, const char *const parts[3])
{
    char copy[512];
    pc_model *model, *again;
    int64_t tokens;
    write_config(folder, parts[0], parts[1], parts[2]);
    if (pc_model_create(&model, folder, NULL, 7) != PC_OK) {
        fail_msg("%s + %s + %s: %s", parts[0], parts[1], parts[2], pc_error());
    }
    float *before = answer(model, backend, pixels, &tokens);
    train(model, backend, pixels, tokens);
    float *after = answer(model, backend, pixels, &tokens);
    assert_true(memcmp(before, after, VOCABULARY * sizeof *after) != 0);
    pc_test_path(copy, folder, "saved");
    assert_int_equal(pc_model_save(model, copy, PC_F32), PC_OK);
    if (pc_model_load(&again, copy) != PC_OK) {
        fail_msg("%s + %s + %s: %s", parts[0], parts[1], parts[2], pc_error());
    }
    float *loaded = answer(again, backend, pixels, &tokens);
    assert_memory_equal(loaded, after, VOCABULARY * sizeof *after);
    pc_free(before);
    pc_free(after);
    pc_free(loaded);
    pc_model_free(model);
    pc_model_free(again);
}

static void test_grid(void **state)
{
    static float pixels[3 * SIDE * SIDE];
    char folder[256];
    pc_backend *backend;
    int points = 0;
    (void)state;
    for (int i = 0; i < 3 * SIDE * SIDE; i++) {
        pixels[i] = (float)((i * 37) % 101) / 50 - 1;
    }
    assert_int_equal(pc_cpu_backend_new(&backend, 1, 0), PC_OK);
    pc_test_folder_new(folder);
    for (size_t e = 0; e < COUNT(encoders); e++) {
        for (size_t c = 0; c < COUNT(connectors); c++) {
            for (size_t l = 0; l < COUNT(llms); l++, points++) {
                const char *const parts[] = {encoders[e], connectors[c], llms[l]};
                check_point(folder, backend, pixels, parts);
            }
        }
    }
    print_message("%d compositions\n", points);
    assert_int_equal(points, 81);
    pc_test_folder_free(folder);
    pc_cpu_backend_free(backend);
}

static void test_refusals(void **state)
{
    const struct {
        const char *encoder, *connector, *llm, *message;
    } cases[] = {
        {"1", connectors[0], llms[0], "encoder must be an object"},
        {encoders[0], "null", llms[0], "encoder needs a connector"},
        {"null", connectors[0], llms[0], "connector needs an encoder"},
        {encoders[0], connectors[0], "null", "llm is missing"},
        {"{}", connectors[0], llms[0], "encoder.model_type is missing; known: clip_vision"},
        {"{\"model_type\": \"retina\"}", connectors[0], llms[0], "'retina' is unknown"},
        {encoders[0], "{}", llms[0], "connector.type is missing; known: mlp"},
        {encoders[0], "{\"type\": \"glue\"}", llms[0], "'glue' is unknown"},
        {encoders[0], connectors[0], "{\"model_type\": \"parrot\"}", "'parrot' is unknown"},
        {encoders[0], "{\"type\": \"q_former\", \"num_query_tokens\": 64}", llms[0], "64 tokens, the language model reads 64"},
        {encoders[2], "{\"type\": \"abstractor\", \"num_attention_heads\": 3}", llms[0], "width 16"},
        {"{\"model_type\": \"clip_vision_model\", \"keep_class_token\": true}", "{\"type\": \"ldp\"}", llms[0], "in a grid"},
        {"{\"model_type\": \"clip_vision_model\", \"feature_layer\": 13}", connectors[0], llms[0], "13 is outside"},
        {"{\"model_type\": \"clip_vision_model\", \"feature_layer\": []}", connectors[0], llms[0], "expected 1 to"},
        {encoders[0], "{\"type\": \"pool\", \"side\": 5}", llms[0], "side 5"},
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
    write_config(folder, encoders[0], connectors[0], llms[2]);
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
