/* The kinds emoji and nlvr on small folders of their layout; the eval task that asks a dataset's questions. */
#include "base/file.h"
#include "data/dataset_case.h"
#include "eval/task.h"
#include "support/allocfail.h"
#include "support/mutate.h"

#include <stdio.h>

static char emoji[256], nlvr[256];

static void write_picture(const char *folder, const char *name)
{
    char path[512];
    pc_image *image = NULL;
    must(pc_image_new(&image, 8, 4));
    must(pc_image_save_png(image, pc_test_path(path, folder, name)));
    pc_image_free(image);
}

static void make_subfolder(const char *folder, const char *name)
{
    char path[512];
    must(pc_make_directories(pc_test_path(path, folder, name)));
}

#define SENTENCES                                                                                             \
    "{\"identifier\": \"3-1\", \"directory\": \"9\", \"sentence\": \"A box.\", \"label\": \"true\"}\n"        \
    "{\"identifier\": \"4-0\", \"directory\": \"9\", \"sentence\": \"No box.\", \"label\": \"false\"}\n"

static int make_folders(void **state)
{
    (void)state;
    pc_str rows = {0};
    pc_test_folder_new(emoji);
    pc_test_folder_new(nlvr);
    make_subfolder(emoji, "png72");
    for (int i = 0; i < 23; i++) {
        char name[32];
        snprintf(name, sizeof name, "png72/e%d.png", i);
        must(pc_str_printf(&rows, "{\"file\": \"e%d.png\", \"en\": \"name %d\", \"de\": \"Name %d\"%s}\n", i, i, i,
                           i == 9 ? ", \"hi\": \"\\u0905\"" : ""));
        write_picture(emoji, name);
    }
    pc_test_write(emoji, "names-12-languages.jsonl", rows.data, rows.length);
    pc_str_clear(&rows);
    make_subfolder(nlvr, "images/9");
    for (int i = 0; i < 12; i++) {
        char name[64];
        snprintf(name, sizeof name, "images/9/train-%s-%d.png", i < 6 ? "3-1" : "4-0", i % 6);
        write_picture(nlvr, name);
    }
    pc_test_write(nlvr, "train1000.jsonl", SENTENCES, sizeof SENTENCES - 1);
    return 0;
}

static int drop_folders(void **state)
{
    (void)state;
    pc_test_folder_free(emoji);
    pc_test_folder_free(nlvr);
    return 0;
}

static pc_dataset *open_emoji(const char *options)
{
    char path[400];
    snprintf(path, sizeof path, "%s?%s", emoji, options);
    return open_dataset(path);
}

static void test_emoji(void **state)
{
    (void)state;
    pc_sample sample = {0};
    pc_dataset *train = open_emoji("content=train"), *test = open_emoji("content=test"), *all = open_emoji("content=all");
    assert_int_equal(pc_dataset_count(train), 21);
    assert_int_equal(pc_dataset_count(test), 2);
    assert_int_equal(pc_dataset_count(all), 23);
    must(pc_dataset_read(test, 0, &sample));
    assert_int_equal(sample.conversation.count, 6);
    assert_string_equal(text_of(&sample, 1), "name 9");
    assert_string_equal(text_of(&sample, 3), "Name 9");
    assert_int_equal(sample.image_count, 1);
    assert_null(sample.conversation.parts[0].text); /* the picture opens the first question */
    must(pc_dataset_read(test, 1, &sample));
    assert_string_equal(text_of(&sample, 1), "name 19");
    must(pc_dataset_read(train, 9, &sample));
    assert_string_equal(text_of(&sample, 1), "name 10");
    assert_non_null(strstr(sample.where, ":11: sample 9"));
    pc_dataset_close(train);
    pc_dataset_close(test);
    pc_dataset_close(all);
    all = open_emoji("content=all&lang=hi");
    must(pc_dataset_read(all, 9, &sample));
    assert_int_equal(sample.conversation.count, 2);
    assert_string_equal(text_of(&sample, 1), "अ");
    must_fail(pc_dataset_read(all, 8, &sample), PC_ERR_DATA, ":9: sample 8: no name in the language");
    pc_dataset_close(all);
    pc_sample_clear(&sample);
    char path[400];
    snprintf(path, sizeof path, "%s?lang=xx", emoji);
    must_fail(pc_dataset_open(&all, path, NULL, NULL), PC_ERR_USAGE, "lang 'xx'");
    snprintf(path, sizeof path, "%s?content=half", emoji);
    must_fail(pc_dataset_open(&all, path, NULL, NULL), PC_ERR_USAGE, "content 'half'");
}

static void test_nlvr(void **state)
{
    (void)state;
    pc_sample sample = {0};
    pc_dataset *dataset = open_dataset(nlvr);
    assert_int_equal(pc_dataset_count(dataset), 12);
    must(pc_dataset_read(dataset, 7, &sample));
    assert_string_equal(text_of(&sample, 0), "No box. True or false?");
    assert_string_equal(text_of(&sample, 1), "false");
    assert_int_equal(sample.image_count, 1);
    assert_non_null(strstr(sample.where, ":2: sample 7"));
    pc_dataset_close(dataset);
    char path[400];
    snprintf(path, sizeof path, "%s?content=boxes", nlvr);
    dataset = open_dataset(path);
    assert_int_equal(pc_dataset_count(dataset), 12);
    must(pc_dataset_read_texts(dataset, 7, &sample));
    assert_int_equal(sample.image_count, 3);
    assert_null(sample.images[2]);
    must(pc_dataset_read(dataset, 7, &sample));
    assert_int_equal(sample.image_count, 3);
    assert_int_equal(sample.conversation.media_count[PC_MEDIA_IMAGE], 3);
    for (int i = 0; i < 3; i++) {
        assert_true(sample.images[i]->width == 100 && sample.images[i]->height == 100);
    }
    pc_dataset_close(dataset);
    pc_sample_clear(&sample);
    snprintf(path, sizeof path, "%s?content=thirds", nlvr);
    must_fail(pc_dataset_open(&dataset, path, NULL, NULL), PC_ERR_USAGE, "content 'thirds'");
}

static void test_task(void **state)
{
    (void)state;
    const pc_task *task;
    const char *path;
    void *self;
    char word[400];
    pc_task_question question;
    bool have;
    snprintf(word, sizeof word, "data:%s?content=test", emoji);
    must(pc_task_find(&task, &path, word, NULL));
    must(task->open(&self, &(pc_task_options){.path = path}));
    static const char *const truth[] = {"name 9", "Name 9", "अ", "name 19", "Name 19"};
    for (int i = 0; i < 5; i++) {
        must(task->next(self, &question, &have));
        assert_true(have && question.image);
        assert_string_equal(question.answer, truth[i]);
    }
    assert_string_equal(question.question, "Was ist das?");
    assert_string_equal(question.id, "1-2");
    must(task->next(self, &question, &have));
    assert_false(have);
    task->close(self);
    must_fail(pc_task_find(&task, &path, "data", NULL), PC_ERR_USAGE, "needs a path");
}

static pc_status read_all(void *folder)
{
    pc_dataset *dataset = NULL;
    pc_sample sample = {0};
    pc_status status;
    PC_GO(pc_dataset_open(&dataset, folder, NULL, NULL));
    for (int64_t i = 0; i < pc_dataset_count(dataset); i += 5) {
        PC_GO(pc_dataset_read(dataset, i, &sample));
    }
done:
    pc_dataset_close(dataset);
    pc_sample_clear(&sample);
    return status;
}

static pc_status read_mutant(const char *path, const void *bytes, size_t size, void *user)
{
    (void)path;
    (void)user;
    pc_test_write(nlvr, "train1000.jsonl", bytes, size);
    pc_status status = read_all(nlvr);
    return status == PC_ERR_IO && strstr(pc_error(), "images/") ? PC_ERR_DATA : status;
}

static void test_bad_files(void **state)
{
    (void)state;
    assert_true(pc_test_mutants("train1000.jsonl", SENTENCES, sizeof SENTENCES - 1, read_mutant, NULL, 300).refused > 50);
    pc_test_write(nlvr, "train1000.jsonl", SENTENCES, sizeof SENTENCES - 1);
    assert_true(pc_test_each_allocation(read_all, nlvr) > 20);
    assert_true(pc_test_each_allocation(read_all, emoji) > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_emoji),
        cmocka_unit_test(test_nlvr),
        cmocka_unit_test(test_task),
        cmocka_unit_test(test_bad_files),
    };
    return cmocka_run_group_tests(tests, make_folders, drop_folders);
}
