/* GGUF models: the same values as the model that they were made of, the vision side found or named, refusals. */
#include "support/folder.h"
#include "support/mutate.h"
#include "support/parity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DECODER(name) {name ".gguf", GOLDEN("gguf/" name ".gguf"), GOLDEN("decoders/" name ".safetensors"), false}
static const parity_fixture decoders[] = {DECODER("qwen2"), DECODER("mistral_open"), DECODER("linear"), DECODER("yarn")};

static void test_decoders(void **state)
{
    (void)state;
    parity_check_levels(decoders, (int)(sizeof decoders / sizeof decoders[0]));
}

#define SEEING(version)                                                                             \
    {"llava-" version ".gguf", GOLDEN("gguf/llava-" version "-tiny"), GOLDEN("llava_original/" version ".safetensors"), false}
static const parity_fixture seeing[] = {SEEING("v1.5"), SEEING("v1.6")};

/* The language model's file is found in its folder, and mmproj.gguf beside it. */
static void test_llava(void **state)
{
    (void)state;
    parity_check_levels(seeing, (int)(sizeof seeing / sizeof seeing[0]));
}

static void refuse(const char *path, const char *vision, pc_status expected, const char *reason)
{
    pc_model *model;
    pc_error_clear();
    assert_int_equal(pc_model_load_parts(&model, path, vision), expected);
    assert_null(model);
    if (!strstr(pc_error(), reason)) {
        fail_msg("refused for \"%s\", expected \"%s\"", pc_error(), reason);
    }
}

static void copy(const char *from, const char *folder, const char *name)
{
    char base[512];
    size_t size;
    snprintf(base, sizeof base, "%.*s", (int)(strrchr(from, '/') - from), from);
    unsigned char *bytes = pc_test_read(base, strrchr(from, '/') + 1, &size);
    pc_test_write(folder, name, bytes, size);
    free(bytes);
}

static void test_vision_side(void **state)
{
    (void)state;
    static const char model_file[] = GOLDEN("gguf/llava-v1.5-tiny/model.gguf"), vision_file[] = GOLDEN("gguf/llava-v1.5-tiny/mmproj.gguf");
    char folder[256], alone[512], sees[512];
    pc_model *model;
    pc_test_folder_new(folder);
    pc_test_path(alone, folder, "alone.gguf");
    pc_test_path(sees, folder, "llava-v1.5.gguf");
    copy(model_file, folder, "alone.gguf");
    copy(model_file, folder, "llava-v1.5.gguf");
    assert_int_equal(pc_model_load(&model, alone), PC_OK);
    assert_null(model->encoder.type);
    pc_model_free(model);
    refuse(sees, NULL, PC_ERR_DATA, "no mmproj*.gguf beside it"); /* not blind without being asked */
    assert_int_equal(pc_model_load_parts(&model, sees, "none"), PC_OK);
    assert_null(model->encoder.type);
    pc_model_free(model);
    assert_int_equal(pc_model_load_parts(&model, sees, vision_file), PC_OK);
    assert_non_null(model->encoder.type);
    assert_true(model->recipe.pad_square);
    pc_model_free(model);
    copy(vision_file, folder, "mmproj-one.gguf");
    assert_int_equal(pc_model_load(&model, sees), PC_OK);
    assert_non_null(model->connector.type);
    pc_model_free(model);
    copy(vision_file, folder, "mmproj-two.gguf");
    refuse(sees, NULL, PC_ERR_DATA, "say which by --mmproj");
    refuse(sees, model_file, PC_ERR_DATA, "not 'clip'");
    refuse(vision_file, NULL, PC_ERR_DATA, "nor a checkpoint file of a known kind");
    refuse(GOLDEN("decoders/qwen2"), vision_file, PC_ERR_USAGE, "is no GGUF file");
    pc_test_folder_free(folder);
}

/* A directory of Hugging Face's layout out of a GGUF file gives the same weights back. */
static void test_saving(void **state)
{
    (void)state;
    char folder[256];
    pc_test_folder_new(folder);
    pc_model *model = golden_model(GOLDEN("gguf/mistral_open.gguf"));
    assert_int_equal(pc_model_save(model, folder, PC_F32), PC_OK);
    pc_model_free(model);
    pc_store *saved = golden_store(folder), *first = golden_store(GOLDEN("decoders/mistral_open"));
    for (size_t i = 0; i < pc_store_count(first); i++) {
        const pc_array *from = pc_store_at(first, i), *to = pc_store_find(saved, from->name);
        assert_non_null(to);
        float *expected = golden_values(from), *found = golden_values(to);
        assert_memory_equal(found, expected, (size_t)pc_array_count(from) * sizeof(float));
        pc_free(expected);
        pc_free(found);
    }
    pc_store_free(saved);
    pc_store_free(first);
    pc_test_folder_free(folder);
}

/* user: the folder, and which of the two files the mutant takes the place of. */
typedef struct drill {
    char folder[256], model[512];
    const char *name;
} drill;

static pc_status load_mutant(const char *path, const void *bytes, size_t size, void *user)
{
    const drill *d = user;
    pc_model *model;
    (void)path;
    pc_test_write(d->folder, d->name, bytes, size);
    pc_status status = pc_model_load(&model, d->model);
    pc_model_free(model);
    return status;
}

static void test_mutants(void **state)
{
    (void)state;
    static const char *const names[] = {"model.gguf", "mmproj.gguf"};
    for (int i = 0; i < 2; i++) {
        char seed[512];
        drill d = {.name = names[i]};
        pc_test_folder_new(d.folder);
        pc_test_path(d.model, d.folder, "model.gguf");
        golden_copy(GOLDEN("gguf/llava-v1.6-tiny"), d.folder);
        snprintf(seed, sizeof seed, GOLDEN("gguf/llava-v1.6-tiny/%s"), names[i]);
        pc_mutant_result result = pc_test_mutants_of_file(names[i], seed, load_mutant, &d, 600);
        assert_true(result.refused > 300);
        pc_test_folder_free(d.folder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decoders),
        cmocka_unit_test(test_llava),
        cmocka_unit_test(test_vision_side),
        cmocka_unit_test(test_saving),
        cmocka_unit_test(test_mutants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
