/* Tokenizers out of tables: each model's ids and texts, roles, refusals. Whole vocabularies: data_tokenizers.sh. */
#include "text/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 32 };

typedef struct made {
    pc_table_text tokens[MOST], merges[MOST];
    float scores[MOST];
    int32_t types[MOST];
    pc_token_table table;
} made;

static void make(made *m, const char *model, const char *const *tokens, const int32_t *types, const char *const *merges)
{
    *m = (made){.table = {.where = "test.gguf", .model = model, .roles = {-1, -1, -1, -1}, .space_prefix = true}};
    for (size_t i = 0; tokens[i]; i++) {
        m->tokens[i] = (pc_table_text){tokens[i], strlen(tokens[i])};
        m->scores[i] = -(float)i;
        m->types[i] = types && types[i] ? types[i] : PC_TOKEN_NORMAL;
        m->table.count++;
    }
    for (size_t i = 0; merges && merges[i]; i++) {
        m->merges[i] = (pc_table_text){merges[i], strlen(merges[i])};
        m->table.merge_count++;
    }
    m->table.tokens = m->tokens;
    m->table.scores = m->scores;
    m->table.types = m->types;
    m->table.merges = m->merges;
}

static void expect(const pc_tokenizer *tokenizer, const char *text, unsigned flags, const int32_t *ids, size_t count)
{
    pc_ids found = {0};
    assert_int_equal(pc_tokenizer_encode(tokenizer, text, strlen(text), flags, &found), PC_OK);
    assert_int_equal(found.count, count);
    assert_memory_equal(found.data, ids, count * sizeof *ids);
    pc_ids_clear(&found);
}

#define MARK "\xe2\x96\x81"

static void test_llama(void **state)
{
    (void)state;
    static const char *const tokens[] = {"<unk>", "<s>", "</s>", "<0x41>", MARK "a", "ab", MARK "ab", MARK, "a", "b", NULL};
    static const int32_t types[MOST] = {PC_TOKEN_UNKNOWN, PC_TOKEN_CONTROL, PC_TOKEN_CONTROL, PC_TOKEN_NORMAL};
    made m;
    pc_tokenizer *tokenizer;
    make(&m, "llama", tokens, types, NULL);
    m.table.roles[PC_TOKEN_UNK] = 0;
    m.table.roles[PC_TOKEN_BOS] = 1;
    m.table.roles[PC_TOKEN_EOS] = 2;
    m.table.add_bos = true;
    assert_int_equal(pc_tokenizer_from_table(&tokenizer, &m.table), PC_OK);
    expect(tokenizer, "ab", 0, (int32_t[]){6}, 1);
    expect(tokenizer, "ab", PC_TOKENIZE_ADD_SPECIAL, (int32_t[]){1, 6}, 2);
    expect(tokenizer, "</s>", PC_TOKENIZE_PARSE_SPECIAL, (int32_t[]){2}, 1);
    assert_int_equal(pc_tokenizer_special(tokenizer, PC_TOKEN_EOS), 2);
    pc_tokenizer_free(tokenizer);
    m.table.space_prefix = false;
    assert_int_equal(pc_tokenizer_from_table(&tokenizer, &m.table), PC_OK);
    expect(tokenizer, "ab", 0, (int32_t[]){5}, 1);
    pc_tokenizer_free(tokenizer);
}

static void test_gpt2(void **state)
{
    (void)state;
    static const char *const tokens[] = {"1", "2", "12", "a", "\xc4\xa0", "\xc4\xa0" "a", "<|end|>", NULL};
    static const char *const merges[] = {"1 2", "\xc4\xa0 a", NULL};
    static const int32_t types[MOST] = {[6] = PC_TOKEN_CONTROL};
    made m;
    pc_tokenizer *tokenizer;
    make(&m, "gpt2", tokens, types, merges);
    m.table.roles[PC_TOKEN_EOS] = 6;
    m.table.add_eos = true;
    m.table.pre = "gpt-2";
    assert_int_equal(pc_tokenizer_from_table(&tokenizer, &m.table), PC_OK);
    expect(tokenizer, "12 a", PC_TOKENIZE_ADD_SPECIAL, (int32_t[]){2, 5, 6}, 3);
    pc_tokenizer_free(tokenizer);
    m.table.pre = "starcoder"; /* cuts at each digit */
    assert_int_equal(pc_tokenizer_from_table(&tokenizer, &m.table), PC_OK);
    expect(tokenizer, "12 a", 0, (int32_t[]){0, 1, 5}, 3);
    expect(tokenizer, "a<|end|>", PC_TOKENIZE_PARSE_SPECIAL, (int32_t[]){3, 6}, 2);
    pc_tokenizer_free(tokenizer);
}

static void test_bert(void **state)
{
    (void)state;
    static const char *const tokens[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", MARK "ab", "c", NULL};
    made m;
    pc_tokenizer *tokenizer;
    make(&m, "bert", tokens, NULL, NULL);
    m.table.roles[PC_TOKEN_BOS] = 2;
    m.table.roles[PC_TOKEN_EOS] = 3;
    m.table.add_bos = m.table.add_eos = true;
    assert_int_equal(pc_tokenizer_from_table(&tokenizer, &m.table), PC_OK);
    expect(tokenizer, "ABc x", PC_TOKENIZE_ADD_SPECIAL, (int32_t[]){2, 4, 5, 1, 3}, 5);
    pc_tokenizer_free(tokenizer);
}

static void refuse(const pc_token_table *table, const char *reason)
{
    pc_tokenizer *tokenizer;
    assert_int_equal(pc_tokenizer_from_table(&tokenizer, table), PC_ERR_DATA);
    assert_null(tokenizer);
    if (!strstr(pc_error(), reason) || !strstr(pc_error(), "test.gguf")) {
        fail_msg("refused for \"%s\", expected \"%s\"", pc_error(), reason);
    }
}

static void test_refusals(void **state)
{
    (void)state;
    static const char *const tokens[] = {"a", "b", NULL}, *const twice[] = {"a", "a", NULL};
    static const char *const merges[] = {"ab", NULL};
    made m;
    make(&m, "t5", tokens, NULL, NULL);
    refuse(&m.table, "'t5' is none of");
    make(&m, "gpt2", tokens, NULL, NULL);
    m.table.pre = "nobody's";
    refuse(&m.table, "nobody's");
    m.table.pre = "gpt-2 phi-2";
    refuse(&m.table, "gpt-2 phi-2");
    make(&m, "gpt2", tokens, NULL, merges);
    refuse(&m.table, "merge 0");
    make(&m, "llama", twice, NULL, NULL);
    refuse(&m.table, "there twice");
    make(&m, "gpt2", tokens, (int32_t[MOST]){7, 1}, NULL);
    refuse(&m.table, "token 0 has the type 7");
    make(&m, "gpt2", tokens, NULL, NULL);
    m.table.roles[PC_TOKEN_BOS] = 2;
    refuse(&m.table, "lies outside the vocabulary of 2");
    m.table.count = 0;
    refuse(&m.table, "without tokens");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_llama),
        cmocka_unit_test(test_gpt2),
        cmocka_unit_test(test_bert),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
