/* Messages, logging, the stop flag, processor flags. */
#include "base/cpu.h"
#include "base/log.h"
#include "base/signal.h"
#include "base/status.h"
#include "base/str.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void message_is_stored_and_prefixed(void **state)
{
    (void)state;
    assert_int_equal(pc_fail(PC_ERR_DATA, "field '%s' is %d", "width", -3), PC_ERR_DATA);
    assert_string_equal(pc_error(), "field 'width' is -3");
    assert_int_equal(pc_fail_prefix(PC_ERR_DATA, "config.json"), PC_ERR_DATA);
    assert_string_equal(pc_error(), "config.json: field 'width' is -3");
    assert_int_equal(pc_fail(PC_ERR_IO, "again: %s", pc_error()), PC_ERR_IO);
    assert_string_equal(pc_error(), "again: config.json: field 'width' is -3");
    assert_int_equal(pc_fail_memory(12, "a thing"), PC_ERR_MEMORY);
    assert_non_null(strstr(pc_error(), "12 bytes"));
    pc_error_clear();
    assert_string_equal(pc_error(), "");
}

static void message_stays_one_line_of_utf8(void **state)
{
    (void)state;
    char text[3000];
    memset(text, 'x', sizeof text);
    for (size_t i = 0; i + 3 <= sizeof text - 1; i += 3) {
        memcpy(text + i, "\xe2\x82\xac", 3);
    }
    text[2997] = '\0';
    for (int shift = 0; shift < 4; shift++) {
        pc_fail(PC_ERR_DATA, "%.*s%s", shift, "abcd", text);
        assert_true(strlen(pc_error()) <= 1023);
        assert_true(strlen(pc_error()) >= 1019);
        assert_int_equal(pc_utf8_valid_prefix(pc_error(), strlen(pc_error())), strlen(pc_error()));
        pc_fail_prefix(PC_ERR_DATA, "file");
        assert_true(strlen(pc_error()) <= 1023);
        assert_int_equal(pc_utf8_valid_prefix(pc_error(), strlen(pc_error())), strlen(pc_error()));
        assert_true(pc_starts_with(pc_error(), "file: "));
        pc_fail_prefix(PC_ERR_DATA, "%s", text);
        assert_int_equal(pc_utf8_valid_prefix(pc_error(), strlen(pc_error())), strlen(pc_error()));
    }
    pc_fail(PC_ERR_DATA, "a\nb\x1b[31m");
    assert_string_equal(pc_error(), "a b [31m");
}

static void *fail_elsewhere(void *unused)
{
    (void)unused;
    pc_fail(PC_ERR_IO, "other thread");
    return NULL;
}

static void message_belongs_to_its_thread(void **state)
{
    (void)state;
    pthread_t thread;
    pc_fail(PC_ERR_IO, "mine");
    assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, NULL), 0);
    pthread_join(thread, NULL);
    assert_string_equal(pc_error(), "mine");
}

static void keep_line(void *user, pc_log_level level, const char *line)
{
    pc_str *lines = user;
    assert_int_equal(pc_str_printf(lines, "%d:%s;", (int)level, line), PC_OK);
}

static void log_goes_to_the_sink(void **state)
{
    (void)state;
    pc_str lines = {0};
    pc_log(PC_LOG_ERROR, "dropped");
    pc_log_set_sink(keep_line, &lines);
    pc_log(PC_LOG_INFO, "step %d", 7);
    pc_log(PC_LOG_WARNING, "loss %s", "grows");
    pc_log_set_sink(NULL, NULL);
    pc_log(PC_LOG_ERROR, "dropped");
    assert_string_equal(lines.data, "1:step 7;2:loss grows;");
    pc_str_clear(&lines);
}

static void signal_is_remembered(void **state)
{
    (void)state;
    pc_signal_install();
    assert_int_equal(pc_signal_pending(), 0);
    raise(SIGTERM);
    assert_int_equal(pc_signal_pending(), SIGTERM);
    pc_signal_reset();
    assert_int_equal(pc_signal_pending(), 0);
    raise(SIGINT);
    assert_int_equal(pc_signal_pending(), SIGINT);
    pc_signal_reset();
}

static void cpu_flags_have_names(void **state)
{
    (void)state;
    char text[128];
    assert_string_equal(pc_cpu_flags_text(0, text), "scalar");
    assert_string_equal(pc_cpu_flags_text(PC_CPU_AVX2 | PC_CPU_AVX512 | PC_CPU_AVX512_BF16 | PC_CPU_AVX512_VNNI, text),
                        "avx2 avx512 bf16 vnni");
    assert_true(strlen(pc_cpu_flags_text(UINT32_MAX, text)) < 128);
    uint32_t flags = pc_cpu_flags();
    assert_int_equal(flags, pc_cpu_flags());
    if (flags & (PC_CPU_AVX512_BF16 | PC_CPU_AVX512_VNNI)) {
        assert_true(flags & PC_CPU_AVX512);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(message_is_stored_and_prefixed), cmocka_unit_test(message_stays_one_line_of_utf8),
        cmocka_unit_test(message_belongs_to_its_thread),  cmocka_unit_test(log_goes_to_the_sink),
        cmocka_unit_test(signal_is_remembered),           cmocka_unit_test(cpu_flags_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
