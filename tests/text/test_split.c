/* The hand-written scanners against PCRE2 on the same expressions, over random text and all of Unicode. */
#include "base/memory.h"
#include "base/rng.h"
#include "text/pipeline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *const pieces[] = {
    "a", "B", "the", " ", "  ", "\n", "\r\n", "\t", "'s", "'LL", "'\xc5\xbf", "'", "1", "234", ".", "!?", "/", "\n/", "\xc2\xa0",
    "\xe3\x80\x80", "\xe4\xbd\xa0", "\xe2\x85\xa7", "\xcc\x81", "\xc7\x85", "\xca\xb0", "\xc3\x9f", "\xc3\x89", "\xd9\xa3",
    "\xe0\xa4\x95\xe0\xa5\x8d", "\xf0\x9f\x91\xa8", "\xe2\x80\x8d", "_", "\x7f", "\xc2\x85",
};

static void random_text(pc_rng *rng, pc_str *out)
{
    pc_str_reset(out);
    for (uint64_t n = 1 + pc_rng_below(rng, 14); n > 0; n--) {
        unsigned code_point = (unsigned)pc_rng_below(rng, 4) ? 0 : (unsigned)pc_rng_below(rng, 0x32000) + 1;
        char bytes[4];
        if (code_point == 0 || (code_point >= 0xd800 && code_point < 0xe000)) {
            assert_int_equal(pc_str_puts(out, pieces[pc_rng_below(rng, sizeof pieces / sizeof pieces[0])]), PC_OK);
        } else {
            assert_int_equal(pc_str_add(out, bytes, (size_t)pc_utf8_encode(code_point, bytes)), PC_OK);
        }
    }
}

/* Both cut a text at the same places. */
static void compare(const pc_split_pattern *pattern, const pc_regex *regex, pc_text_work *work, const pc_str *text)
{
    pc_regex_scan scan;
    size_t at = 0;
    pc_regex_scan_init(&scan, regex, text->data, text->length);
    for (;;) {
        size_t start, end;
        bool match, more;
        assert_int_equal(pc_regex_scan_next(&scan, work, &start, &end, &match, &more), PC_OK);
        if (!more) {
            break;
        }
        size_t found = at < text->length ? pattern->next(text->data, text->length, at) : at;
        if (start != at || (pattern->covers && found != end) || (pattern->covers && !match)) {
            fail_msg("%s: \"%s\" at byte %zu: the scanner's word ends at %zu, the expression's at %zu", pattern->name,
                     text->data, at, found, end);
        }
        if (!pattern->covers && found != end) {
            fail_msg("%s: \"%s\" at byte %zu: %zu and %zu", pattern->name, text->data, at, found, end);
        }
        at = end;
    }
    assert_int_equal(at, text->length);
}

static void scanners_equal_expressions(void **state)
{
    static const char *const names[] = {"gpt2", "llama3", "qwen2", "o200k", "each-digit", "digit-runs"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const pc_split_pattern *pattern = pc_split_by_name(names[i]);
        pc_text_work work = {0};
        pc_str text = {0};
        pc_regex *regex;
        pc_rng rng;
        assert_non_null(pattern);
        assert_ptr_equal(pc_split_find(pattern->regex), pattern);
        assert_int_equal(pc_regex_new(&regex, pattern->regex, "test"), PC_OK);
        pc_rng_init(&rng, 11, i);
        for (int n = 0; n < 20000; n++) {
            random_text(&rng, &text);
            compare(pattern, regex, &work, &text);
        }
        pc_regex_free(regex);
        pc_text_work_clear(&work);
        pc_str_clear(&text);
    }
}

static void every_character(void **state)
{
    static const char *const names[] = {"gpt2", "qwen2", "o200k"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const pc_split_pattern *pattern = pc_split_by_name(names[i]);
        pc_text_work work = {0};
        pc_str text = {0};
        pc_regex *regex;
        assert_int_equal(pc_regex_new(&regex, pattern->regex, "test"), PC_OK);
        for (unsigned c = 1; c < 0x110000; c += c >= 0x32400 && c < 0xe0000 ? 251 : 1) {
            char bytes[4];
            if (c >= 0xd800 && c < 0xe000) {
                continue;
            }
            pc_str_reset(&text);
            assert_int_equal(pc_str_puts(&text, "a"), PC_OK);
            assert_int_equal(pc_str_add(&text, bytes, (size_t)pc_utf8_encode(c, bytes)), PC_OK);
            assert_int_equal(pc_str_puts(&text, "Bb.1"), PC_OK);
            compare(pattern, regex, &work, &text);
        }
        pc_regex_free(regex);
        pc_text_work_clear(&work);
        pc_str_clear(&text);
    }
}

/* Expressions that take forever are stopped, and long runs are no trouble. */
static void limits(void **state)
{
    pc_text_work work = {0};
    pc_str text = {0};
    pc_regex *regex;
    size_t start, end;
    bool found;
    (void)state;
    for (int n = 0; n < 100000; n++) {
        assert_int_equal(pc_str_putc(&text, 'a'), PC_OK);
    }
    assert_int_equal(pc_regex_new(&regex, "(?:a+a+)+[.!]", "test"), PC_OK);
    assert_int_equal(pc_regex_find(regex, text.data, 60, 0, &work, &start, &end, &found), PC_ERR_DATA);
    assert_non_null(strstr(pc_error(), "too many steps"));
    pc_regex_free(regex);
    assert_int_equal(pc_regex_new(&regex, "\\s+(?!\\S)|\\w+", "test"), PC_OK);
    assert_int_equal(pc_regex_find(regex, text.data, text.length, 0, &work, &start, &end, &found), PC_OK);
    assert_true(found);
    assert_int_equal(end, text.length);
    pc_regex_free(regex);
    pc_text_work_clear(&work);
    pc_str_clear(&text);
}

/* Malformed bytes lie between matches. */
static void malformed_bytes(void **state)
{
    static const size_t ends[] = {2, 3, 4, 6};
    pc_text_work work = {0};
    pc_regex_scan scan;
    pc_regex *regex;
    (void)state;
    assert_int_equal(pc_regex_new(&regex, "\\p{L}+", "test"), PC_OK);
    pc_regex_scan_init(&scan, regex, "ab\xff\xe4" "cd", 6);
    for (size_t i = 0; i < 5; i++) {
        size_t start, end;
        bool match, more;
        assert_int_equal(pc_regex_scan_next(&scan, &work, &start, &end, &match, &more), PC_OK);
        assert_int_equal(more, i < 4);
        assert_int_equal(match, i == 0 || i == 3);
        assert_int_equal(end, ends[i < 4 ? i : 3]);
    }
    pc_regex_free(regex);
    pc_text_work_clear(&work);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scanners_equal_expressions),
        cmocka_unit_test(every_character),
        cmocka_unit_test(limits),
        cmocka_unit_test(malformed_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
