/* Answers side by side: every allocation failing while they are loaded and written. */
#include "eval/gallery.h"
#include "support/allocfail.h"
#include "support/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

typedef struct setting {
    pc_gallery_options options;
    const char *page;
} setting;

static pc_status write_once(void *user)
{
    const setting *s = user;
    pc_gallery gallery;
    pc_status status = pc_gallery_load(&gallery, &s->options);
    if (status == PC_OK) {
        status = pc_gallery_write(&gallery, s->page, "a & b");
    }
    pc_gallery_clear(&gallery);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    static const char questions[] = "{\"question\": \"q\", \"answer\": \"a\"}\n{\"question\": \"r\", \"answer\": \"b\"}\n";
    static const char one[] = "{\"id\": \"1\", \"answer\": \"a\", \"right\": true}\n{\"id\": \"2\", \"answer\": \"b\", \"right\": true}\n";
    static const char two[] = "{\"id\": \"1\", \"answer\": \"x\", \"right\": false}\n{\"id\": \"2\", \"failed\": \"no\"}\n";
    char folder[256], paths[4][512];
    const char *files[2] = {paths[1], paths[2]}, *path;
    pc_test_folder_new(folder);
    mkdir(pc_test_path(paths[0], folder, "one"), 0755);
    mkdir(pc_test_path(paths[0], folder, "two"), 0755);
    pc_test_write(folder, "q.jsonl", questions, sizeof questions - 1);
    pc_test_write(folder, "one/s.jsonl", one, sizeof one - 1);
    pc_test_write(folder, "two/s.jsonl", two, sizeof two - 1);
    pc_test_path(paths[0], folder, "q.jsonl");
    pc_test_path(paths[1], folder, "one/s.jsonl");
    pc_test_path(paths[2], folder, "two/s.jsonl");
    setting s = {.options = {.files = files, .models = 2, .limit = 10}, .page = pc_test_path(paths[3], folder, "page.html")};
    assert_int_equal(pc_task_find(&s.options.task, &path, paths[0], NULL), PC_OK);
    s.options.task_options.path = path;
    pc_gallery gallery;
    assert_int_equal(pc_gallery_load(&gallery, &s.options), PC_OK);
    assert_int_equal(gallery.count, 1); /* the other one has no answer of the second model */
    assert_string_equal(gallery.item[0].answer[1], "x");
    assert_string_equal(gallery.name[1], "two");
    pc_gallery_clear(&gallery);
    pc_test_each_allocation(write_once, &s);
    pc_test_folder_free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_may_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
