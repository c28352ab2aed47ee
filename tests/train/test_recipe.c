/* Recipes: what is read, what is refused and where, mutants of every recipe that percept ships, failing allocations. */
#include "base/file.h"
#include "base/memory.h"
#include "base/str.h"
#include "support/allocfail.h"
#include "support/folder.h"
#include "support/mutate.h"
#include "train/recipe.h"

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MUTANTS = 600 };

#define GOOD "model_init: m.json\ndataset: d.json\noutput_dir: out\n"

static char folder[256];

static const char *write_text(const char *text, size_t size)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/recipe.yaml", folder);
    assert_int_equal(pc_file_write(path, text, size), PC_OK);
    return path;
}

static pc_status read_text(pc_recipe *out, const char *text, size_t size)
{
    return pc_recipe_read(out, write_text(text, size), NULL, 0);
}

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

static void test_values(void **state)
{
    (void)state;
    static const char text[] = "# a comment\n---\n" GOOD "learning_rate: 1e-4\nbf16: yes\nseed: 7 # here, too\n"
                               "interleave_probs: [0.5, 0.25,0.25]\ntemplate: null\nlr_scheduler_type: linear\n...\n";
    pc_recipe recipe;
    assert_int_equal(read_text(&recipe, text, sizeof text - 1), PC_OK);
    assert_true(recipe.learning_rate == 1e-4 && recipe.bf16 && recipe.seed == 7);
    assert_string_equal(recipe.interleave_probs, "0.5,0.25,0.25");
    assert_null(recipe.template_name);
    assert_int_equal(recipe.schedule, PC_SCHEDULE_LINEAR);
    pc_recipe_clear(&recipe);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {GOOD "learning_rat: 1\n", "recipe.yaml:4: there is no key 'learning_rat'; did you mean 'learning_rate'?"},
        {GOOD "seed: 1\nseed: 2\n", "recipe.yaml:5: 'seed' is given twice"},
        {GOOD "seed: one\n", "recipe.yaml:4: 'seed' is 'one'; expected an integer"},
        {GOOD "model:\n  name: x\n", "recipe.yaml:5: 'model' has sections below it; this file has 1 level of keys"},
        {GOOD "seed: &a 1\nthreads: *a\n", "recipe.yaml:5: aliases are not read here"},
        {GOOD "---\nseed: 1\n", "recipe.yaml:5: a second document in one file"},
        {GOOD "template: \"a\\0b\"\n", "recipe.yaml:4: a text with a NUL character"},
        {GOOD "interleave_probs: [1, [2]]\n", "recipe.yaml:4: expected plain values in a list"},
        {"- a\n- b\n", "recipe.yaml:1: expected lines of the form key: value"},
        {"[a]: b\n", "recipe.yaml:1: expected a key"},
        {"dataset: d\noutput_dir: o\n", "give either model_name_or_path or model_init"},
        {"model_init: m\nresize_vocab: true\ndataset: d\noutput_dir: o\n", "resize_vocab needs both"},
        {"model_init: m\noutput_dir: o\n", "dataset is missing"},
        {GOOD "\tseed: 1\n", "recipe.yaml:4: "},
        {GOOD "template: \xff\n", "recipe.yaml:1: "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pc_recipe recipe;
        assert_int_equal(read_text(&recipe, cases[i].text, strlen(cases[i].text)), PC_ERR_USAGE);
        if (!strstr(pc_error(), cases[i].message)) {
            fail_msg("expected \"%s\" in \"%s\"", cases[i].message, pc_error());
        }
        pc_recipe_clear(&recipe);
    }
}

/* What is accepted is written so that reading it gives the same recipe. */
static pc_status load_mutant(const char *path, const void *bytes, size_t size, void *user)
{
    (void)bytes;
    (void)size;
    (void)user;
    pc_recipe recipe, again;
    pc_str text = {0}, second = {0};
    pc_status status = pc_recipe_read(&recipe, path, NULL, 0);
    if (status == PC_OK) {
        assert_int_equal(pc_recipe_write(&recipe, &text), PC_OK);
        if (read_text(&again, text.data, text.length) != PC_OK) {
            fail_msg("what was written is refused: %s\n%s", pc_error(), text.data);
        }
        assert_int_equal(pc_recipe_write(&again, &second), PC_OK);
        assert_string_equal(text.data, second.data);
        pc_recipe_clear(&again);
    }
    pc_str_clear(&text);
    pc_str_clear(&second);
    pc_recipe_clear(&recipe);
    return status;
}

static void test_mutants(void **state)
{
    (void)state;
    glob_t found;
    assert_int_equal(glob(PERCEPT_TESTS_DIR "/../recipes/*/*.yaml", 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        const char *name = strrchr(found.gl_pathv[i], '/') + 1;
        if (strstr(found.gl_pathv[i], "/recipes/tasks/") || strstr(found.gl_pathv[i], "/recipes/survey/") ||
            strstr(found.gl_pathv[i], "/recipes/clean/")) {
            continue; /* tasks of percept eval, sweeps and rules for cleaning are no trainings */
        }
        pc_mutant_result result = pc_test_mutants_of_file(name, found.gl_pathv[i], load_mutant, NULL, MUTANTS);
        assert_true(result.refused > result.accepted);
    }
    globfree(&found);
}

static pc_status read_once(void *user)
{
    pc_recipe recipe;
    pc_status status = pc_recipe_read(&recipe, user, NULL, 0);
    pc_recipe_clear(&recipe);
    return status;
}

static void test_allocations(void **state)
{
    (void)state;
    static const char text[] = GOOD "interleave_probs: [1, 2]\nlearning_rate: 1e-3\n";
    char *path = (char *)write_text(text, sizeof text - 1);
    assert_true(pc_test_each_allocation(read_once, path) > 5);
    assert_true(pc_test_each_allocation_on(read_once, path) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_mutants),
        cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
