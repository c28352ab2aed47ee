/* Strings, nearest names, UTF-8. */
#include "base/memory.h"
#include "base/str.h"

#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void strings_grow(void **state)
{
    (void)state;
    pc_str string = {0};
    assert_int_equal(pc_str_puts(&string, ""), PC_OK);
    assert_string_equal(string.data, "");
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(pc_str_printf(&string, "%d,", i), PC_OK);
    }
    assert_int_equal(string.length, 3890);
    assert_int_equal(strlen(string.data), string.length);
    assert_true(pc_starts_with(string.data, "0,1,2,"));
    assert_true(pc_ends_with(string.data, ",998,999,"));
    assert_false(pc_ends_with("a", "ba"));
    pc_str_reset(&string);
    assert_string_equal(string.data, "");
    assert_int_equal(pc_str_add(&string, "a\0b", 3), PC_OK);
    assert_int_equal(pc_str_putc(&string, '!'), PC_OK);
    assert_int_equal(string.length, 4);
    assert_memory_equal(string.data, "a\0b!", 5);
    pc_alloc_fail_at(1, false);
    assert_int_equal(pc_str_printf(&string, "%10000d", 1), PC_ERR_MEMORY);
    assert_memory_equal(string.data, "a\0b!", 5);
    pc_alloc_fail_at(0, false);
    pc_str_clear(&string);
    assert_null(string.data);
    pc_str_clear(&string);
}

static void nearest_name_is_near(void **state)
{
    (void)state;
    const char *const names[] = {"learning_rate", "batch_size", "warmup", "lr", NULL, "seed"};
    const struct { const char *name, *expected; } cases[] = {
        {"learning-rate", "learning_rate"}, {"learnign_rate", "learning_rate"}, {"Batch-Size", "batch_size"},
        {"batchsize", "batch_size"},        {"warm", "warmup"},                 {"l", "lr"},
        {"sede", "seed"},                   {"xyz", NULL},                      {"", NULL},
        {"temperature", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *found = pc_nearest_name(cases[i].name, names, 6, sizeof names[0]);
        if (cases[i].expected) {
            assert_non_null(found);
            assert_string_equal(found, cases[i].expected);
        } else {
            assert_null(found);
        }
    }
    char longest[200];
    memset(longest, 'a', sizeof longest);
    longest[199] = '\0';
    assert_null(pc_nearest_name(longest, names, 6, sizeof names[0]));
    const char *const one[] = {longest, longest + 199 - 63};
    assert_ptr_equal(pc_nearest_name(longest + 199 - 62, one, 2, sizeof one[0]), one[1]);
}

static void utf8_round_trips(void **state)
{
    (void)state;
    for (unsigned code = 0; code <= 0x10ffff; code++) {
        char text[4];
        unsigned back = 0xffffffff;
        int length = pc_utf8_encode(code, text);
        int used = pc_utf8_decode(text, (size_t)length, &back);
        if (code >= 0xd800 && code <= 0xdfff) {
            assert_int_equal(used, 0);
        } else {
            assert_int_equal(used, length);
            assert_int_equal(back, code);
            assert_int_equal(pc_utf8_decode(text, (size_t)length - 1, &back), 0);
        }
    }
}

static void malformed_utf8_is_refused(void **state)
{
    (void)state;
    const char *const bad[] = {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41", "\xe0\x80\x80", "\xe0\x9f\xbf",
                               "\xed\xa0\x80", "\xed\xbf\xbf", "\xe2\x82", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf",
                               "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xfe", "\xf0\x9f\x98"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        unsigned code;
        char text[16] = "ab";
        assert_int_equal(pc_utf8_decode(bad[i], strlen(bad[i]), &code), 0);
        strcat(text, bad[i]);
        assert_int_equal(pc_utf8_valid_prefix(text, strlen(text)), 2);
    }
    assert_int_equal(pc_utf8_valid_prefix("\xe2\x82\xac\xf0\x9f\x98\x80", 7), 7);
    assert_int_equal(pc_utf8_valid_prefix("", 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_grow),
        cmocka_unit_test(nearest_name_is_near),
        cmocka_unit_test(utf8_round_trips),
        cmocka_unit_test(malformed_utf8_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
