/* Parquet rows: every codec, page version and encoding that is read, against the values that pyarrow wrote
 * (tests/oracle/make_parquet.py); cut and hostile files. */
#include "base/file.h"
#include "base/memory.h"
#include "data/dataset_case.h"
#include "data/parquet.h"
#include "support/allocfail.h"
#include "support/mutate.h"

#include <math.h>
#include <stdio.h>
#include <sys/resource.h>

#define GOLDEN PERCEPT_TESTS_DIR "/golden/parquet/"

enum { ROWS = 23, MUTANTS = 2000 };

static void check_row(const pc_parquet *file, int64_t i)
{
    pc_json *row = NULL;
    must(pc_parquet_read(file, i, &row));
    assert_int_equal(pc_json_get_integer(row, "id", -1), i);
    assert_int_equal(pc_json_bool(pc_json_get(row, "flag"), i % 3 != 1), i % 3 == 1);
    assert_int_equal(pc_json_is_null(pc_json_get(row, "score")), i % 4 == 0);
    if (i % 4) {
        assert_true(pc_json_get_number(row, "score", NAN) == (double)i / 8);
    }
    const pc_json *tags = pc_json_get(row, "tags");
    assert_int_equal(pc_json_is_array(tags), i % 5 != 0);
    assert_int_equal(pc_json_length(tags), i % 5 ? i % 4 : 0);
    for (size_t k = 0; k < pc_json_length(tags); k++) {
        assert_string_equal(pc_json_text(pc_json_at(tags, k)), k % 2 ? "t1" : "t0");
    }
    pc_json_free(row);
}

static void check_sample(const pc_dataset *dataset, int64_t i)
{
    pc_sample sample = {0};
    char answer[32];
    snprintf(answer, sizeof answer, "row %d", (int)i);
    must(pc_dataset_read(dataset, i, &sample));
    assert_int_equal(sample.image_count, i % 3);
    for (int k = 0; k < i % 3; k++) {
        assert_int_equal(sample.images[k]->width, 4 + (i + k) % 5);
        assert_int_equal(sample.images[k]->pixels[0], (10 * (i + k)) & 255);
    }
    assert_int_equal(sample.conversation.count, 2);
    assert_string_equal(text_of(&sample, 0), "which row?");
    assert_string_equal(text_of(&sample, 1), answer);
    pc_sample_clear(&sample);
}

static void test_files(void **state)
{
    static const char *const files[] = {"snappy", "gzip-v2", "zstd-v2", "plain"};
    (void)state;
    for (size_t f = 0; f < sizeof files / sizeof files[0]; f++) {
        char path[512];
        pc_parquet file;
        snprintf(path, sizeof path, GOLDEN "%s.parquet", files[f]);
        must(pc_parquet_open(&file, path));
        pc_dataset *dataset = open_dataset(path);
        assert_int_equal(pc_dataset_count(dataset), ROWS);
        for (int64_t i = ROWS - 1; i >= 0; i--) { /* in any order */
            check_row(&file, i);
            check_sample(dataset, i);
        }
        pc_dataset_close(dataset);
        pc_parquet_close(&file);
    }
}

static void test_captions(void **state)
{
    pc_sample sample = {0};
    (void)state;
    pc_dataset *dataset = open_dataset(GOLDEN "captions.parquet");
    must(pc_dataset_read(dataset, 17, &sample));
    assert_int_equal(sample.image_count, 1);
    assert_int_equal(sample.images[0]->width, 4 + 17 % 5);
    assert_string_equal(text_of(&sample, 1), "picture 17");
    pc_dataset_close(dataset);
    pc_sample_clear(&sample);
}

/* A folder may hold more files than a process may open. */
static void test_many_files(void **state)
{
    enum { FILES = 200 };
    char folder[256], path[512], name[32], *bytes;
    struct rlimit before, few;
    size_t size;
    pc_sample sample = {0};
    (void)state;
    pc_test_folder_new(folder);
    must(pc_file_read(&bytes, &size, GOLDEN "captions.parquet", 1 << 20));
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "%03d.parquet", i);
        pc_test_write(folder, name, bytes, size);
    }
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = 100;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    pc_dataset *dataset = open_dataset(folder);
    assert_int_equal(pc_dataset_count(dataset), FILES * ROWS);
    for (int64_t i = FILES * ROWS - 1; i > 0; i -= 211) {
        char caption[32];
        snprintf(caption, sizeof caption, "picture %d", (int)(i % ROWS));
        must(pc_dataset_read(dataset, i, &sample));
        assert_string_equal(text_of(&sample, 1), caption);
    }
    snprintf(name, sizeof name, "%03d.parquet", FILES - 1);
    assert_int_equal(remove(pc_test_path(path, folder, name)), 0);
    must_fail(pc_dataset_read(dataset, FILES * ROWS - 1, &sample), PC_ERR_IO, "199.parquet");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    pc_dataset_close(dataset);
    pc_sample_clear(&sample);
    pc_free(bytes);
    pc_test_folder_free(folder);
}

/* What is not read is said; a file without its end is cut off. */
static void test_refusals(void **state)
{
    pc_sample sample = {0};
    pc_dataset *dataset = open_dataset(GOLDEN "delta.parquet");
    char folder[256], path[512], *bytes;
    size_t size;
    (void)state;
    must_fail(pc_dataset_read(dataset, 0, &sample), PC_ERR_DATA, "column 'caption': byte");
    assert_non_null(strstr(pc_error(), "encoding 6 is not read"));
    pc_dataset_close(dataset);
    pc_test_folder_new(folder);
    must(pc_file_read(&bytes, &size, GOLDEN "snappy.parquet", 1 << 20));
    pc_test_write(folder, "cut.parquet", bytes, size - 100);
    must_fail(pc_dataset_open(&dataset, pc_test_path(path, folder, "cut.parquet"), NULL, NULL), PC_ERR_DATA, "it may be cut off");
    pc_free(bytes);
    pc_test_folder_free(folder);
    pc_sample_clear(&sample);
}

/* A file is refused as a whole, or each of its rows is read or refused: seen + skipped = total. */
static pc_status read_all(const char *path, const void *bytes, size_t size, void *user)
{
    enum { ENOUGH = 40 }; /* a footer may promise any number of rows */
    pc_dataset *dataset = NULL;
    pc_sample sample = {0};
    int64_t *counts = user, seen = 0, skipped = 0;
    (void)bytes;
    (void)size;
    pc_status status = pc_dataset_open(&dataset, path, "parquet", NULL);
    int64_t total = status == PC_OK ? pc_dataset_count(dataset) : 0;
    total = total < ENOUGH ? total : ENOUGH;
    for (int64_t i = 0; i < total; i++) {
        pc_status one = pc_dataset_read(dataset, i, &sample);
        if (one != PC_OK && one != PC_ERR_DATA) {
            print_error("row %d: status %d, %s\n", (int)i, one, pc_error());
        }
        assert_true(one == PC_OK || one == PC_ERR_DATA);
        seen += one == PC_OK;
        skipped += one != PC_OK;
    }
    assert_int_equal(seen + skipped, total);
    counts[0] += seen;
    counts[1] += skipped;
    pc_sample_clear(&sample);
    pc_dataset_close(dataset);
    return status;
}

static void test_mutants(void **state)
{
    static const char *const files[] = {"snappy", "gzip-v2", "zstd-v2", "plain"};
    int64_t counts[2] = {0};
    int refused = 0;
    (void)state;
    for (size_t f = 0; f < sizeof files / sizeof files[0]; f++) {
        char path[512];
        snprintf(path, sizeof path, GOLDEN "%s.parquet", files[f]);
        refused += pc_test_mutants_of_file("rows.parquet", path, read_all, counts, MUTANTS / 4).refused;
    }
    print_message("%d files refused; %lld rows read, %lld refused\n", refused, (long long)counts[0], (long long)counts[1]);
    assert_true(counts[0] > MUTANTS && counts[1] > MUTANTS / 10);
}

static pc_status read_three(void *user)
{
    pc_dataset *dataset = NULL;
    pc_sample sample = {0};
    pc_status status;
    (void)user;
    PC_GO(pc_dataset_open(&dataset, GOLDEN "snappy.parquet", NULL, NULL));
    for (int64_t i = 0; i < ROWS; i += 11) {
        PC_GO(pc_dataset_read(dataset, i, &sample));
    }
done:
    pc_sample_clear(&sample);
    pc_dataset_close(dataset);
    return status;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    assert_true(pc_test_each_allocation(read_three, NULL) > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_captions),
        cmocka_unit_test(test_many_files),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_mutants),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
