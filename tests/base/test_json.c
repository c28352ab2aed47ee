/* JSON: strict reading, access, building, numbers that round-trip, shortage of memory at every request. */
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static pc_json *parse(const char *text)
{
    pc_json *root = NULL;
    pc_status status = pc_json_parse(&root, text, strlen(text), "test");
    if (status != PC_OK) {
        print_error("%s -> %s\n", text, pc_error());
    }
    assert_int_equal(status, PC_OK);
    return root;
}

static void refuses_what_is_not_json(void **state)
{
    (void)state;
    const char *const bad[] = {
        "", " ", "{", "[1,]", "{\"a\":1,}", "[1] 2", "{}{}", "{'a':1}", "{a:1}", "[01]", "[+1]", "[1.]", "[.5]", "[1e]",
        "NaN", "[Infinity]", "nul", "\"a", "\"\t\"", "\"\\x\"", "\"\\ud800\"", "\"\xff\"", "\"\xc0\x80\"", "[1 2]",
        "{\"a\":1,\"a\":2}", "// c\n1", "[1e999]", "-", "[--1]", "\xef\xbb\xbf{}", "{\"a\\u0000b\":1}",
        "[99999999999999999999999999999999999-]", "\"\\ude00\"", "\"\\ud83dx\"", "\"\\u12g4\"", "\"a\\", "tru", "[1}", "{\"a\" 1}",
        "{1: 2}", "[,1]", "{,}", "[[]", "\"\xed\xa0\x80\"", "\f1",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        pc_json *root = NULL;
        pc_status status = pc_json_parse(&root, bad[i], strlen(bad[i]), "bad.json");
        if (status != PC_ERR_DATA) {
            print_error("accepted: %s\n", bad[i]);
        }
        assert_int_equal(status, PC_ERR_DATA);
        assert_null(root);
        assert_memory_equal(pc_error(), "bad.json: ", 10);
    }
    pc_json *root;
    assert_int_equal(pc_json_parse(&root, "1\0", 2, "nul"), PC_ERR_DATA);
    assert_int_equal(pc_json_parse(&root, NULL, 0, "nothing"), PC_ERR_DATA);
}

static void depth_is_limited(void **state)
{
    (void)state;
    char text[2 * 129 + 1];
    for (int depth = 128; depth <= 129; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        pc_json *root;
        pc_status status = pc_json_parse(&root, text, 2 * (size_t)depth, "deep");
        assert_int_equal(status, depth == 128 ? PC_OK : PC_ERR_DATA);
        pc_str out = {0};
        if (status == PC_OK) {
            assert_int_equal(pc_json_write(&out, root, 0), PC_OK);
            assert_int_equal(out.length, 256);
            pc_json *outer = pc_json_new_array();
            assert_int_equal(pc_json_push(outer, root), PC_OK);
            assert_int_equal(pc_json_write(&out, outer, 0), PC_ERR_DATA);
            pc_json_free(outer);
        }
        pc_str_clear(&out);
    }
    pc_json *root = parse("\"[[[\\\"[[[\"");
    pc_json_free(root);
    char brackets[400]; /* inside a string they don't count */
    memset(brackets, '[', sizeof brackets);
    brackets[0] = brackets[399] = '"';
    assert_int_equal(pc_json_parse(&root, brackets, sizeof brackets, "string"), PC_OK);
    pc_json_free(root);
}

static void values_are_found(void **state)
{
    (void)state;
    pc_json *root = parse(" {\"i\": -12, \"r\": 2.5, \"e\": 1e3, \"s\": \"a\\u0000\\u20ac\", \"t\": true, \"n\": null,"
                          "\"a\": [1, [2]], \"o\": {\"z\": 1, \"y\": 2}} ");
    assert_true(pc_json_is_object(root));
    assert_int_equal(pc_json_length(root), 8);
    assert_int_equal(pc_json_get_integer(root, "i", 0), -12);
    assert_int_equal(pc_json_get_integer(root, "e", 0), 1000);
    assert_int_equal(pc_json_get_integer(root, "r", 7), 7);
    assert_int_equal(pc_json_get_integer(root, "s", 7), 7);
    assert_true(pc_json_get_number(root, "r", 0) == 2.5);
    assert_true(pc_json_get_number(root, "i", 0) == -12);
    assert_true(pc_json_get_bool(root, "t", false));
    assert_true(pc_json_get_bool(root, "i", true));
    assert_string_equal(pc_json_get_text(root, "none", "otherwise"), "otherwise");
    assert_int_equal(pc_json_text_length(pc_json_get(root, "s")), 5);
    assert_memory_equal(pc_json_text(pc_json_get(root, "s")), "a\0\xe2\x82\xac", 6);
    assert_true(pc_json_is_null(pc_json_get(root, "n")));
    assert_true(pc_json_is_null(NULL));
    assert_true(pc_json_is_array(pc_json_get(root, "a")));
    assert_int_equal(pc_json_integer(pc_json_at(pc_json_at(pc_json_get(root, "a"), 1), 0), 0), 2);
    assert_null(pc_json_at(pc_json_get(root, "a"), 2));
    assert_null(pc_json_at(root, 0));
    assert_null(pc_json_get(pc_json_get(root, "a"), "x"));
    assert_null(pc_json_get(NULL, "x"));
    assert_int_equal(pc_json_length(NULL), 0);
    char keys[8] = "";
    const pc_json *inner = pc_json_get(root, "o");
    for (void *it = pc_json_first(inner); it; it = pc_json_next(inner, it)) {
        strcat(keys, pc_json_key(it));
        assert_true(pc_json_is_integer(pc_json_value(it)));
    }
    assert_string_equal(keys, "zy"); /* file order */
    pc_json_free(root);
    pc_json_free(NULL);
}

static void needed_keys_are_checked(void **state)
{
    (void)state;
    pc_json *root = parse("{\"i\": 12, \"s\": \"x\", \"r\": 1.5}");
    int64_t value = 0;
    const char *text = NULL;
    assert_int_equal(pc_json_need_integer(&value, root, "i", 1, 12, "c"), PC_OK);
    assert_int_equal(value, 12);
    assert_int_equal(pc_json_need_integer(&value, root, "i", 1, 11, "c"), PC_ERR_DATA);
    assert_string_equal(pc_error(), "c: key 'i' is 12; expected 1 to 11");
    assert_int_equal(pc_json_need_integer(&value, root, "x", 1, 11, "c"), PC_ERR_DATA);
    assert_int_equal(pc_json_need_integer(&value, root, "s", 1, 11, "c"), PC_ERR_DATA);
    assert_string_equal(pc_error(), "c: key 's' is a string; expected an integer");
    assert_int_equal(pc_json_need_integer(&value, root, "r", 1, 11, "c"), PC_ERR_DATA);
    assert_int_equal(pc_json_need_text(&text, root, "s", "c"), PC_OK);
    assert_string_equal(text, "x");
    assert_int_equal(pc_json_need_text(&text, root, "i", "c"), PC_ERR_DATA);
    assert_int_equal(pc_json_need_text(&text, root, "x", "c"), PC_ERR_DATA);
    pc_json_free(root);
}

static void escapes_are_decoded(void **state)
{
    (void)state;
    pc_json *root = parse("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\ude00\\u20aC\", {\"\\u0041\": {\"B\": [\"c\"]}}]");
    assert_string_equal(pc_json_text(pc_json_at(root, 0)), "\"\\/\b\f\n\r\t\xc3\xa9\xf0\x9f\x98\x80\xe2\x82\xac");
    const pc_json *inner = pc_json_get(pc_json_get(pc_json_at(root, 1), "A"), "B");
    assert_string_equal(pc_json_text(pc_json_at(inner, 0)), "c");
    pc_json_free(root);
    assert_int_equal(pc_json_parse(&root, "{\n  \"a\": 1\n  \"b\": 2}", 21, "f"), PC_ERR_DATA);
    assert_string_equal(pc_error(), "f: line 3, column 3: expected ',' or '}', found '\"'");
}

static void integers_beyond_64_bits_become_reals(void **state)
{
    (void)state;
    pc_json *root = parse("{\"a\": 1000000000000000019884624838656, \"b\": \"99999999999999999999\","
                          "\"c\": [9223372036854775807, -9223372036854775808, 9223372036854775808]}");
    assert_true(pc_json_get_number(root, "a", 0) == 1e30);
    assert_string_equal(pc_json_get_text(root, "b", ""), "99999999999999999999");
    const pc_json *c = pc_json_get(root, "c");
    assert_true(pc_json_integer(pc_json_at(c, 0), 0) == INT64_MAX);
    assert_true(pc_json_number(pc_json_at(c, 1), 0) == -0x1p63);
    assert_false(pc_json_is_integer(pc_json_at(c, 2)));
    assert_true(pc_json_number(pc_json_at(c, 2), 0) == 0x1p63);
    pc_json_free(root);
}

static void text_is_written(void **state)
{
    (void)state;
    pc_json *root = pc_json_new_object();
    pc_json *list = pc_json_new_array();
    assert_int_equal(pc_json_push(list, pc_json_new_integer(INT64_MIN)), PC_OK);
    assert_int_equal(pc_json_push(list, pc_json_new_number(1e-5)), PC_OK);
    assert_int_equal(pc_json_push(list, pc_json_new_number(3)), PC_OK);
    assert_int_equal(pc_json_push(list, pc_json_new_bool(true)), PC_OK);
    assert_int_equal(pc_json_set(root, "z", pc_json_new_text_n("\"\\/\n\x01\0\x7f\xe2\x82\xac", 10)), PC_OK);
    assert_int_equal(pc_json_set(root, "a", list), PC_OK);
    assert_int_equal(pc_json_set(root, "e", pc_json_new_object()), PC_OK);
    pc_json *copy = pc_json_copy(root);
    pc_json_free(root);
    pc_str out = {0};
    assert_int_equal(pc_json_write(&out, copy, 0), PC_OK);
    assert_string_equal(out.data, "{\"z\": \"\\\"\\\\/\\n\\u0001\\u0000\\u007f\xe2\x82\xac\", "
                        "\"a\": [-9223372036854775808, 1e-05, 3.0, true], \"e\": {}}");
    pc_str_reset(&out);
    assert_int_equal(pc_json_write(&out, pc_json_get(copy, "a"), 2), PC_OK);
    assert_string_equal(out.data, "[\n  -9223372036854775808,\n  1e-05,\n  3.0,\n  true\n]");
    pc_str_clear(&out);
    pc_json_free(copy);
}

static void failed_values_are_reported(void **state)
{
    (void)state;
    pc_json *root = pc_json_new_object();
    assert_int_equal(pc_json_set(root, "k", NULL), PC_ERR_MEMORY);
    assert_int_equal(pc_json_set(root, "k", pc_json_new_text("\xff")), PC_ERR_MEMORY);
    assert_int_equal(pc_json_set(root, "k", pc_json_new_number(INFINITY)), PC_ERR_MEMORY);
    assert_int_equal(pc_json_set(NULL, "k", pc_json_new_text("freed")), PC_ERR_MEMORY);
    assert_int_equal(pc_json_push(NULL, pc_json_new_text("freed")), PC_ERR_MEMORY);
    assert_int_equal(pc_json_length(root), 0);
    pc_json_free(root);
}

static void numbers_round_trip(void **state)
{
    (void)state;
    const double values[] = {0.1, 1.0 / 3, 1e-5, DBL_MAX, DBL_MIN, DBL_TRUE_MIN, -0.0, 1e22, 123456789012345680.0, 2.5e-7,
                             0x1.fffffffffffffp+52};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        pc_str out = {0};
        pc_json *number = pc_json_new_number(values[i]);
        assert_int_equal(pc_json_write(&out, number, 0), PC_OK);
        pc_json_free(number);
        number = parse(out.data);
        double back = pc_json_number(number, 7);
        assert_memory_equal(&back, &values[i], sizeof back);
        assert_false(pc_json_is_integer(number));
        pc_json_free(number);
        pc_str_clear(&out);
    }
}

static pc_status parse_and_write(void)
{
    static const char text[] = "{\"vocab\": {\"a\": 0, \"b\": 1, \"c\": [1.5, \"d\", null]}, \"n\": 99999999999999999999}";
    pc_json *root = NULL;
    pc_json *copy = NULL;
    pc_str out = {0};
    pc_status status;
    PC_GO(pc_json_parse(&root, text, sizeof text - 1, "memory"));
    PC_GO(pc_json_set(root, "more", pc_json_new_text("text")));
    copy = pc_json_copy(root);
    if (!copy) {
        status = pc_fail_memory(0, "a copy");
        goto done;
    }
    PC_GO(pc_json_write(&out, copy, 2));
done:
    pc_json_free(root);
    pc_json_free(copy);
    pc_str_clear(&out);
    return status;
}

static void any_request_may_fail(void **state)
{
    (void)state;
    pc_alloc_count();
    assert_int_equal(parse_and_write(), PC_OK);
    long count = pc_alloc_count();
    assert_true(count > 20);
    for (long n = 1; n <= count; n++) {
        for (int sticky = 0; sticky < 2; sticky++) {
            pc_alloc_fail_at(n, sticky);
            assert_int_equal(parse_and_write(), PC_ERR_MEMORY);
            pc_alloc_fail_at(0, false);
        }
    }
}

static void files_round_trip(void **state)
{
    (void)state;
    char path[64];
    snprintf(path, sizeof path, "/tmp/percept-test-json-%ld.json", (long)getpid());
    pc_json *root = parse("{\"a\": [1, 2]}");
    assert_int_equal(pc_json_write_file(path, root, 2), PC_OK);
    pc_json_free(root);
    char *bytes;
    size_t size;
    assert_int_equal(pc_file_read(&bytes, &size, path, 100), PC_OK);
    assert_string_equal(bytes, "{\n  \"a\": [\n    1,\n    2\n  ]\n}\n");
    pc_free(bytes);
    assert_int_equal(pc_json_read(&root, path, 100), PC_OK);
    assert_int_equal(pc_json_length(pc_json_get(root, "a")), 2);
    pc_json_free(root);
    assert_int_equal(pc_json_read(&root, path, 10), PC_ERR_DATA);
    assert_null(root);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(pc_json_read(&root, path, 10), PC_ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_is_not_json), cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(values_are_found),         cmocka_unit_test(needed_keys_are_checked),
        cmocka_unit_test(text_is_written),          cmocka_unit_test(integers_beyond_64_bits_become_reals),
        cmocka_unit_test(numbers_round_trip),       cmocka_unit_test(failed_values_are_reported),
        cmocka_unit_test(escapes_are_decoded),
        cmocka_unit_test(any_request_may_fail),     cmocka_unit_test(files_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
