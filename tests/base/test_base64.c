/* Base64: the vectors of RFC 4648, section 10; every length both ways; bad texts. */
#include "base/base64.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_vectors(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"", ""},          {"f", "Zg=="},         {"fo", "Zm8="},        {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        pc_str text = {0};
        uint8_t *bytes;
        size_t size;
        assert_int_equal(pc_str_puts(&text, ""), PC_OK);
        assert_int_equal(pc_base64_encode(&text, pairs[i][0], strlen(pairs[i][0])), PC_OK);
        assert_string_equal(text.data, pairs[i][1]);
        assert_int_equal(pc_base64_decode(&bytes, &size, pairs[i][1], strlen(pairs[i][1])), PC_OK);
        assert_int_equal(size, strlen(pairs[i][0]));
        assert_memory_equal(bytes, pairs[i][0], size);
        pc_free(bytes);
        pc_str_clear(&text);
    }
}

static void test_all_bytes(void **state)
{
    (void)state;
    uint8_t bytes[300], *back;
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 37 + i / 7);
    }
    for (size_t size = 0; size < sizeof bytes; size++) {
        pc_str text = {0};
        size_t got;
        assert_int_equal(pc_base64_encode(&text, bytes, size), PC_OK);
        assert_int_equal(pc_base64_decode(&back, &got, text.data ? text.data : "", text.length), PC_OK);
        assert_int_equal(got, size);
        assert_memory_equal(back, bytes, size);
        pc_free(back);
        pc_str_clear(&text);
    }
}

static void test_refusals(void **state)
{
    (void)state;
    static const char *const bad[] = {"Z", "Zg", "Zg=", "Zg===", "Z===", "====", "Zh==", "Zm9=", "Zm 8=", "Zm8=\n", "Zm=8", "Zm8-",
                                      "=Zm8", "Zg==Zg=="};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint8_t *bytes;
        size_t size;
        pc_error_clear();
        assert_int_equal(pc_base64_decode(&bytes, &size, bad[i], strlen(bad[i])), PC_ERR_DATA);
        assert_null(bytes);
        assert_string_not_equal(pc_error(), "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_all_bytes),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
