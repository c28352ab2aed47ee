/* Stop texts in a stream: the output never depends on how the stream is cut. */
#include "decode/stop.h"

#include "base/memory.h"
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Feed text in pieces of `size` bytes; what comes out, and what had come out before the end was
 * known. */
static void check(const char *const *stops, const char *text, const char *wanted, bool stopped)
{
    for (size_t size = 1; size <= strlen(text) + 1; size++) {
        pc_stop stop = {0};
        pc_str out = {0};
        assert_int_equal(pc_str_puts(&out, ""), PC_OK);
        assert_int_equal(pc_stop_add_all(&stop, stops), PC_OK);
        for (size_t at = 0; at < strlen(text); at += size) {
            size_t left = strlen(text) - at;
            assert_int_equal(pc_stop_push(&stop, text + at, left < size ? left : size, &out),
                             PC_OK);
            /* What is out is a beginning of the final text, so it never has to be taken back. */
            assert_true(out.length <= strlen(wanted));
            assert_true(out.length == 0 || memcmp(out.data, wanted, out.length) == 0);
        }
        assert_int_equal(pc_stop_finish(&stop, &out), PC_OK);
        assert_string_equal(out.data == NULL ? "" : out.data, wanted);
        assert_int_equal(stop.stopped, stopped);
        pc_stop_clear(&stop);
        pc_str_clear(&out);
    }
}

static void test_matching(void **state)
{
    (void)state;
    const char *const none[] = {NULL};
    const char *const one[] = {"</s>", NULL};
    const char *const several[] = {"###", "USER:", "\n\n", NULL};
    const char *const nested[] = {"b", "abc", NULL};
    const char *const same_end[] = {"cd", "abcd", "d", NULL};
    const char *const periodic[] = {"aabaaab", NULL};
    const char *const chinese[] = {"用户：", NULL};
    check(none, "all of it", "all of it", false);
    check(NULL, "all of it", "all of it", false);
    check(one, "A cat.</s>USER: more", "A cat.", true);
    check(one, "A cat.</s", "A cat.</s", false);
    check(one, "</s>", "", true);
    check(one, "a<</s>", "a<", true);
    check(one, "a</</s>", "a</", true);
    check(one, "", "", false);
    check(several, "x#y##z###", "x#y##z", true);
    check(several, "x\n USER: y", "x\n ", true);
    check(several, "x\n\nUSER:", "x", true);
    check(several, "USERUSER:", "USER", true);
    check(nested, "xabc", "xa", true);
    check(same_end, "xabcd", "x", true);
    check(same_end, "xbcd", "xb", true);
    check(periodic, "aabaabaaab", "aab", true);
    check(periodic, "aaabaaab", "a", true);
    check(chinese, "你好。用户：再见", "你好。", true);
    check(chinese, "你好用戶", "你好用戶", false);
}

static void test_held_back_is_little(void **state)
{
    (void)state;
    const char *const stops[] = {"STOP", NULL};
    pc_stop stop = {0};
    pc_str out = {0};
    assert_int_equal(pc_stop_add_all(&stop, stops), PC_OK);
    assert_int_equal(pc_stop_push(&stop, "go on ST", 8, &out), PC_OK);
    assert_string_equal(out.data, "go on ");
    assert_int_equal(pc_stop_push(&stop, "A", 1, &out), PC_OK);
    assert_string_equal(out.data, "go on STA");
    assert_int_equal(pc_stop_push(&stop, "STOP", 4, &out), PC_OK);
    assert_true(stop.stopped);
    assert_int_equal(pc_stop_push(&stop, "ignored", 7, &out), PC_OK);
    assert_int_equal(pc_stop_finish(&stop, &out), PC_OK);
    assert_string_equal(out.data, "go on STA");
    pc_stop_reset(&stop);
    pc_str_reset(&out);
    /* nothing is left of the answer before */
    assert_int_equal(pc_stop_push(&stop, "TOP", 3, &out), PC_OK);
    assert_string_equal(out.data, "TOP");
    assert_false(stop.stopped);
    pc_stop_clear(&stop);
    pc_str_clear(&out);
}

/* Against the definition: the match that ends first, the longest of those. */
static void test_random_streams(void **state)
{
    (void)state;
    pc_rng rng;
    pc_rng_init(&rng, 11, 0);
    for (int round = 0; round < 300; round++) {
        char texts[3][6] = {{0}};
        const char *stops[4] = {texts[0], texts[1], texts[2], NULL};
        char stream[40] = {0};
        for (int t = 0; t < 3; t++) {
            size_t length = 1 + pc_rng_below(&rng, 5);
            for (size_t i = 0; i < length; i++) {
                texts[t][i] = (char)('a' + pc_rng_below(&rng, 2));
            }
        }
        for (size_t i = 0; i < 30; i++) {
            stream[i] = (char)('a' + pc_rng_below(&rng, i < 20 ? 3 : 2));
        }
        size_t cut = strlen(stream);
        bool found = false;
        for (size_t end = 1; end <= strlen(stream) && !found; end++) {
            for (int t = 0; t < 3; t++) {
                size_t length = strlen(texts[t]);
                if (length <= end && memcmp(stream + end - length, texts[t], length) == 0) {
                    cut = !found || end - length < cut ? end - length : cut;
                    found = true;
                }
            }
        }
        char wanted[40] = {0};
        memcpy(wanted, stream, cut);
        check(stops, stream, wanted, found);
    }
}

static void test_empty_stop_is_refused(void **state)
{
    (void)state;
    pc_stop stop = {0};
    assert_int_equal(pc_stop_add(&stop, ""), PC_ERR_USAGE);
    pc_stop_clear(&stop);
}

static void test_allocation_failures(void **state)
{
    (void)state;
    const char *const stops[] = {"one", "two", "three", NULL};
    pc_status status = PC_ERR_MEMORY;
    for (long n = 1; status != PC_OK; n++) {
        pc_stop stop = {0};
        pc_str out = {0};
        pc_alloc_fail_at(n, false);
        status = pc_stop_add_all(&stop, stops);
        if (status == PC_OK) {
            status = pc_stop_push(&stop, "text thr", 8, &out);
        }
        if (status == PC_OK) {
            status = pc_stop_finish(&stop, &out);
        }
        pc_alloc_fail_at(0, false);
        assert_true(status == PC_OK || status == PC_ERR_MEMORY);
        assert_true(n < 100);
        pc_stop_clear(&stop);
        pc_str_clear(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matching),
        cmocka_unit_test(test_held_back_is_little),
        cmocka_unit_test(test_random_streams),
        cmocka_unit_test(test_empty_stop_is_refused),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
