/* Every stage of tiny LLaMA, CLIP and LLaVA models against transformers (tests/oracle/make_*.py), at each level of the
 * CPU backend and with the references; then: preparation, sessions, any number of threads. */
#include "backend/cpu/cpu.h"
#include "base/memory.h"
#include "media/decode.h"
#include "model/session.h"
#include "prompt/conversation_json.h"
#include "prompt/prompt.h"
#include "support/folder.h"
#include "support/parity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const parity_fixture fixtures[] = {
    {"llama/untied", GOLDEN("llama/untied"), GOLDEN("llama/untied/expected.safetensors"), false},
    {"llama/tied", GOLDEN("llama/tied"), GOLDEN("llama/tied/expected.safetensors"), false},
    {"clip", GOLDEN("clip"), GOLDEN("clip/expected.safetensors"), true},
    {"llava/hf one image", GOLDEN("llava/hf"), GOLDEN("llava/one_image.safetensors"), false},
    {"llava/hf two images", GOLDEN("llava/hf"), GOLDEN("llava/two_images.safetensors"), false},
    {"llava/hf text only", GOLDEN("llava/hf"), GOLDEN("llava/text_only.safetensors"), false},
    {"llava/old one image", GOLDEN("llava/old"), GOLDEN("llava/one_image.safetensors"), false},
    {"llava/old two images", GOLDEN("llava/old"), GOLDEN("llava/two_images.safetensors"), false},
};

enum { FIXTURES = sizeof fixtures / sizeof fixtures[0] };

static void test_levels(void **state)
{
    (void)state;
    parity_check_levels(fixtures, FIXTURES);
}

static void test_references(void **state)
{
    static const int some[] = {1, 2, 3};
    (void)state;
    for (int i = 0; i < 3; i++) {
        parity_check(&fixtures[some[i]], NULL, "reference", PC_F32);
        parity_check(&fixtures[some[i]], NULL, "reference", PC_BF16);
    }
}

/* The whole file of a trace with every value in it: the same bytes for any number of threads. */
static void test_threads(void **state)
{
    static const int threads[] = {1, 2, 3, 8};
    static const int some[] = {0, 2, 4};
    char folder[256];
    (void)state;
    pc_test_folder_new(folder);
    for (int i = 0; i < 3; i++) {
        for (int half = 0; half < 2; half++) {
            pc_store *truth = golden_store(fixtures[some[i]].truth);
            unsigned char *first = NULL;
            size_t first_size = 0;
            golden_input in;
            golden_input_read(&in, truth);
            for (int t = 0; t < 4; t++) {
                pc_model *model = golden_model(fixtures[some[i]].model);
                pc_backend *backend;
                size_t size;
                assert_int_equal(pc_cpu_backend_new(&backend, threads[t], 0), PC_OK);
                pc_store_free(golden_trace(model, backend, half ? PC_BF16 : PC_F32, &in.input, folder, "t.safetensors"));
                unsigned char *bytes = pc_test_read(folder, "t.safetensors", &size);
                if (!first) {
                    first = bytes;
                    first_size = size;
                } else {
                    assert_int_equal(size, first_size);
                    if (memcmp(bytes, first, size) != 0) {
                        fail_msg("%s: another result with %d threads", fixtures[some[i]].name, threads[t]);
                    }
                    free(bytes);
                }
                pc_model_free(model);
                pc_cpu_backend_free(backend);
            }
            free(first);
            golden_input_clear(&in);
            pc_store_free(truth);
        }
    }
    pc_test_folder_free(folder);
}

/* --- from picture and message to pixels and ids --- */

static void check_pixels(const pc_model *model, const pc_json *images, const char *truth_path)
{
    pc_store *truth = golden_store(truth_path);
    const pc_array *array = pc_store_find(truth, "pixel_values");
    for (size_t i = 0; i < pc_json_length(images); i++) {
        char path[512];
        pc_image *image;
        float *pixels;
        int64_t count = pc_array_count(array) / array->dim[0];
        float *expected = golden_values(array);
        pc_test_path(path, GOLDEN("llava"), pc_json_text(pc_json_at(images, i)));
        assert_int_equal(pc_image_load(&image, path, NULL), PC_OK);
        assert_int_equal(pc_model_prepare(model, image, &pixels, NULL), PC_OK);
        assert_memory_equal(pixels, expected + (int64_t)i * count, (size_t)count * sizeof(float));
        pc_free(expected);
        pc_free(pixels);
        pc_image_free(image);
    }
    pc_store_free(truth);
}

static void check_prompt(const pc_model *model, const pc_json *messages, const pc_json *expected)
{
    pc_conversation conversation = {0};
    pc_prompt prompt = {0};
    pc_prompt_options options = {.invite = true, .slot_tokens = pc_model_slot_tokens, .user = (void *)model};
    options.media_id[PC_MEDIA_IMAGE] = (int32_t)model->image_token;
    assert_non_null(model->chat);
    assert_int_equal(conversation_from_json(&conversation, messages), PC_OK);
    assert_int_equal(pc_prompt_build(&prompt, model->tokenizer, model->chat, &conversation, &options), PC_OK);
    assert_int_equal(prompt.ids.count, pc_json_length(expected));
    for (size_t i = 0; i < prompt.ids.count; i++) {
        assert_int_equal(prompt.ids.data[i], pc_json_integer(pc_json_at(expected, i), -1));
    }
    pc_prompt_clear(&prompt);
    pc_conversation_clear(&conversation);
}

static void test_preparation(void **state)
{
    static const char *const models[2][2] = {{GOLDEN("llava/hf"), "input_ids"}, {GOLDEN("llava/old"), "old_input_ids"}};
    pc_json *json = golden_json(GOLDEN("llava/cases.json"));
    const pc_json *cases = pc_json_get(json, "cases");
    (void)state;
    assert_int_equal(pc_json_length(cases), 3);
    for (int m = 0; m < 2; m++) {
        pc_model *model = golden_model(models[m][0]);
        for (size_t i = 0; i < pc_json_length(cases); i++) {
            const pc_json *one = pc_json_at(cases, i);
            char truth[512];
            snprintf(truth, sizeof truth, GOLDEN("llava/%s.safetensors"), pc_json_get_text(one, "name", ""));
            check_pixels(model, pc_json_get(one, "images"), truth);
            check_prompt(model, pc_json_get(one, "messages"), pc_json_get(one, models[m][1]));
        }
        pc_model_free(model);
    }
    pc_json_free(json);
}

/* --- sessions --- */

static int32_t best_of(const float *logits, int64_t count)
{
    int64_t best = 0;
    for (int64_t i = 1; i < count; i++) {
        best = logits[i] > logits[best] ? i : best;
    }
    return (int32_t)best;
}

/* soft[i] = the row that stands in place of token i, as pc_session_read takes it. */
static const float **see_all(pc_session *session, const pc_model *model, const pc_trace_input *in, float **soft)
{
    int64_t side = model->encoder.info.image_size, tokens = model->connector.tokens, width = model->llm.info.width;
    const float **rows = pc_calloc((size_t)in->tokens, sizeof *rows);
    int64_t seen = 0;
    assert_non_null(rows);
    for (int64_t i = 0; i < in->images; i++) {
        assert_int_equal(pc_session_see(session, in->pixels + i * 3 * side * side, NULL, &soft[i], NULL), PC_OK);
    }
    for (int64_t i = 0; i < in->tokens; i++) {
        if (in->images && in->ids[i] == model->image_token) {
            rows[i] = soft[seen / tokens] + seen % tokens * width;
            seen++;
        }
    }
    return rows;
}

/* Greedy ids by a session equal transformers'; its logits behind the prompt are the trace's, bit for bit, however the
 * prompt is cut. */
static void check_session(const char *path, const char *truth_path, const pc_json *greedy, int64_t chunk)
{
    char folder[256];
    pc_store *truth = golden_store(truth_path);
    pc_model *model = golden_model(path);
    pc_backend *backend;
    pc_session *session;
    pc_session_options options = {.chunk = chunk, .compute = PC_F32};
    float *soft[4] = {0};
    golden_input in;
    golden_input_read(&in, truth);
    pc_test_folder_new(folder);
    assert_int_equal(pc_cpu_backend_new(&backend, 2, 0), PC_OK);
    pc_store *trace = golden_trace(model, backend, PC_F32, &in.input, folder, "t.safetensors");
    assert_int_equal(pc_session_new(&session, model, backend, &options), PC_OK);
    const float **rows = see_all(session, model, &in.input, soft);
    assert_int_equal(pc_session_read(session, in.ids, rows, in.input.tokens), PC_OK);
    int64_t vocabulary = model->llm.info.vocabulary;
    float *logits = golden_values(pc_store_find(trace, "logits"));
    assert_memory_equal(pc_session_logits(session), logits + (in.input.tokens - 1) * vocabulary,
                        (size_t)vocabulary * sizeof(float));
    for (size_t i = 0; i < pc_json_length(greedy); i++) {
        int32_t id = best_of(pc_session_logits(session), vocabulary);
        assert_int_equal(id, pc_json_integer(pc_json_at(greedy, i), -1));
        assert_int_equal(pc_session_read(session, &id, NULL, 1), PC_OK);
    }
    for (int i = 0; i < 4; i++) {
        pc_free(soft[i]);
    }
    pc_free(rows);
    pc_free(logits);
    pc_session_free(session);
    pc_store_free(trace);
    pc_store_free(truth);
    pc_model_free(model);
    pc_cpu_backend_free(backend);
    golden_input_clear(&in);
    pc_test_folder_free(folder);
}

static void test_sessions(void **state)
{
    static const int64_t chunks[] = {0, 1, 5};
    pc_json *json = golden_json(GOLDEN("llava/cases.json"));
    const pc_json *cases = pc_json_get(json, "cases");
    (void)state;
    for (int c = 0; c < 3; c++) {
        for (size_t i = 0; i < pc_json_length(cases); i++) {
            const pc_json *one = pc_json_at(cases, i);
            char truth[512];
            snprintf(truth, sizeof truth, GOLDEN("llava/%s.safetensors"), pc_json_get_text(one, "name", ""));
            check_session(GOLDEN("llava/hf"), truth, pc_json_get(one, "greedy_ids"), chunks[c]);
        }
        for (int i = 0; i < 2; i++) {
            char expected[512];
            snprintf(expected, sizeof expected, "%s/expected.json", fixtures[i].model);
            pc_json *answer = golden_json(expected);
            check_session(fixtures[i].model, fixtures[i].truth, pc_json_get(answer, "greedy_ids"), chunks[c]);
            pc_json_free(answer);
        }
    }
    pc_json_free(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels),      cmocka_unit_test(test_references), cmocka_unit_test(test_threads),
        cmocka_unit_test(test_preparation), cmocka_unit_test(test_sessions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
