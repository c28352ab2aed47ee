/* ScienceQA's folder: the texts of every format as MM-CoT's own code makes them (tests/oracle/make_scienceqa.py), pictures, and what
 * is wrong with a folder. */
#include "data/dataset.h"

#include "base/file.h"
#include "support/folder.h"
#include "support/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char folder[] = GOLDEN("scienceqa");

static void expect_text(const pc_sample *sample, size_t message, const char *expected)
{
    const pc_message *m = &sample->conversation.messages[message];
    for (size_t p = m->first; p < m->first + m->count; p++) {
        const pc_part *part = &sample->conversation.parts[p];
        if (part->text) {
            assert_int_equal(part->length, strlen(expected));
            assert_memory_equal(part->text, expected, part->length);
            return;
        }
    }
    fail_msg("no text");
}

static void test_formats(void **state)
{
    pc_json *expected = golden_json(GOLDEN("scienceqa/expected.json"));
    pc_sample sample = {0};
    (void)state;
    assert_true(pc_json_length(expected) > 60);
    for (size_t i = 0; i < pc_json_length(expected); i++) {
        const pc_json *one = pc_json_at(expected, i), *texts = pc_json_get(one, "texts");
        pc_dataset *dataset;
        pc_dataset_options options = {.content = pc_json_get_text(one, "content", ""), .split = pc_json_get_text(one, "split", ""),
                                      .rationales = pc_json_get_bool(one, "predicted", false) ? GOLDEN("scienceqa/predictions.json") : NULL};
        assert_int_equal(pc_dataset_open(&dataset, folder, NULL, &options), PC_OK);
        assert_int_equal(pc_dataset_read(dataset, pc_json_get_integer(one, "index", -1), &sample), PC_OK);
        assert_int_equal(sample.conversation.count, 2);
        expect_text(&sample, 0, pc_json_text(pc_json_at(texts, 0)));
        expect_text(&sample, 1, pc_json_text(pc_json_at(texts, 1)));
        pc_dataset_close(dataset);
    }
    pc_sample_clear(&sample);
    pc_json_free(expected);
}

static void test_pictures(void **state)
{
    static const size_t pictures[] = {0, 1}; /* of problems 7 and 12 */
    pc_dataset *dataset;
    pc_sample sample = {0};
    char path[512];
    (void)state;
    snprintf(path, sizeof path, "%s?split=test&content=QCM-LE", folder);
    assert_int_equal(pc_dataset_open(&dataset, path, NULL, NULL), PC_OK);
    assert_int_equal(pc_dataset_count(dataset), 2);
    for (int64_t i = 0; i < 2; i++) {
        assert_int_equal(pc_dataset_read(dataset, i, &sample), PC_OK);
        assert_int_equal(sample.image_count, pictures[i]);
    }
    pc_sample_clear(&sample);
    pc_dataset_close(dataset);
}

/* What a first stage wrote, as percept eval keeps it. */
static void test_samples_as_steps(void **state)
{
    pc_dataset *dataset;
    pc_sample sample = {0};
    char work[256], file[512], path[1024];
    static const char lines[] = "{\"id\": \"0-0\", \"answer\": \"Solution: four.\"}\n{\"id\": \"1-0\", \"answer\": \"Solution: D.\"}\n";
    (void)state;
    pc_test_folder_new(work);
    snprintf(file, sizeof file, "%s/samples.jsonl", work);
    assert_int_equal(pc_file_write(file, lines, strlen(lines)), PC_OK);
    snprintf(path, sizeof path, "%s?split=test&content=QCMG-A&rationales=%s", folder, file);
    assert_int_equal(pc_dataset_open(&dataset, path, NULL, NULL), PC_OK);
    assert_int_equal(pc_dataset_read(dataset, 0, &sample), PC_OK);
    expect_text(&sample, 0, "Question: What is 2 + 2? Context: N/A Options: (A) 3 (B) 4 (C) 5 Solution: four. Answer:");
    pc_dataset_close(dataset);
    assert_int_equal(pc_file_write(file, lines, strlen(lines) / 2), PC_OK);
    assert_int_equal(pc_dataset_open(&dataset, path, NULL, NULL), PC_ERR_DATA);
    pc_sample_clear(&sample);
    pc_test_folder_free(work);
}

static void test_refused(void **state)
{
    static const char *const wrong[] = {"content=QCM", "content=XYZ-A", "content=QCM-Q", "split=none"};
    pc_dataset *dataset;
    pc_sample sample = {0};
    char work[256], path[1024];
    static const char problems[] = "{\"1\": {\"question\": \"q\", \"choices\": [\"a\"], \"answer\": 1}, \"2\": {\"question\": \"q\", \"choices\": [], \"answer\": 0},"
                                   " \"3\": {\"choices\": [\"a\"], \"answer\": 0}, \"4\": {\"question\": \"q\", \"choices\": [\"a\"], \"answer\": 0, \"image\": \"../x\"}}";
    static const char splits[] = "{\"train\": [\"1\", \"2\", \"3\", \"4\", \"5\", 6]}";
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        snprintf(path, sizeof path, "%s?%s", folder, wrong[i]);
        assert_int_equal(pc_dataset_open(&dataset, path, NULL, NULL), PC_ERR_USAGE);
    }
    pc_test_folder_new(work);
    snprintf(path, sizeof path, "%s/problems.json", work);
    assert_int_equal(pc_file_write(path, problems, strlen(problems)), PC_OK);
    snprintf(path, sizeof path, "%s/pid_splits.json", work);
    assert_int_equal(pc_file_write(path, splits, strlen(splits)), PC_OK);
    assert_int_equal(pc_dataset_open(&dataset, work, NULL, NULL), PC_OK);
    for (int64_t i = 0; i < pc_dataset_count(dataset); i++) {
        assert_int_equal(pc_dataset_read(dataset, i, &sample), PC_ERR_DATA);
    }
    pc_sample_clear(&sample);
    pc_dataset_close(dataset);
    pc_test_folder_free(work);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_formats), cmocka_unit_test(test_pictures),
                                       cmocka_unit_test(test_samples_as_steps), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
