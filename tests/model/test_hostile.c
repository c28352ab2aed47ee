/* Bad model directories: every small file by the hundred, every allocation failing once. What a mutant leaves intact has
 * to run as well. */
#include "backend/cpu/cpu.h"
#include "base/file.h"
#include "base/memory.h"
#include "model/fingerprint.h"
#include "model/session.h"
#include "support/allocfail.h"
#include "support/folder.h"
#include "support/golden.h"
#include "support/mutate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MUTANTS = 500 };

typedef struct fixture {
    char folder[256]; /* a copy of the golden directory */
    const char *name; /* the file that mutates */
    pc_image *image;
    golden_input in;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    pc_store *truth = golden_store(GOLDEN("llava/one_image.safetensors"));
    golden_input_read(&f->in, truth);
    pc_store_free(truth);
    pc_test_folder_new(f->folder);
    assert_int_equal(pc_image_new(&f->image, 32, 24), PC_OK);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    pc_test_folder_free(f->folder);
    pc_image_free(f->image);
    golden_input_clear(&f->in);
    free(f);
    return 0;
}

enum { MOST_TOKENS = 4000 };

/* "1 <picture> 2 3" */
static pc_status make_ids(const pc_model *model, const pc_image_tiling *tiling, pc_ids *ids)
{
    pc_model_pictures pictures = {model, tiling, 1};
    pc_prompt_options options = {0};
    size_t count = 0;
    pc_status status = pc_ids_push(ids, 1);
    if (status == PC_OK && model->connector.type) {
        pc_model_prompt(model, &pictures, &options);
        status = options.slot_tokens(options.user, PC_MEDIA_IMAGE, 0, &count);
    }
    for (size_t i = 0; i < count && i < MOST_TOKENS && status == PC_OK; i++) {
        status = pc_ids_push(ids, (int32_t)model->image_token);
    }
    for (int32_t id = 2; id < 4 && status == PC_OK; id++) {
        status = pc_ids_push(ids, id);
    }
    if (status == PC_OK && model->llm.info.source) {
        status = pc_ids_push(ids, (int32_t)model->llm.info.start);
    }
    return status;
}

/* A model that was accepted: prepare a picture, run one pass, encode a text. */
static pc_status use(const fixture *f, const pc_model *model)
{
    float *pixels = NULL;
    char path[512];
    pc_image_tiling tiling = {0};
    pc_ids ids = {0}, words = {0};
    pc_status status = model->encoder.type ? pc_model_prepare(model, f->image, &pixels, &tiling) : PC_OK;
    if (status == PC_OK && model->tokenizer) {
        status = pc_tokenizer_encode(model->tokenizer, "What is it?", 11, PC_TOKENIZE_ADD_SPECIAL, &words);
    }
    if (status == PC_OK) {
        status = make_ids(model, &tiling, &ids);
    }
    if (status == PC_OK) {
        size_t first = (size_t)tiling.count * 3 * (size_t)tiling.height * (size_t)tiling.width;
        pc_trace_input input = {.pixels = pixels, .detail = pixels ? pixels + first : NULL, .images = tiling.count, .tilings = &tiling, .pictures = tiling.count > 0,
                                .ids = ids.data, .tokens = (int64_t)ids.count};
        status = pc_model_trace(model, NULL, PC_F32, &input, false, pc_test_path(path, f->folder, "t.safetensors"));
    }
    pc_ids_clear(&ids);
    pc_ids_clear(&words);
    pc_free(pixels);
    return status;
}

static pc_status load_and_use(const fixture *f, const char *path, bool run)
{
    pc_model *model;
    PC_TRY(pc_model_load(&model, path));
    pc_status status = run ? use(f, model) : PC_OK;
    pc_model_free(model);
    return status;
}

static pc_status load_mutant(const char *path, const void *bytes, size_t size, void *user)
{
    fixture *f = user;
    (void)path;
    pc_test_write(f->folder, f->name, bytes, size);
    return load_and_use(f, f->folder, true);
}

static void drill(fixture *f, const char *source, const char *name)
{
    char seed[512];
    f->name = name;
    golden_copy(source, f->folder);
    pc_test_mutants_of_file(name, pc_test_path(seed, source, name), load_mutant, f, MUTANTS);
}

static void test_config(void **state)
{
    drill(*state, GOLDEN("llava/hf"), "config.json");
}

/* Other families; each reads keys that the one above has not. */
static void test_config_of_tiles(void **state)
{
    drill(*state, GOLDEN("llava_next/hf"), "config.json");
}

static void test_config_of_original(void **state)
{
    fixture *f = *state;
    char from[512], tower[512];
    assert_int_equal(pc_make_directories(pc_test_path(tower, f->folder, "tiny-clip")), PC_OK);
    golden_copy(GOLDEN("llava_original/tiny-clip"), tower);
    drill(f, GOLDEN("llava_original/llava-v1.6-tiny"), "config.json");
    golden_copy(GOLDEN("llava_original/llava-v1.6-tiny"), f->folder);
    pc_test_path(from, GOLDEN("llava_original/tiny-clip"), "config.json");
    f->name = "tiny-clip/config.json";
    pc_test_mutants_of_file("tower", from, load_mutant, f, MUTANTS);
}

static void test_config_of_decoders(void **state)
{
    drill(*state, GOLDEN("decoders/yarn_factors"), "config.json");
    drill(*state, GOLDEN("decoders/qwen2_window"), "config.json");
    drill(*state, GOLDEN("decoders/mixtral"), "config.json");
    drill(*state, GOLDEN("decoders/stablelm"), "config.json");
    drill(*state, GOLDEN("decoders/phi"), "config.json");
    drill(*state, GOLDEN("decoders/mpt"), "config.json");
    drill(*state, GOLDEN("decoders/mosaic"), "config.json");
}

static void test_config_of_queries(void **state)
{
    drill(*state, GOLDEN("blip2/opt"), "config.json");
    drill(*state, GOLDEN("blip2/instruct"), "config.json");
}

static void test_config_of_bridges(void **state)
{
    drill(*state, GOLDEN("idefics/v1"), "config.json");
    drill(*state, GOLDEN("open_flamingo/llama"), "config.json");
    drill(*state, GOLDEN("cogvlm/chat"), "config.json");
    drill(*state, GOLDEN("cogagent/chat"), "config.json");
}

/* Any size of pictures suits this tower: with a recipe of one size a mutant can't make them large and the reference slow. */
static void test_config_of_qwen_vl(void **state)
{
    static const char recipe[] = "{\"size\": {\"height\": 12, \"width\": 12}, \"do_center_crop\": false}";
    pc_test_write(((fixture *)*state)->folder, "preprocessor_config.json", recipe, sizeof recipe - 1);
    drill(*state, GOLDEN("qwen_vl/chat"), "config.json");
}

static void test_config_of_mobilevlm(void **state)
{
    drill(*state, GOLDEN("mobilevlm/v2"), "config.json");
    drill(*state, GOLDEN("moe_llava/phi"), "config.json");
    drill(*state, GOLDEN("moe_llava/qwen"), "config.json");
}

static void test_config_of_owl(void **state)
{
    drill(*state, GOLDEN("mplug_owl/v1"), "config.json");
}

static void test_config_of_sides(void **state)
{
    drill(*state, GOLDEN("t5/flan"), "config.json");
}

static void test_config_of_siglip(void **state)
{
    drill(*state, GOLDEN("siglip/both"), "config.json");
}

static void test_config_of_open_clip(void **state)
{
    drill(*state, GOLDEN("open_clip/custom"), "open_clip_config.json");
}

static void test_config_of_native(void **state)
{
    drill(*state, GOLDEN("qwen2_vl/2"), "preprocessor_config.json");
    drill(*state, GOLDEN("qwen2_vl/2_5"), "config.json");
    drill(*state, GOLDEN("smolvlm"), "config.json");
    drill(*state, GOLDEN("smolvlm"), "processor_config.json");
}

static void test_processor_config(void **state)
{
    drill(*state, GOLDEN("llava/hf"), "processor_config.json");
}

static void test_preprocessor_config(void **state)
{
    drill(*state, GOLDEN("llava/old"), "preprocessor_config.json");
}

static void test_tokenizer_config(void **state)
{
    drill(*state, GOLDEN("llava/old"), "tokenizer_config.json");
}

static void test_generation_config(void **state)
{
    drill(*state, GOLDEN("llava/hf"), "generation_config.json");
}

static void test_chat_template(void **state)
{
    drill(*state, GOLDEN("llava/old"), "chat_template.json");
}

static void test_index(void **state)
{
    drill(*state, GOLDEN("llava/old"), "model.safetensors.index.json");
}

/* What the model was trained with, beside it. */
static void test_fingerprint(void **state)
{
    fixture *f = *state;
    pc_model *model;
    size_t size;
    golden_copy(GOLDEN("llava/hf"), f->folder);
    assert_int_equal(pc_model_load(&model, f->folder), PC_OK);
    assert_int_equal(pc_fingerprint_save(model, f->folder), PC_OK);
    pc_model_free(model);
    unsigned char *seed = pc_test_read(f->folder, "percept.json", &size);
    f->name = "percept.json";
    pc_mutant_result result = pc_test_mutants(f->name, seed, size, load_mutant, f, MUTANTS);
    assert_true(result.refused > 0);
    free(seed);
}

/* --- llama2.c --- */

static pc_status load_bin(const char *path, const void *bytes, size_t size, void *user)
{
    fixture *f = user;
    char file[512];
    (void)path;
    pc_test_write(f->folder, "model.bin", bytes, size);
    return load_and_use(f, pc_test_path(file, f->folder, "model.bin"), false);
}

static void test_llama2c(void **state)
{
    static const int32_t header[7] = {8, 12, 1, 2, 1, 300, 16};
    fixture *f = *state;
    size_t size;
    /* embedding, norms and matrices of one layer, final norm, rotary tables: 3 k floats */
    size_t floats = 300 * 8 + 2 * 8 + 2 * 64 + 2 * 32 + 3 * 96 + 8 + 16 * 4;
    float *bin = pc_calloc(7 + floats, sizeof *bin);
    memcpy(bin, header, sizeof header);
    for (size_t i = 0; i < floats; i++) {
        bin[7 + i] = (float)((int)(i % 17) - 8) / 16;
    }
    unsigned char *tokenizer = pc_test_read(GOLDEN("llama/untied"), "tokenizer.json", &size);
    pc_test_write(f->folder, "tokenizer.json", tokenizer, size);
    free(tokenizer);
    pc_test_mutants("llama2c.bin", bin, (7 + floats) * sizeof *bin, load_bin, f, MUTANTS);
    pc_free(bin);
}

/* --- memory --- */

typedef struct scenario {
    const fixture *f;
    const char *path;
} scenario;

static pc_status load_only(void *user)
{
    const scenario *s = user;
    return load_and_use(s->f, s->path, false);
}

static pc_status load_and_run(void *user)
{
    const scenario *s = user;
    return load_and_use(s->f, s->path, true);
}

static pc_status create_only(void *user)
{
    const scenario *s = user;
    pc_model *model;
    PC_TRY(pc_model_create(&model, s->path, NULL, 7));
    pc_model_free(model);
    return PC_OK;
}

static pc_status pack_and_run(void *user)
{
    const scenario *s = user;
    pc_model *model = NULL;
    pc_backend *backend = NULL;
    pc_session *session = NULL;
    pc_session_options options = {.context = 32, .chunk = 8, .compute = PC_BF16};
    float *soft = NULL;
    pc_status status = pc_cpu_backend_new(&backend, 1, 0);
    if (status == PC_OK) {
        status = pc_model_load(&model, s->path);
    }
    if (status == PC_OK) {
        status = pc_model_pack(model, backend, PC_BF16);
    }
    if (status == PC_OK) {
        status = pc_session_new(&session, model, backend, &options);
    }
    if (status == PC_OK) {
        status = pc_session_see(session, s->f->in.pixels, NULL, &soft, NULL);
    }
    if (status == PC_OK) {
        status = pc_session_read(session, s->f->in.ids, NULL, 4);
    }
    pc_free(soft);
    pc_session_free(session);
    pc_model_free(model);
    pc_cpu_backend_free(backend);
    return status;
}

static pc_status save_only(void *user)
{
    const scenario *s = user;
    pc_model *model;
    PC_TRY(pc_model_load(&model, s->path));
    char path[512];
    pc_status status = pc_model_save(model, pc_test_path(path, s->f->folder, "saved"), PC_BF16);
    pc_model_free(model);
    return status;
}

static void test_memory(void **state)
{
    static const struct {
        const char *what, *path;
        pc_scenario_fn run;
    } cases[] = {
        {"load", NULL, load_only},
        {"load clip", GOLDEN("clip"), load_only},
        {"load open_clip", GOLDEN("open_clip/custom"), load_only},
        {"load, run qwen2.5-vl", GOLDEN("qwen2_vl/2_5"), load_and_run},
        {"load siglip", GOLDEN("siglip/both"), load_only},
        {"load yarn", GOLDEN("decoders/yarn"), load_only},
        {"load, run next", GOLDEN("llava_next/hf"), load_and_run},
        {"load original", GOLDEN("llava_original/llava-v1.5-tiny"), load_only},
        {"create", NULL, create_only},
        {"pack, session", NULL, pack_and_run},
        {"save", NULL, save_only},
        {"load with tokenizer", GOLDEN("llama/tied"), load_only},
    };
    fixture *f = *state;
    char path[512];
    /* Tokenizers make a thousand requests and have a test of their own: once is enough here. */
    golden_copy(GOLDEN("llava/old"), f->folder);
    static const char *const words[] = {"tokenizer.json", "tokenizer.model"};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(remove(pc_test_path(path, f->folder, words[i])), 0);
    }
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        scenario s = {f, cases[i].path ? cases[i].path : f->folder};
        long count = pc_test_each_allocation(cases[i].run, &s);
        print_message("%-18s %ld allocations failed in turn\n", cases[i].what, count);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_config, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_config_of_tiles, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_config_of_original, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_config_of_decoders, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_config_of_queries, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_config_of_bridges, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_config_of_qwen_vl, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_config_of_mobilevlm, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_config_of_owl, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_config_of_siglip, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_config_of_sides, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fingerprint, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_config_of_open_clip, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_config_of_native, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_processor_config, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_preprocessor_config, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tokenizer_config, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_generation_config, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_chat_template, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_index, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_llama2c, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_memory, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
