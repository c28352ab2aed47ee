/* The dataset directory: the same for any number of threads, readable, and clean when memory runs out. */
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "data/scenes_write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const names[] = {"train.json", "captions.json", "questions.jsonl", "scenes.jsonl", "VERSION",
                                    "images/000005.png", "images/000017.png"};
enum { NAMES = sizeof names / sizeof names[0] };

static void make(const char *folder, const char *name, int count, pc_pool *pool)
{
    pc_scene_set set = {.seed = 2, .first = 5, .count = count, .languages = {pc_scene_language_find("en")}, .language_count = 1};
    char *path = pc_path_join(folder, name);
    assert_non_null(path);
    assert_int_equal(pc_scene_set_write(path, &set, pool), PC_OK);
    pc_free(path);
}

static void hash_file(char out[65], const char *folder, const char *set, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s/%s", folder, set, name);
    assert_int_equal(pc_sha256_file(path, out), PC_OK);
}

static void test_threads_do_not_matter(void **state)
{
    const char *folder = *state;
    pc_pool *pool = NULL;
    assert_int_equal(pc_pool_new(&pool, 3), PC_OK);
    make(folder, "one", 40, NULL); /* more than one batch of the writer */
    make(folder, "three", 40, pool);
    pc_pool_free(pool);
    for (int i = 0; i < NAMES; i++) {
        char one[65], three[65];
        hash_file(one, folder, "one", names[i]);
        hash_file(three, folder, "three", names[i]);
        assert_string_equal(one, three);
    }
}

static void test_files_read_back(void **state)
{
    char path[512];
    pc_json *root = NULL;
    make(*state, "read", 20, NULL);
    for (int captions = 0; captions < 2; captions++) {
        snprintf(path, sizeof path, "%s/read/%s", (const char *)*state, names[captions]);
        assert_int_equal(pc_json_read(&root, path, 1 << 24), PC_OK);
        assert_int_equal(pc_json_length(root), 20);
        const pc_json *first = pc_json_at(root, 0);
        assert_string_equal(pc_json_get_text(first, "image", ""), "images/000005.png");
        const pc_json *turns = pc_json_get(first, "conversations");
        assert_true(pc_json_length(turns) >= 2 && pc_json_length(turns) % 2 == 0);
        assert_true(strncmp(pc_json_get_text(pc_json_at(turns, 0), "value", ""), "<image>\n", 8) == 0);
        assert_string_equal(pc_json_get_text(pc_json_at(turns, 1), "from", ""), "gpt");
        pc_json_free(root);
    }
}

static void test_short_memory(void **state)
{
    char path[512];
    pc_scene_set set = {.seed = 2, .count = 1, .languages = {pc_scene_language_find("en")}, .language_count = 1};
    snprintf(path, sizeof path, "%s/memory", (const char *)*state);
    pc_status status = PC_ERR_MEMORY;
    long n = 1;
    for (; status != PC_OK && n < 5000; n++) {
        pc_alloc_fail_at(n, false);
        status = pc_scene_set_write(path, &set, NULL);
        pc_alloc_fail_at(0, false);
        if (status != PC_OK) {
            assert_int_equal(status, PC_ERR_MEMORY);
        }
    }
    assert_int_equal(status, PC_OK);
    assert_true(n > 10);
}

static int make_folder(void **state)
{
    static char folder[] = "/tmp/percept-scenes-XXXXXX";
    *state = mkdtemp(folder);
    return *state ? 0 : -1;
}

static int remove_folder(void **state)
{
    return pc_remove_tree(*state) == PC_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_threads_do_not_matter),
                                       cmocka_unit_test(test_files_read_back), cmocka_unit_test(test_short_memory)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
