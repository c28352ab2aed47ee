/* Ids and decoded texts against the reference libraries (tests/oracle/make_text.py), streams, flags, malformed text. */
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "text/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GOLDEN PERCEPT_TESTS_DIR "/golden/text/"

static pc_tokenizer *load(const char *name)
{
    char path[4096];
    pc_tokenizer *tokenizer;
    snprintf(path, sizeof path, GOLDEN "%.512s", name);
    if (pc_tokenizer_load(&tokenizer, path) != PC_OK) {
        fail_msg("%s", pc_error());
    }
    return tokenizer;
}

static pc_ids encode(const pc_tokenizer *tokenizer, const char *text, unsigned flags)
{
    pc_ids ids = {0};
    assert_int_equal(pc_tokenizer_encode(tokenizer, text, strlen(text), flags, &ids), PC_OK);
    return ids;
}

static void assert_ids(const pc_ids *found, const int32_t *expected, size_t count, const char *what)
{
    bool same = found->count == count;
    for (size_t i = 0; same && i < count; i++) {
        same = found->data[i] == expected[i];
    }
    for (size_t i = 0; !same && i < (count > found->count ? count : found->count); i++) {
        print_error("%zu: expected %d, found %d\n", i, i < count ? expected[i] : -1, i < found->count ? found->data[i] : -1);
    }
    if (!same) {
        fail_msg("other ids for %s", what);
    }
}

/* The stream gives the same text as decoding at once, and well-formed UTF-8 at each step. */
static void check_stream(const pc_tokenizer *tokenizer, const pc_ids *ids, unsigned flags, const pc_str *whole)
{
    pc_token_stream stream;
    pc_str out = {0}, repaired = {0};
    assert_int_equal(pc_text_repair(&repaired, whole->data ? whole->data : "", whole->length), PC_OK);
    pc_token_stream_init(&stream, tokenizer, flags);
    for (size_t i = 0; i < ids->count; i++) {
        assert_int_equal(pc_token_stream_push(&stream, ids->data[i], &out), PC_OK);
        assert_int_equal(pc_utf8_valid_prefix(out.data ? out.data : "", out.length), out.length);
    }
    assert_int_equal(pc_token_stream_finish(&stream, &out), PC_OK);
    assert_int_equal(out.length, repaired.length);
    assert_memory_equal(out.data ? out.data : "", repaired.data ? repaired.data : "", out.length);
    pc_str_clear(&out);
    pc_str_clear(&repaired);
}

static void check_row(const pc_tokenizer *tokenizer, const pc_json *row, unsigned flags, const char *file)
{
    char key[32], what[512];
    const pc_json *text = pc_json_get(row, "text");
    snprintf(key, sizeof key, "%u", flags);
    const pc_json *expected = pc_json_get(row, key);
    if (!expected) {
        return;
    }
    snprintf(what, sizeof what, "%s, flags %u, text \"%.300s\"", file, flags, pc_json_text(text));
    int32_t *ids = calloc(pc_json_length(expected) + 1, sizeof *ids);
    assert_non_null(ids);
    for (size_t i = 0; i < pc_json_length(expected); i++) {
        ids[i] = (int32_t)pc_json_integer(pc_json_at(expected, i), -1);
    }
    pc_ids found = {0};
    assert_int_equal(pc_tokenizer_encode(tokenizer, pc_json_text(text), pc_json_text_length(text), flags, &found), PC_OK);
    assert_ids(&found, ids, pc_json_length(expected), what);
    snprintf(key, sizeof key, "decoded %u", flags);
    const pc_json *decoded = pc_json_get(row, key) ? pc_json_get(row, key) : text;
    pc_str out = {0};
    assert_int_equal(pc_tokenizer_decode(tokenizer, found.data, found.count, PC_DETOKENIZE_SKIP_SPECIAL, &out), PC_OK);
    check_stream(tokenizer, &found, PC_DETOKENIZE_SKIP_SPECIAL, &out);
    if (pc_json_is_string(decoded)) {
        if (out.length != pc_json_text_length(decoded) ||
            (out.length && memcmp(out.data, pc_json_text(decoded), out.length) != 0)) {
            fail_msg("%s: decoded \"%s\", expected \"%s\"", what, out.data, pc_json_text(decoded));
        }
    }
    pc_str_clear(&out);
    pc_ids_clear(&found);
    free(ids);
}

/* Every case of a folder's cases.json; how many there are. */
static size_t check_cases(const char *folder)
{
    pc_json *cases;
    size_t checked = 0;
    char name[512];
    snprintf(name, sizeof name, GOLDEN "%scases.json", folder);
    assert_int_equal(pc_json_read(&cases, name, 1 << 20), PC_OK);
    for (void *it = pc_json_first(cases); it; it = pc_json_next(cases, it)) {
        snprintf(name, sizeof name, "%s%.200s", folder, pc_json_key(it));
        pc_tokenizer *tokenizer = load(name);
        for (size_t i = 0; i < pc_json_length(pc_json_value(it)); i++, checked++) {
            check_row(tokenizer, pc_json_at(pc_json_value(it), i), 0, pc_json_key(it));
            check_row(tokenizer, pc_json_at(pc_json_value(it), i), PC_TOKENIZE_ADD_SPECIAL | PC_TOKENIZE_PARSE_SPECIAL,
                      pc_json_key(it));
        }
        pc_tokenizer_free(tokenizer);
    }
    pc_json_free(cases);
    return checked;
}

static void matches_reference(void **state)
{
    (void)state;
    assert_true(check_cases("") > 300);
}

/* Random Unicode text and every kind of step (tests/oracle/random_text.py). */
static void matches_reference_on_random_text(void **state)
{
    (void)state;
    assert_true(check_cases("kinds/") >= 300);
}

/* Scores are read as the reference reads them, to the last bit (tests/oracle/make_unigram_ties.py). */
static void scores_are_read_as_the_reference_does(void **state)
{
    (void)state;
    assert_int_equal(check_cases("unigram_ties/"), 60);
}

static void roles_and_tokens(void **state)
{
    (void)state;
    pc_tokenizer *tokenizer = load("qwen2.json");
    size_t length;
    assert_int_equal(pc_tokenizer_special(tokenizer, PC_TOKEN_PAD), 0);
    assert_int_equal(pc_tokenizer_special(tokenizer, PC_TOKEN_BOS), 1);
    assert_int_equal(pc_tokenizer_special(tokenizer, PC_TOKEN_EOS), 2);
    assert_int_equal(pc_tokenizer_special(tokenizer, PC_TOKEN_UNK), -1);
    assert_int_equal(pc_tokenizer_size(tokenizer), 321);
    assert_int_equal(pc_tokenizer_id(tokenizer, "<image>"), 320);
    assert_true(pc_tokenizer_is_special(tokenizer, 320));
    assert_false(pc_tokenizer_is_special(tokenizer, 100));
    assert_false(pc_tokenizer_is_special(tokenizer, -1));
    assert_false(pc_tokenizer_is_special(tokenizer, 100000));
    assert_string_equal(pc_tokenizer_token(tokenizer, 320, &length), "<image>");
    assert_int_equal(length, 7);
    assert_null(pc_tokenizer_token(tokenizer, 321, NULL));
    assert_int_equal(pc_tokenizer_id(tokenizer, "no such token"), -1);
    assert_string_equal(pc_tokenizer_kind(tokenizer), "bpe");
    pc_tokenizer_free(tokenizer);
    tokenizer = load("llama.model");
    assert_int_equal(pc_tokenizer_special(tokenizer, PC_TOKEN_BOS), 1);
    assert_int_equal(pc_tokenizer_special(tokenizer, PC_TOKEN_PAD), -1);
    assert_string_equal(pc_tokenizer_kind(tokenizer), "sentencepiece");
    pc_tokenizer_free(tokenizer);
    pc_tokenizer_free(NULL);
}

/* User text is not read for control tokens, and asking for it is. */
static void special_tokens_on_request(void **state)
{
    static const char *const files[] = {"qwen2.json", "llama.json", "llama.model", "llama2c.bin"};
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        pc_tokenizer *tokenizer = load(files[i]);
        pc_ids plain = encode(tokenizer, "a</s>b", 0), parsed = encode(tokenizer, "a</s>b", PC_TOKENIZE_PARSE_SPECIAL);
        bool in_plain = false, in_parsed = false;
        for (size_t j = 0; j < plain.count; j++) {
            in_plain = in_plain || pc_tokenizer_is_special(tokenizer, plain.data[j]);
        }
        for (size_t j = 0; j < parsed.count; j++) {
            in_parsed = in_parsed || parsed.data[j] == 2;
        }
        assert_false(in_plain);
        assert_true(in_parsed);
        pc_ids_clear(&plain);
        pc_ids_clear(&parsed);
        pc_tokenizer_free(tokenizer);
    }
}

/* The space in front of a text that continues another. */
static void continued_text(void **state)
{
    static const struct {
        const char *file;
        bool prefix;
    } cases[] = {{"llama.json", true}, {"metaspace.json", false}, {"llama.model", true}, {"llama2c.bin", false}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pc_tokenizer *tokenizer = load(cases[i].file);
        pc_ids first = encode(tokenizer, "the", 0), next = encode(tokenizer, "the", PC_TOKENIZE_CONTINUE);
        bool same = first.count == next.count && memcmp(first.data, next.data, first.count * sizeof *first.data) == 0;
        assert_int_equal(same, cases[i].prefix);
        pc_str out = {0};
        assert_int_equal(pc_tokenizer_decode(tokenizer, first.data, first.count, PC_DETOKENIZE_CONTINUE, &out), PC_OK);
        assert_string_equal(out.data, " the");
        pc_str_reset(&out);
        assert_int_equal(pc_tokenizer_decode(tokenizer, first.data, first.count, 0, &out), PC_OK);
        assert_string_equal(out.data, "the");
        pc_str_clear(&out);
        pc_ids_clear(&first);
        pc_ids_clear(&next);
        pc_tokenizer_free(tokenizer);
    }
}

/* Bytes that are no UTF-8 come back as they were, from every kind that has tokens for bytes. */
static void malformed_text(void **state)
{
    static const char *const files[] = {"llama3.json", "llama.json", "llama.model", "llama2c.bin"};
    static const char text[] = "a\xff\xc3(\xe4\xbd\xf0\x9f\x98 \xed\xa0\x80z\0\x80";
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        pc_tokenizer *tokenizer = load(files[i]);
        pc_ids ids = {0};
        pc_str out = {0};
        assert_int_equal(pc_tokenizer_encode(tokenizer, text, sizeof text - 1, 0, &ids), PC_OK);
        assert_int_equal(pc_tokenizer_decode(tokenizer, ids.data, ids.count, 0, &out), PC_OK);
        assert_int_equal(out.length, sizeof text - 1);
        assert_memory_equal(out.data, text, out.length);
        check_stream(tokenizer, &ids, 0, &out);
        pc_str_clear(&out);
        pc_ids_clear(&ids);
        pc_tokenizer_free(tokenizer);
    }
}

static void repairs_as_python_does(void **state)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"ok", "ok"},
        {"\xff", "\xef\xbf\xbd"},
        {"\xe4\xbd", "\xef\xbf\xbd"},
        {"\xe4\xbdz", "\xef\xbf\xbdz"},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xf0\x9f\x98", "\xef\xbf\xbd"},
        {"\xf0\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xc3\xc3\xa9", "\xef\xbf\xbd\xc3\xa9"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pc_str out = {0};
        assert_int_equal(pc_text_repair(&out, cases[i].text, strlen(cases[i].text)), PC_OK);
        assert_string_equal(out.data, cases[i].expected);
        pc_str_clear(&out);
    }
}

static void refuses_ids_outside(void **state)
{
    static const int32_t bad[] = {-1, 321, INT32_MAX, INT32_MIN};
    (void)state;
    pc_tokenizer *tokenizer = load("qwen2.json");
    pc_str out = {0};
    assert_int_equal(pc_str_puts(&out, "before"), PC_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const int32_t ids[] = {40, bad[i]};
        assert_int_equal(pc_tokenizer_decode(tokenizer, ids, 2, 0, &out), PC_ERR_DATA);
        assert_string_equal(out.data, "before");
        pc_token_stream stream;
        pc_token_stream_init(&stream, tokenizer, 0);
        assert_int_equal(pc_token_stream_push(&stream, bad[i], &out), PC_OK);
        assert_string_equal(out.data, "before");
    }
    pc_str_clear(&out);
    pc_tokenizer_free(tokenizer);
}

static void adds_tokens(void **state)
{
    static const char *const files[] = {"qwen2.json", "llama.model", "llama2c.bin"};
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        pc_tokenizer *tokenizer = load(files[i]);
        size_t size = pc_tokenizer_size(tokenizer);
        int32_t id, again;
        assert_int_equal(pc_tokenizer_add_token(tokenizer, "<|new|>", true, &id), PC_OK);
        assert_int_equal(id, size);
        assert_int_equal(pc_tokenizer_add_token(tokenizer, "<|new|>", true, &again), PC_OK);
        assert_int_equal(again, id);
        assert_int_equal(pc_tokenizer_size(tokenizer), size + 1);
        pc_ids plain = encode(tokenizer, "x<|new|>", 0), parsed = encode(tokenizer, "x<|new|>", PC_TOKENIZE_PARSE_SPECIAL);
        assert_int_not_equal(plain.data[plain.count - 1], id);
        assert_int_equal(parsed.data[parsed.count - 1], id);
        assert_int_equal(pc_tokenizer_set_special(tokenizer, PC_TOKEN_PAD, id), PC_OK);
        assert_int_equal(pc_tokenizer_special(tokenizer, PC_TOKEN_PAD), id);
        assert_int_equal(pc_tokenizer_set_special(tokenizer, PC_TOKEN_PAD, id + 1), PC_ERR_USAGE);
        assert_int_equal(pc_tokenizer_add_token(tokenizer, "", true, &id), PC_ERR_USAGE);
        pc_ids_clear(&plain);
        pc_ids_clear(&parsed);
        pc_tokenizer_free(tokenizer);
    }
}

/* A long text in one piece and in parts that the pre-tokenizer wouldn't join: the cache of words must not show. */
static void long_text_equals_its_lines(void **state)
{
    static const char *const files[] = {"qwen2.json", "gpt2.json"};
    static const char line[] = "The theme: 345 apples, isn't it?\xe4\xbd\xa0\xe5\xa5\xbd caf\xc3\xa9";
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        pc_tokenizer *tokenizer = load(files[i]);
        pc_str text = {0};
        pc_ids whole = {0}, piece = encode(tokenizer, line, 0);
        for (int n = 0; n < 400; n++) {
            assert_int_equal(pc_str_puts(&text, n ? " ." : ""), PC_OK);
            assert_int_equal(pc_str_puts(&text, line), PC_OK);
        }
        assert_int_equal(pc_tokenizer_encode(tokenizer, text.data, text.length, 0, &whole), PC_OK);
        /* The first line is the same as alone; later ones repeat with a period. */
        assert_ids(&(pc_ids){whole.data, piece.count, 0}, piece.data, piece.count, "first line");
        size_t period = (whole.count - piece.count) / 399;
        assert_int_equal((whole.count - piece.count) % 399, 0);
        for (size_t at = piece.count + period; at < whole.count; at++) {
            assert_int_equal(whole.data[at], whole.data[at - period]);
        }
        pc_ids_clear(&whole);
        pc_ids_clear(&piece);
        pc_str_clear(&text);
        pc_tokenizer_free(tokenizer);
    }
}

/* One endless word, runs of spaces and combining marks: quadratic work would take minutes. */
static void hard_texts_take_no_quadratic_time(void **state)
{
    static const char *const files[] = {"qwen2.json", "llama3.json", "gpt2.json", "llama.json", "metaspace.json",
                                        "llama.model", "collapse.model", "llama2c.bin", "kinds/clip.json", "kinds/o200k.json",
                                        "kinds/bert_uncased.json", "kinds/small_map.json", "kinds/unigram_bytes.json",
                                        "kinds/word_end.json", "kinds/unigram.model", "kinds/unigram_user.model"};
    static const char *const units[] = {"a", " ", "the", "\xe4\xbd\xa0", "\xcc\x96\xcc\x80", "\n", " \r", "<", "<imag", "1",
                                        "\xff", "\xe2\x96\x81", "'"};
    enum { BYTES = 100000 };
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        pc_tokenizer *tokenizer = load(files[i]);
        for (size_t j = 0; j < sizeof units / sizeof units[0]; j++) {
            pc_str text = {0};
            pc_ids ids = {0};
            while (text.length < BYTES) {
                assert_int_equal(pc_str_puts(&text, units[j]), PC_OK);
            }
            assert_int_equal(pc_tokenizer_encode(tokenizer, text.data, text.length, PC_TOKENIZE_PARSE_SPECIAL, &ids), PC_OK);
            pc_str_clear(&text);
            pc_ids_clear(&ids);
        }
        pc_tokenizer_free(tokenizer);
    }
}

static void ids_grow_from_themselves(void **state)
{
    pc_ids ids = {0};
    (void)state;
    for (int32_t i = 0; i < 5; i++) {
        assert_int_equal(pc_ids_push(&ids, i), PC_OK);
    }
    for (int n = 0; n < 10; n++) {
        assert_int_equal(pc_ids_add(&ids, ids.data, ids.count), PC_OK);
    }
    assert_int_equal(ids.count, 5 * 1024);
    for (size_t i = 0; i < ids.count; i++) {
        assert_int_equal(ids.data[i], i % 5);
    }
    assert_int_equal(pc_ids_add(&ids, NULL, 0), PC_OK);
    pc_ids_reset(&ids);
    assert_int_equal(ids.count, 0);
    pc_ids_clear(&ids);
}

/* llama2.c's own tokenizer: what its reference program gives for these prompts. */
static void stories260k(void **state)
{
    static const int32_t once[] = {1, 403, 407, 261, 378};
    const char *data = getenv("PERCEPT_DATA");
    char path[4096];
    (void)state;
    snprintf(path, sizeof path, "%s/weights/stories260K", data ? data : "");
    if (!data || !pc_path_exists(path)) {
        print_message("skipped: no data\n");
        skip();
    }
    pc_tokenizer *tokenizer;
    assert_int_equal(pc_tokenizer_load(&tokenizer, path), PC_OK);
    assert_int_equal(pc_tokenizer_size(tokenizer), 512);
    pc_ids ids = encode(tokenizer, "Once upon a time", PC_TOKENIZE_ADD_SPECIAL);
    assert_ids(&ids, once, sizeof once / sizeof once[0], "Once upon a time");
    pc_str out = {0};
    assert_int_equal(pc_tokenizer_decode(tokenizer, ids.data, ids.count, PC_DETOKENIZE_SKIP_SPECIAL, &out), PC_OK);
    assert_string_equal(out.data, "Once upon a time");
    pc_str_clear(&out);
    pc_ids_clear(&ids);
    pc_tokenizer_free(tokenizer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_reference),
        cmocka_unit_test(matches_reference_on_random_text),
        cmocka_unit_test(scores_are_read_as_the_reference_does),
        cmocka_unit_test(roles_and_tokens),
        cmocka_unit_test(special_tokens_on_request),
        cmocka_unit_test(continued_text),
        cmocka_unit_test(malformed_text),
        cmocka_unit_test(repairs_as_python_does),
        cmocka_unit_test(refuses_ids_outside),
        cmocka_unit_test(adds_tokens),
        cmocka_unit_test(long_text_equals_its_lines),
        cmocka_unit_test(hard_texts_take_no_quadratic_time),
        cmocka_unit_test(ids_grow_from_themselves),
        cmocka_unit_test(stories260k),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
