/* Tokenizers -> the tables of GGUF files -> tokenizers: the same ids; what has no such table is refused. */
#include "text/table.h"

#include "support/allocfail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TEXT(name) PERCEPT_TESTS_DIR "/golden/text/" name

static const char *const texts[] = {
    "The quick brown fox can't jump over 1234567 lazy dogs!", " a  b\n\n c\t", "x=[1,22,333];//\xe2\x82\xac",
    "\xe4\xb8\xad\xe6\x96\x87 \xd1\x82\xd0\xb5\xd0\xba\xd1\x81\xd1\x82 \xf0\x9f\x98\x80", "\xff\xfe malformed",
};

static void check_ids(const pc_tokenizer *left, const pc_tokenizer *right, const char *text, unsigned flags)
{
    pc_ids a = {0}, b = {0};
    assert_int_equal(pc_tokenizer_encode(left, text, strlen(text), flags, &a), PC_OK);
    assert_int_equal(pc_tokenizer_encode(right, text, strlen(text), flags, &b), PC_OK);
    if (a.count != b.count || memcmp(a.data, b.data, a.count * sizeof *a.data) != 0) {
        fail_msg("\"%s\" has other ids", text);
    }
    pc_ids_clear(&a);
    pc_ids_clear(&b);
}

static void check(const char *path, const char *model, const char *pre)
{
    pc_tokenizer *first, *second;
    pc_table_memory memory;
    assert_int_equal(pc_tokenizer_load(&first, path), PC_OK);
    size_t size = pc_tokenizer_size(first), rows = size + 5;
    if (pc_tokenizer_to_table(&memory, first, rows) != PC_OK) {
        fail_msg("%s: %s", path, pc_error());
    }
    assert_string_equal(memory.table.model, model);
    assert_int_equal(memory.table.count, rows);
    assert_int_equal(memory.types[rows - 1], PC_TOKEN_UNUSED);
    pre ? assert_string_equal(memory.table.pre, pre) : assert_null(memory.table.pre);
    assert_int_equal(pc_tokenizer_from_table(&second, &memory.table), PC_OK);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        check_ids(first, second, texts[i], PC_TOKENIZE_ADD_SPECIAL);
        check_ids(first, second, texts[i], PC_TOKENIZE_PARSE_SPECIAL);
    }
    for (int role = 0; role < PC_TOKEN_ROLES; role++) {
        assert_int_equal(pc_tokenizer_special(first, (pc_token_role)role), pc_tokenizer_special(second, (pc_token_role)role));
    }
    for (int32_t id = 0; id < (int32_t)size; id++) {
        assert_int_equal(pc_tokenizer_is_special(first, id), pc_tokenizer_is_special(second, id));
    }
    pc_table_memory_clear(&memory);
    pc_tokenizer_free(first);
    pc_tokenizer_free(second);
}

static void test_there_and_back(void **state)
{
    (void)state;
    check(TEXT("llama.model"), "llama", NULL);
    check(TEXT("llama.json"), "llama", NULL);
    check(TEXT("llama2c.bin"), "llama", NULL);
    check(TEXT("llama3.json"), "gpt2", "llama-bpe");
    check(TEXT("qwen2.json"), "gpt2", "qwen2");
    check(TEXT("kinds/o200k.json"), "gpt2", "gpt-4o");
}

static void refuse(const char *path, const char *reason)
{
    pc_tokenizer *tokenizer;
    pc_table_memory memory;
    assert_int_equal(pc_tokenizer_load(&tokenizer, path), PC_OK);
    assert_int_equal(pc_tokenizer_to_table(&memory, tokenizer, 0), PC_ERR_DATA);
    if (!strstr(pc_error(), reason)) {
        fail_msg("%s: refused for \"%s\", expected \"%s\"", path, pc_error(), reason);
    }
    assert_null(memory.tokens);
    pc_tokenizer_free(tokenizer);
}

static void test_refusals(void **state)
{
    (void)state;
    refuse(TEXT("collapse.model"), "drops or keeps spaces otherwise");
    refuse(TEXT("kinds/unigram.model"), "is unigram");
    refuse(TEXT("kinds/unigram_bytes.json"), "no table for unigram");
    refuse(TEXT("kinds/bert_uncased.json"), "no table for wordpiece");
    refuse(TEXT("kinds/clip.json"), "BPE of this kind");
    refuse(TEXT("gpt2.json"), "cuts text: Hello world"); /* with a space in front */
}

static pc_status make_once(void *user)
{
    pc_table_memory memory;
    pc_status status = pc_tokenizer_to_table(&memory, user, 0);
    pc_table_memory_clear(&memory);
    return status;
}

static void test_failing_allocations(void **state)
{
    (void)state;
    static const char *const paths[] = {TEXT("llama.json"), TEXT("qwen2.json")};
    for (int i = 0; i < 2; i++) {
        pc_tokenizer *tokenizer;
        assert_int_equal(pc_tokenizer_load(&tokenizer, paths[i]), PC_OK);
        assert_true(pc_test_each_allocation(make_once, tokenizer) > 20);
        pc_tokenizer_free(tokenizer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
