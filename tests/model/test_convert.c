/* Writing GGUF: what is read back computes what transformers computed for the model it was made of; tokenizer, template and
 * recipe come along; what such files can't hold is refused. */
#include "support/allocfail.h"
#include "support/folder.h"
#include "support/mutate.h"
#include "support/parity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define TINY PERCEPT_TESTS_DIR "/../models/percept-tiny"

/* model -> folder/model.gguf, and folder/mmproj-model.gguf when it sees. */
static pc_status convert(const char *from, const char *folder, pc_dtype type, pc_dtype vision)
{
    char path[512], vision_path[512];
    pc_model *model;
    PC_TRY(pc_model_load(&model, from));
    pc_gguf_options options = {.type = type, .vision_type = vision};
    options.vision = model->connector.type ? pc_test_path(vision_path, folder, "mmproj-model.gguf") : NULL;
    pc_status status = pc_model_save_gguf(model, pc_test_path(path, folder, "model.gguf"), &options);
    pc_model_free(model);
    return status;
}

static void check_parity(const char *model, const char *truth)
{
    char folder[256], path[512];
    pc_test_folder_new(folder);
    if (convert(model, folder, PC_F32, PC_F32) != PC_OK) {
        fail_msg("%s: %s", model, pc_error());
    }
    const parity_fixture fixture = {model, pc_test_path(path, folder, "model.gguf"), truth, false};
    parity_check(&fixture, NULL, "reference", PC_F32);
    pc_test_folder_free(folder);
}

#define DECODER(name) check_parity(GOLDEN("decoders/" name), GOLDEN("decoders/" name ".safetensors"))

/* Every kind of rotary scaling that GGUF can tell, biases, a window that is never reached. */
static void test_decoders(void **state)
{
    (void)state;
    DECODER("qwen2");
    DECODER("mistral_open");
    DECODER("linear");
    DECODER("yarn");
    DECODER("llama3");
}

static void test_vision(void **state)
{
    (void)state;
    check_parity(GOLDEN("llava_original/llava-v1.5-tiny"), GOLDEN("llava_original/v1.5.safetensors"));
    check_parity(GOLDEN("llava_original/llava-v1.6-tiny"), GOLDEN("llava_original/v1.6.safetensors"));
    check_parity(GOLDEN("llava_original/llava-7b-v0"), GOLDEN("llava_original/v1.0.safetensors"));
    check_parity(GOLDEN("llava/hf"), GOLDEN("llava/one_image.safetensors"));
}

static void expect_ids(const pc_tokenizer *left, const pc_tokenizer *right, const char *text)
{
    pc_ids a = {0}, b = {0};
    const unsigned flags = PC_TOKENIZE_ADD_SPECIAL | PC_TOKENIZE_PARSE_SPECIAL;
    assert_int_equal(pc_tokenizer_encode(left, text, strlen(text), flags, &a), PC_OK);
    assert_int_equal(pc_tokenizer_encode(right, text, strlen(text), flags, &b), PC_OK);
    assert_int_equal(a.count, b.count);
    assert_memory_equal(a.data, b.data, a.count * sizeof *a.data);
    pc_ids_clear(&a);
    pc_ids_clear(&b);
}

static int64_t key_integer(const char *path, const char *key)
{
    int64_t value;
    pc_store *store = golden_store(path);
    assert_int_equal(pc_gguf_integer(&value, pc_store_gguf(store), key, -1, -1, 1 << 30), PC_OK);
    pc_store_free(store);
    return value;
}

/* What stands beside the weights of the bundled model. */
static void test_neighbours(void **state)
{
    (void)state;
    char folder[256], path[512];
    pc_test_folder_new(folder);
    pc_test_path(path, folder, "model.gguf");
    assert_int_equal(convert(TINY, folder, PC_BF16, PC_BF16), PC_OK);
    pc_model *first = golden_model(TINY), *second = golden_model(path);
    expect_ids(first->tokenizer, second->tokenizer, "<|im_start|>user\nWo ist 12 x 34?<|im_end|>\n \xe5\x9b\xbe\xe7\x89\x87");
    assert_ptr_equal(first->chat, second->chat);
    assert_int_equal(pc_json_integer(pc_json_at(pc_json_get(second->generation, "eos_token_id"), 0), -1), 2);
    assert_memory_equal(first->recipe.mean, second->recipe.mean, sizeof first->recipe.mean);
    assert_false(second->recipe.pad_square); /* the directory's recipe cuts, as do the files */
    assert_int_equal(second->encoder.info.layers, first->encoder.info.layers);
    assert_int_equal(second->encoder.select.layer[0], first->encoder.select.layer[0]);
    assert_int_equal(key_integer(path, "llama.vocab_size"), 1024);
    assert_int_equal(key_integer(path, "general.file_type"), 32);
    assert_int_equal(key_integer(path, "tokenizer.ggml.padding_token_id"), 0);
    pc_model_free(first);
    pc_model_free(second);
    pc_test_folder_free(folder);
}

/* A tower keeps the layer behind the one whose features are taken, for readers that know no key for it. */
static void test_layers(void **state)
{
    (void)state;
    char folder[256], path[512];
    pc_test_folder_new(folder);
    pc_model *model = golden_model(GOLDEN("llava/hf"));
    int64_t layers = model->encoder.info.layers, taken = model->encoder.select.layer[0];
    pc_model_free(model);
    assert_int_equal(taken, layers - 1);
    assert_int_equal(convert(GOLDEN("llava/hf"), folder, PC_F16, PC_F16), PC_OK);
    pc_test_path(path, folder, "mmproj-model.gguf");
    assert_int_equal(key_integer(path, "clip.vision.block_count"), layers);
    pc_store *store = golden_store(path);
    assert_null(pc_store_find(store, "v.post_ln.weight"));
    assert_int_equal(pc_store_find(store, "v.patch_embd.weight")->dtype, PC_F16);
    assert_int_equal(pc_store_find(store, "v.class_embd")->dtype, PC_F32);
    assert_int_equal(pc_store_find(store, "v.blk.0.ffn_down.bias")->dim[0], /* fc1: names the old way */
                     pc_store_find(store, "v.blk.0.ffn_down.weight")->dim[0]);
    pc_store_free(store);
    pc_test_folder_free(folder);
}

/* There and back: the same directory, every weight and every key that counts. */
static void test_back(void **state)
{
    (void)state;
    char folder[256], path[512], back[512];
    pc_test_folder_new(folder);
    assert_int_equal(convert(TINY, folder, PC_BF16, PC_BF16), PC_OK);
    pc_model *model = golden_model(pc_test_path(path, folder, "model.gguf"));
    assert_int_equal(pc_model_save(model, pc_test_path(back, folder, "back"), PC_BF16), PC_OK);
    pc_model_free(model);
    pc_store *first = golden_store(TINY), *second = golden_store(back);
    for (size_t i = 0; i < pc_store_count(first); i++) {
        const pc_array *from = pc_store_at(first, i), *to = pc_store_find(second, from->name);
        if (!strstr(from->name, ".post_layernorm.")) { /* which GGUF leaves out */
            assert_non_null(to);
            assert_int_equal(to->bytes, from->bytes);
            assert_memory_equal(to->data, from->data, from->bytes);
        }
    }
    pc_store_free(first);
    pc_store_free(second);
    pc_model *again = golden_model(back);
    assert_int_equal(again->image_token, 3);
    assert_string_equal(again->import->architecture, "LlavaForConditionalGeneration");
    assert_int_equal(again->encoder.select.layer[0], again->encoder.info.layers);
    assert_non_null(again->chat);
    pc_model_free(again);
    pc_test_folder_free(folder);
}

static void test_types(void **state)
{
    (void)state;
    char folder[256], path[512];
    pc_test_folder_new(folder);
    assert_int_equal(convert(TINY, folder, PC_Q4_0, PC_F16), PC_OK);
    pc_store *store = golden_store(pc_test_path(path, folder, "model.gguf"));
    assert_int_equal(pc_store_find(store, "token_embd.weight")->dtype, PC_Q6_K); /* the head, tied */
    assert_int_equal(pc_store_find(store, "blk.0.attn_q.weight")->dtype, PC_Q4_0);
    assert_int_equal(pc_store_find(store, "blk.0.attn_norm.weight")->dtype, PC_F32);
    assert_null(pc_store_find(store, "output.weight"));
    pc_store_free(store);
    pc_test_folder_free(folder);
}

static void refuse(const char *from, pc_dtype type, pc_status expected, const char *reason)
{
    char folder[256], path[512];
    pc_test_folder_new(folder);
    assert_int_equal(convert(from, folder, type, PC_F16), expected);
    if (!strstr(pc_error(), reason)) {
        fail_msg("refused for \"%s\", expected \"%s\"", pc_error(), reason);
    }
    assert_int_equal(access(pc_test_path(path, folder, "model.gguf"), F_OK), -1);
    pc_test_folder_free(folder);
}

static void test_refusals(void **state)
{
    (void)state;
    refuse(GOLDEN("blip2/opt"), PC_F16, PC_ERR_DATA, "the language model here is opt");
    refuse(GOLDEN("clip"), PC_F16, PC_ERR_DATA, "the language model here is missing");
    refuse(GOLDEN("decoders/yarn_factors"), PC_F16, PC_ERR_DATA, "the attention factor of YaRN");
    refuse(GOLDEN("decoders/dynamic"), PC_F16, PC_ERR_DATA, "of the kind dynamic");
    refuse(GOLDEN("llava_original/llava-med-tiny"), PC_Q2_K, PC_ERR_USAGE, "no type to quantise to");
}

static pc_status convert_once(void *user)
{
    return convert(GOLDEN("llava/hf"), user, PC_F16, PC_F16);
}

static void test_failing_allocations(void **state)
{
    (void)state;
    char folder[256];
    pc_test_folder_new(folder);
    assert_true(pc_test_each_allocation(convert_once, folder) > 100);
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

/* What is written has keys and tables that others' fixtures lack: a whole tokenizer, feature_layer. */
static void test_mutants(void **state)
{
    (void)state;
    static const char *const names[] = {"model.gguf", "mmproj-model.gguf"};
    for (int i = 0; i < 2; i++) {
        char seeds[256], seed[512];
        drill d = {.name = names[i]};
        pc_test_folder_new(d.folder);
        pc_test_folder_new(seeds);
        pc_test_path(d.model, d.folder, "model.gguf");
        assert_int_equal(convert(GOLDEN("llava/hf"), d.folder, PC_F16, PC_F16), PC_OK);
        assert_int_equal(convert(GOLDEN("llava/hf"), seeds, PC_F16, PC_F16), PC_OK);
        pc_mutant_result result = pc_test_mutants_of_file(names[i], pc_test_path(seed, seeds, names[i]), load_mutant, &d, 500);
        assert_true(result.refused > 200);
        pc_test_folder_free(d.folder);
        pc_test_folder_free(seeds);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decoders),
        cmocka_unit_test(test_vision),
        cmocka_unit_test(test_neighbours),
        cmocka_unit_test(test_layers),
        cmocka_unit_test(test_back),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_failing_allocations),
        cmocka_unit_test(test_mutants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
