/* Training against the reference trainer's merges; determinism; saving and loading. */
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "text/bpe_train.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GOLDEN PERCEPT_TESTS_DIR "/golden/text/"

static const char *const specials[] = {"<pad>", "<s>", "</s>"};
static char folder[32]; /* in memory where that is possible: saving waits for the disk */

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/dev/shm/percept-train-XXXXXX");
    if (!mkdtemp(folder)) {
        strcpy(folder, "/tmp/percept-train-XXXXXX");
        return mkdtemp(folder) ? 0 : -1;
    }
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return pc_remove_tree(folder) == PC_OK ? 0 : -1;
}

static pc_tokenizer *train(const pc_json *texts, bool backwards)
{
    const pc_bpe_options options = {.vocab_size = 400, .specials = specials, .special_count = 3};
    pc_bpe_trainer *trainer;
    pc_tokenizer *tokenizer;
    assert_int_equal(pc_bpe_trainer_new(&trainer, &options), PC_OK);
    for (size_t i = 0; i < pc_json_length(texts); i++) {
        const pc_json *text = pc_json_at(texts, backwards ? pc_json_length(texts) - 1 - i : i);
        assert_int_equal(pc_bpe_trainer_feed(trainer, pc_json_text(text), pc_json_text_length(text)), PC_OK);
    }
    assert_int_equal(pc_bpe_trainer_finish(trainer, &tokenizer), PC_OK);
    pc_bpe_trainer_free(trainer);
    return tokenizer;
}

/* tokenizer.json of a saved tokenizer. */
static pc_json *save(const pc_tokenizer *tokenizer, const char *name, char path[256])
{
    char file[300];
    pc_json *json;
    snprintf(path, 256, "%s/%s", folder, name);
    assert_int_equal(pc_tokenizer_save(tokenizer, path), PC_OK);
    snprintf(file, sizeof file, "%s/tokenizer.json", path);
    assert_int_equal(pc_json_read(&json, file, 1 << 24), PC_OK);
    return json;
}

static void learns_the_merges_of_the_reference(void **state)
{
    pc_json *golden;
    char path[256], other[256];
    (void)state;
    assert_int_equal(pc_json_read(&golden, GOLDEN "train.json", 1 << 20), PC_OK);
    const pc_json *expected = pc_json_get(golden, "merges");
    pc_tokenizer *tokenizer = train(pc_json_get(golden, "texts"), false);
    pc_json *saved = save(tokenizer, "one", path);
    const pc_json *merges = pc_json_get(pc_json_get(saved, "model"), "merges");
    assert_int_equal(pc_json_length(merges), pc_json_length(expected));
    for (size_t i = 0; i < pc_json_length(merges); i++) {
        for (size_t side = 0; side < 2; side++) {
            assert_string_equal(pc_json_text(pc_json_at(pc_json_at(merges, i), side)),
                                pc_json_text(pc_json_at(pc_json_at(expected, i), side)));
        }
    }
    /* The order of the texts doesn't matter, to the byte. */
    pc_tokenizer *again = train(pc_json_get(golden, "texts"), true);
    pc_json *twin = save(again, "two", other);
    pc_str a = {0}, b = {0};
    assert_int_equal(pc_json_write(&a, saved, 0), PC_OK);
    assert_int_equal(pc_json_write(&b, twin, 0), PC_OK);
    assert_string_equal(a.data, b.data);
    pc_str_clear(&a);
    pc_str_clear(&b);
    pc_json_free(saved);
    pc_json_free(twin);
    pc_json_free(golden);
    pc_tokenizer_free(tokenizer);
    pc_tokenizer_free(again);
}

static void same_ids(const pc_tokenizer *one, const pc_tokenizer *two, const char *text, unsigned flags)
{
    pc_ids a = {0}, b = {0};
    pc_str out = {0};
    assert_int_equal(pc_tokenizer_encode(one, text, strlen(text), flags, &a), PC_OK);
    assert_int_equal(pc_tokenizer_encode(two, text, strlen(text), flags, &b), PC_OK);
    assert_int_equal(a.count, b.count);
    for (size_t i = 0; i < a.count; i++) {
        assert_int_equal(a.data[i], b.data[i]);
    }
    assert_int_equal(pc_tokenizer_decode(two, b.data, b.count, PC_DETOKENIZE_SKIP_SPECIAL, &out), PC_OK);
    pc_ids_clear(&a);
    pc_ids_clear(&b);
    pc_str_clear(&out);
}

static const char *const texts[] = {"", "The theme of it", "a  b\n\nc 345", "\xe4\xbd\xa0\xe5\xa5\xbd caf\xc3\xa9", "<s>x</s>y<image>",
                                    "x<|new|>y", "it's  \t'LL"};

/* Every kind: save, load, the same ids, roles and names. */
static void saved_is_loaded_the_same(void **state)
{
    static const char *const files[] = {"qwen2.json", "llama3.json", "gpt2.json", "llama.json", "metaspace.json",
                                        "llama.model", "collapse.model", "llama2c.bin"};
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[4096], out[300];
        pc_tokenizer *first, *second;
        int32_t id;
        snprintf(path, sizeof path, GOLDEN "%s", files[i]);
        snprintf(out, sizeof out, "%s/kind%zu", folder, i);
        assert_int_equal(pc_tokenizer_load(&first, path), PC_OK);
        assert_int_equal(pc_tokenizer_add_token(first, "<|new|>", true, &id), PC_OK);
        assert_int_equal(pc_tokenizer_set_special(first, PC_TOKEN_PAD, id), PC_OK);
        assert_int_equal(pc_tokenizer_save(first, out), PC_OK);
        if (pc_tokenizer_load(&second, out) != PC_OK) {
            fail_msg("%s: %s", files[i], pc_error());
        }
        assert_int_equal(pc_tokenizer_size(first), pc_tokenizer_size(second));
        for (pc_token_role role = 0; role < PC_TOKEN_ROLES; role++) {
            assert_int_equal(pc_tokenizer_special(first, role), pc_tokenizer_special(second, role));
        }
        assert_int_equal(pc_tokenizer_id(second, "<|new|>"), id);
        assert_true(pc_tokenizer_is_special(second, id));
        for (size_t j = 0; j < sizeof texts / sizeof texts[0]; j++) {
            for (unsigned flags = 0; flags < 4; flags++) {
                same_ids(first, second, texts[j], flags);
            }
        }
        pc_tokenizer_free(first);
        pc_tokenizer_free(second);
    }
}

static void roles_by_name(void **state)
{
    const pc_bpe_options options = {.vocab_size = 300, .specials = specials, .special_count = 3};
    const char *const words[] = {"hello hello world world <s> hello"};
    const size_t length = strlen(words[0]);
    pc_tokenizer *tokenizer;
    pc_ids ids = {0};
    (void)state;
    assert_int_equal(pc_bpe_train(&tokenizer, &options, words, &length, 1), PC_OK);
    assert_int_equal(pc_tokenizer_special(tokenizer, PC_TOKEN_PAD), 0);
    assert_int_equal(pc_tokenizer_special(tokenizer, PC_TOKEN_BOS), 1);
    assert_int_equal(pc_tokenizer_special(tokenizer, PC_TOKEN_EOS), 2);
    assert_true(pc_tokenizer_size(tokenizer) < 300); /* two words give few merges */
    assert_true(pc_tokenizer_id(tokenizer, "hello") > 0 || pc_tokenizer_id(tokenizer, "\xc4\xa0hello") > 0);
    assert_int_equal(pc_tokenizer_id(tokenizer, "<s"), -1); /* special tokens aren't learnt from */
    assert_int_equal(pc_tokenizer_encode(tokenizer, "hello", 5, PC_TOKENIZE_ADD_SPECIAL, &ids), PC_OK);
    assert_int_equal(ids.data[0], 1);
    pc_ids_clear(&ids);
    pc_tokenizer_free(tokenizer);
}

static void refused_options(void **state)
{
    static const char *const twice[] = {"<s>", "<s>"}, *const empty[] = {""}, *const byte[] = {"a"},
                             *const malformed[] = {"\xff"};
    const pc_bpe_options cases[] = {
        {.vocab_size = 255},
        {.vocab_size = 257, .specials = twice, .special_count = 2},
        {.vocab_size = 300, .specials = twice, .special_count = 2},
        {.vocab_size = 300, .specials = empty, .special_count = 1},
        {.vocab_size = 300, .specials = byte, .special_count = 1},
        {.vocab_size = 300, .specials = malformed, .special_count = 1},
        {.vocab_size = SIZE_MAX},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pc_bpe_trainer *trainer;
        assert_int_equal(pc_bpe_trainer_new(&trainer, &cases[i]), PC_ERR_USAGE);
        assert_null(trainer);
    }
    /* No text at all: the bytes alone. */
    const pc_bpe_options bytes = {.vocab_size = 1000, .pattern = PC_BPE_GPT2};
    pc_tokenizer *tokenizer;
    assert_int_equal(pc_bpe_train(&tokenizer, &bytes, NULL, NULL, 0), PC_OK);
    assert_int_equal(pc_tokenizer_size(tokenizer), 256);
    same_ids(tokenizer, tokenizer, "any text \xe4\xbd\xa0", 0);
    pc_tokenizer_free(tokenizer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(learns_the_merges_of_the_reference),
        cmocka_unit_test(saved_is_loaded_the_same),
        cmocka_unit_test(roles_by_name),
        cmocka_unit_test(refused_options),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
