/* Writing safetensors: the reference's bytes, shards, refusals, and what is left behind by a
 * failure. */
#include "base/file.h"
#include "base/memory.h"
#include "store/store.h"
#include "store/writer.h"
#include "support/allocfail.h"
#include "support/folder.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

static const struct sample {
    const char *name;
    pc_dtype dtype;
    int ndim;
    int64_t dim[3];
    int count;
} samples[] = {
    {"model.f32", PC_F32, 2, {2, 3}, 6}, {"model.bf16", PC_BF16, 1, {5}, 5},
    {"model.f16", PC_F16, 2, {3, 1}, 3}, {"model.f64", PC_F64, 2, {1, 2}, 2},
    {"ids", PC_I64, 1, {4}, 4},          {"counts", PC_I32, 0, {0}, 1},
    {"empty", PC_F32, 3, {2, 0, 3}, 0},  {"odd \"name\"\\\xc3\xa9\n", PC_U8, 1, {3}, 3},
    {"mask", PC_BOOL, 1, {3}, 3},        {"a.f32", PC_F32, 1, {1}, 1},
};
enum { SAMPLES = sizeof samples / sizeof *samples };

/* The values of tests/oracle/make_store.py: element i is i - 2 (bool: i is odd; u8: i + 1). */
static size_t fill(unsigned char out[64], const struct sample *s)
{
    float values[8];
    for (int i = 0; i < s->count; i++) {
        values[i] = (float)i - 2;
        int32_t i32 = i - 2;
        int64_t i64 = i - 2;
        if (s->dtype == PC_I64) {
            memcpy(out + 8 * i, &i64, 8);
        } else if (s->dtype == PC_I32) {
            memcpy(out + 4 * i, &i32, 4);
        } else {
            out[i] = (unsigned char)(s->dtype == PC_BOOL ? i % 2 : i + 1);
        }
    }
    if (s->dtype != PC_I64 && s->dtype != PC_I32 && s->dtype != PC_BOOL && s->dtype != PC_U8) {
        double room[8];
        pc_convert_from_f32(room, s->dtype, values, (size_t)s->count);
        memcpy(out, room, (size_t)s->count * pc_dtype_size(s->dtype));
    }
    return (size_t)s->count * pc_dtype_size(s->dtype);
}

static pc_status declare_all(pc_store_writer *writer)
{
    for (int i = 0; i < SAMPLES; i++) {
        PC_TRY(pc_store_writer_declare(writer, samples[i].name, samples[i].dtype, samples[i].ndim,
                                       samples[i].dim));
    }
    return PC_OK;
}

static pc_status put_all(pc_store_writer *writer)
{
    unsigned char bytes[64];
    for (int i = SAMPLES - 1; i >= 0; i--) { /* any order */
        size_t size = fill(bytes, &samples[i]);
        PC_TRY(pc_store_writer_put(writer, samples[i].name, bytes, size));
    }
    return PC_OK;
}

static pc_status write_samples(const char *path, size_t max_shard)
{
    pc_store_writer *writer;
    PC_TRY(pc_store_writer_new(&writer, path, max_shard));
    pc_status status;
    PC_GO(declare_all(writer));
    PC_GO(put_all(writer));
    PC_GO(pc_store_writer_finish(writer));
done:
    pc_store_writer_free(writer);
    return status;
}

static void check_samples(const pc_store *store)
{
    unsigned char bytes[64];
    assert_int_equal(pc_store_count(store), SAMPLES);
    for (int i = 0; i < SAMPLES; i++) {
        const pc_array *array = pc_store_find(store, samples[i].name);
        assert_non_null(array);
        assert_int_equal(array->dtype, samples[i].dtype);
        assert_int_equal(pc_array_need_shape(array, samples[i].ndim, samples[i].dim), PC_OK);
        assert_int_equal(array->bytes, fill(bytes, &samples[i]));
        assert_true(array->bytes == 0 || memcmp(array->data, bytes, array->bytes) == 0);
        assert_true(pc_array_is_aligned(array));
    }
}

static int count_files(const char *folder)
{
    int count = 0;
    DIR *stream = opendir(folder);
    assert_non_null(stream);
    for (const struct dirent *entry = readdir(stream); entry != NULL; entry = readdir(stream)) {
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    }
    closedir(stream);
    return count;
}

static void test_reads_the_reference(void **state)
{
    (void)state;
    pc_store *store;
    assert_int_equal(pc_store_open(&store, PERCEPT_TESTS_DIR "/golden/store/reference.safetensors"),
                     PC_OK);
    check_samples(store);
    pc_store_free(store);
}

static void test_writes_the_reference(void **state)
{
    (void)state;
    char folder[256], path[512];
    size_t size, expected_size;
    pc_test_folder_new(folder);
    pc_test_path(path, folder, "model.safetensors");
    assert_int_equal(write_samples(path, 0), PC_OK);
    assert_int_equal(write_samples(path, 0), PC_OK); /* over the older one */
    assert_int_equal(count_files(folder), 1);
    unsigned char *bytes = pc_test_read(folder, "model.safetensors", &size);
    unsigned char *expected =
        pc_test_read(PERCEPT_TESTS_DIR "/golden/store", "reference.safetensors", &expected_size);
    assert_int_equal(size, expected_size);
    assert_memory_equal(bytes, expected, size);
    free(bytes);
    free(expected);
    pc_test_folder_free(folder);
}

static void test_shards(void **state)
{
    (void)state;
    char folder[256], path[512];
    pc_store *store;
    pc_store_writer *writer;
    uint64_t bytes;
    pc_test_folder_new(folder);
    pc_test_path(path, folder, "model.safetensors");
    assert_int_equal(write_samples(path, 0), PC_OK);
    assert_int_equal(pc_store_writer_new(&writer, path, 48), PC_OK);
    assert_int_equal(declare_all(writer), PC_OK);
    assert_int_equal(pc_store_writer_size(writer, &bytes), PC_OK);
    assert_int_equal(put_all(writer), PC_OK);
    assert_int_equal(pc_store_writer_finish(writer), PC_OK);
    assert_int_equal(pc_store_writer_file_count(writer), 4);
    assert_string_equal(pc_store_writer_file(writer, 0), "model-00001-of-00003.safetensors");
    assert_string_equal(pc_store_writer_file(writer, 3), "model.safetensors.index.json");
    pc_store_writer_free(writer);
    assert_false(
        pc_path_exists(path)); /* the single file is gone: a reader would have preferred it */
    assert_int_equal(count_files(folder), 4);
    assert_int_equal(pc_store_open(&store, folder), PC_OK);
    check_samples(store);
    assert_string_equal(pc_store_metadata(store, "format"), "pt");
    pc_store_free(store);
    uint64_t found = 0;
    for (int i = 0; i < 3; i++) {
        char name[64];
        size_t size;
        snprintf(name, sizeof name, "model-%05d-of-00003.safetensors", i + 1);
        free(pc_test_read(folder, name, &size));
        found += size;
    }
    assert_true(found == bytes);
    assert_int_equal(write_samples(path, 0), PC_OK); /* and back: the index goes */
    assert_int_equal(pc_store_open(&store, folder), PC_OK);
    check_samples(store);
    pc_store_free(store);
    pc_test_folder_free(folder);
}

static void test_converts(void **state)
{
    (void)state;
    enum { MANY = 50001 };
    char folder[256], path[512];
    pc_store *store;
    pc_store_writer *writer;
    float *values = calloc(MANY, sizeof *values), *back = calloc(MANY, sizeof *back);
    assert_true(values != NULL && back != NULL);
    for (int i = 0; i < MANY; i++) {
        values[i] = (float)(i % 255) - 127; /* exact in every type */
    }
    pc_test_folder_new(folder);
    pc_test_path(path, folder, "weights.safetensors");
    static const pc_dtype dtypes[] = {PC_F32, PC_BF16, PC_F16, PC_F64};
    const int64_t dim[] = {MANY};
    assert_int_equal(pc_store_writer_new(&writer, path, 0), PC_OK);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pc_store_writer_declare(writer, pc_dtype_name(dtypes[i]), dtypes[i], 1,
                                                 dim),
                         PC_OK);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pc_store_writer_put_f32(writer, pc_dtype_name(dtypes[i]), values, MANY),
                         PC_OK);
    }
    assert_int_equal(pc_store_writer_finish(writer), PC_OK);
    pc_store_writer_free(writer);
    assert_int_equal(pc_store_open(&store, path), PC_OK);
    for (int i = 0; i < 4; i++) {
        memset(back, 0, MANY * sizeof *back);
        assert_int_equal(pc_array_to_f32(pc_store_find(store, pc_dtype_name(dtypes[i])), back),
                         PC_OK);
        assert_memory_equal(back, values, MANY * sizeof *back);
    }
    pc_store_free(store);
    pc_test_folder_free(folder);
    free(values);
    free(back);
}

static void test_refusals(void **state)
{
    (void)state;
    char folder[256], path[512];
    const int64_t dim[] = {2}, huge[] = {INT64_MAX, INT64_MAX}, negative[] = {-1};
    const float values[2] = {1, 2};
    pc_store_writer *writer;
    pc_test_folder_new(folder);
    assert_int_equal(pc_store_writer_new(&writer, "model.bin", 0), PC_ERR_USAGE);
    pc_test_path(path, folder, "model.safetensors");
    assert_int_equal(pc_store_writer_new(&writer, path, 0), PC_OK);
    assert_int_equal(pc_store_writer_declare(writer, "a", PC_F32, 2, huge), PC_ERR_USAGE);
    assert_int_equal(pc_store_writer_declare(writer, "a", PC_F32, 1, negative), PC_ERR_USAGE);
    assert_int_equal(pc_store_writer_declare(writer, "\xff", PC_F32, 1, dim), PC_ERR_USAGE);
    assert_int_equal(pc_store_writer_declare(writer, "__metadata__", PC_F32, 1, dim), PC_ERR_USAGE);
    assert_int_equal(pc_store_writer_declare(writer, "a", PC_DTYPE_COUNT, 1, dim), PC_ERR_USAGE);
    assert_int_equal(pc_store_writer_declare(writer, "a", PC_F32, 9, dim), PC_ERR_USAGE);
    assert_int_equal(pc_store_writer_declare(writer, "a", PC_F32, 1, dim), PC_OK);
    assert_int_equal(pc_store_writer_declare(writer, "b", PC_I32, 1, dim), PC_OK);
    assert_int_equal(pc_store_writer_put(writer, "c", values, 8), PC_ERR_USAGE);
    assert_int_equal(pc_store_writer_declare(writer, "c", PC_F32, 1, dim), PC_ERR_USAGE);
    assert_int_equal(pc_store_writer_put(writer, "a", values, 4), PC_ERR_USAGE);
    assert_int_equal(pc_store_writer_put_f32(writer, "b", values, 2), PC_ERR_USAGE);
    assert_int_equal(pc_store_writer_put(writer, "a", values, 8), PC_OK);
    assert_int_equal(pc_store_writer_put(writer, "a", values, 8), PC_ERR_USAGE);
    assert_int_equal(pc_store_writer_finish(writer), PC_ERR_USAGE);
    assert_non_null(strstr(pc_error(), "b was declared but not put"));
    pc_store_writer_free(writer);
    assert_int_equal(count_files(folder), 0);
    assert_int_equal(pc_store_writer_new(&writer, path, 0), PC_OK);
    assert_int_equal(pc_store_writer_declare(writer, "a", PC_F32, 1, dim), PC_OK);
    assert_int_equal(pc_store_writer_declare(writer, "a", PC_F32, 1, dim), PC_OK);
    assert_int_equal(pc_store_writer_put(writer, "a", values, 8), PC_ERR_USAGE);
    pc_store_writer_free(writer);
    /* A folder that is not there. */
    pc_test_path(path, folder, "none/model.safetensors");
    assert_int_equal(write_samples(path, 0), PC_ERR_IO);
    pc_test_folder_free(folder);
}

/* A limit of the process on the size of files stands in for a full disk: the older file stays. */
static void test_no_room(void **state)
{
    (void)state;
    char folder[256], path[512];
    struct rlimit before, small;
    pc_store *store;
    pc_test_folder_new(folder);
    pc_test_path(path, folder, "model.safetensors");
    assert_int_equal(write_samples(path, 0), PC_OK);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_IGN);
    small = (struct rlimit){.rlim_cur = 200, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    pc_status status = write_samples(path, 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(status, PC_ERR_IO);
    assert_int_equal(count_files(folder), 1);
    assert_int_equal(pc_store_open(&store, path), PC_OK);
    check_samples(store);
    pc_store_free(store);
    pc_test_folder_free(folder);
}

static pc_status write_again(void *user)
{
    return write_samples(user, 48);
}

static void test_failing_allocations(void **state)
{
    (void)state;
    char folder[256], path[512];
    pc_test_folder_new(folder);
    pc_test_path(path, folder, "model.safetensors");
    long count = pc_test_each_allocation(write_again, path);
    print_message("allocations failed: %ld\n", count);
    assert_true(count > 50);
    assert_int_equal(count_files(folder), 4); /* no temporary file is left */
    pc_test_folder_free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_the_reference),
        cmocka_unit_test(test_writes_the_reference),
        cmocka_unit_test(test_shards),
        cmocka_unit_test(test_converts),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
