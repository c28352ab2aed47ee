/* Settings in YAML: what comes in which order, nesting, lines in messages, mutants, short memory. */
#include "base/yaml.h"

#include "base/str.h"
#include "support/allocfail.h"
#include "support/mutate.h"
#include "support/folder.h"

#include <stdio.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { LIMIT = 1 << 16, MUTANTS = 500 };

/* Appends "a.b=text;". */
static pc_status collect(void *user, const pc_yaml_value *value)
{
    pc_str *out = user;
    for (int d = 0; d < value->depth; d++) {
        PC_TRY(pc_str_printf(out, "%s%s", d ? "." : "", value->keys[d]));
    }
    return pc_str_printf(out, "=%s;", value->text);
}

static char folder[256];

static int set_up(void **state)
{
    (void)state;
    pc_test_folder_new(folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pc_test_folder_free(folder);
    return 0;
}

static const char *write_file(const char *text)
{
    static char path[512];
    pc_test_write(folder, "settings.yaml", text, strlen(text));
    return pc_test_path(path, folder, "settings.yaml");
}

static void test_values(void **state)
{
    (void)state;
    const struct {
        const char *text, *wanted;
        int depth;
    } cases[] = {
        {"a: 1\nb: [x, 'y z', 2]\nc:\n", "a=1;b=x,y z,2;c=;", 1},
        {"# nothing but a comment\n", "", 1},
        {"a:\n  b:\n    c: d\n  e: []\nf: {}\n", "a.b.c=d;a.e=;f=;", 3},
        {"a: {b: 1, c: 2}\na: {b: 3}\n", "a.b=1;a.c=2;a.b=3;", 2},
        {"a: |\n  two\n  lines\n", "a=two\nlines\n;", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pc_str got = {0};
        assert_int_equal(pc_yaml_read(write_file(cases[i].text), LIMIT, cases[i].depth, collect, &got), PC_OK);
        assert_string_equal(got.data ? got.data : "", cases[i].wanted);
        pc_str_clear(&got);
    }
}

static void test_refusals(void **state)
{
    (void)state;
    const struct {
        const char *text, *wanted;
        int depth;
    } cases[] = {
        {"a: 1\nb:\n  c: 2\n", "settings.yaml:3: 'b' has sections below it; this file has 1 level of keys", 1},
        {"a:\n  b:\n    c: 2\n", "settings.yaml:3: 'b' has sections below it; this file has 2 levels of keys", 2},
        {"a: [1, {b: 2}]\n", "settings.yaml:1: expected plain values in a list", 4},
        {"a: &x 1\nb: *x\n", "settings.yaml:2: aliases are not read here", 1},
        {"a: 1\n---\nb: 1\n", "settings.yaml:3: a second document in one file", 1},
        {"- a\n", "settings.yaml:1: expected lines of the form key: value", 1},
        {"? [a]\n: b\n", "settings.yaml:1: expected a key", 1},
        {"a: \"x\\0y\"\n", "settings.yaml:1: a text with a NUL character", 1},
        {"a: 'b\n", "settings.yaml:2: found unexpected end of stream", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pc_str got = {0};
        assert_int_equal(pc_yaml_read(write_file(cases[i].text), LIMIT, cases[i].depth, collect, &got), PC_ERR_USAGE);
        if (!strstr(pc_error(), cases[i].wanted)) {
            fail_msg("case %zu says '%s'", i, pc_error());
        }
        pc_str_clear(&got);
    }
}

static pc_status refuse(void *user, const pc_yaml_value *value)
{
    ++*(int *)user;
    return pc_fail(PC_ERR_DATA, "%s: %s is wrong", value->where, value->keys[0]);
}

static void test_callers_refusal_ends_the_reading(void **state)
{
    (void)state;
    int calls = 0;
    assert_int_equal(pc_yaml_read(write_file("\na: 1\nb: 2\n"), LIMIT, 1, refuse, &calls), PC_ERR_DATA);
    assert_int_equal(calls, 1);
    assert_non_null(strstr(pc_error(), "settings.yaml:2: a is wrong"));
    assert_int_equal(pc_yaml_read("/nowhere/settings.yaml", LIMIT, 1, refuse, &calls), PC_ERR_IO);
}

static char seed[] = PERCEPT_TESTS_DIR "/../recipes/survey/interfaces.yaml";

static pc_status load(const char *path, const void *bytes, size_t size, void *user)
{
    pc_str got = {0};
    (void)bytes;
    (void)size;
    pc_status status = pc_yaml_read(path, LIMIT, 4, collect, &got);
    pc_str_clear(&got);
    (void)user;
    return status;
}

static void test_mutants(void **state)
{
    (void)state;
    pc_mutant_result result = pc_test_mutants_of_file("sweep.yaml", seed, load, NULL, MUTANTS);
    assert_true(result.refused > MUTANTS / 10);
}

static pc_status read_once(void *user)
{
    return load(user, NULL, 0, NULL);
}

static void test_allocations(void **state)
{
    (void)state;
    assert_true(pc_test_each_allocation(read_once, seed) > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_callers_refusal_ends_the_reading),
        cmocka_unit_test(test_mutants),
        cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
