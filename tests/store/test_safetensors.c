/* Reading safetensors: what is accepted, what is refused, what comes out; bad files and failing
 * allocations. */
#include "base/memory.h"
#include "base/str.h"
#include "store/store.h"
#include "support/allocfail.h"
#include "support/folder.h"
#include "support/mutate.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A file: length field, header, data. */
typedef struct image {
    unsigned char bytes[4096];
    size_t size;
} image;

static image make(const char *header, const void *data, size_t data_size)
{
    image made = {.size = 8};
    size_t length = strlen(header);
    assert_true(8 + length + data_size <= sizeof made.bytes);
    for (int i = 0; i < 8; i++) {
        made.bytes[i] = (unsigned char)((uint64_t)length >> (8 * i));
    }
    memcpy(made.bytes + 8, header, length);
    if (data != NULL) {
        memcpy(made.bytes + 8 + length, data, data_size);
    }
    made.size += length + data_size;
    return made;
}

/* Open from memory; on success the caller frees. */
static pc_status open_image(pc_store **out, const image *from)
{
    pc_error_clear();
    return pc_store_open_memory(out, from->bytes, from->size, "test.safetensors");
}

static void refuse(const image *from, const char *reason)
{
    pc_store *store;
    assert_int_equal(open_image(&store, from), PC_ERR_DATA);
    assert_null(store);
    if (strstr(pc_error(), reason) == NULL) {
        fail_msg("refused for \"%s\", expected \"%s\"", pc_error(), reason);
    }
}

static void refuse_header(const char *header, size_t data_size, const char *reason)
{
    image made = make(header, NULL, data_size);
    refuse(&made, reason);
}

static void accept_header(const char *header, size_t data_size, size_t count)
{
    image made = make(header, NULL, data_size);
    pc_store *store;
    if (open_image(&store, &made) != PC_OK) {
        fail_msg("refused: %s", pc_error());
    }
    assert_int_equal(pc_store_count(store), count);
    pc_store_free(store);
}

/* The decisions of the reference implementation's own tests. */
static const char I32_2X2[] =
    "{\"test\":{\"dtype\":\"I32\",\"shape\":[2,2],\"data_offsets\":[0,16]}}";

static void test_decisions_of_the_reference(void **state)
{
    (void)state;
    accept_header("{\"test\":{\"dtype\":\"I32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4, 1);
    accept_header(I32_2X2, 16, 1);
    accept_header("{\"test\":{\"dtype\":\"I32\",\"shape\":[2,0],\"data_offsets\":[0, 0]}}", 0, 1);
    accept_header("{}\r \t\n", 0, 0);
    accept_header("\t\n{}\r ", 0, 0);
    refuse_header(I32_2X2, 34, "but the file has 34 bytes");
    refuse_header(I32_2X2, 14, "do not lie in the 14 bytes");
    image made = make(I32_2X2, NULL, 16);
    memset(made.bytes + 5, 0xff, 3);
    refuse(&made, "is longer than the 100000000 allowed");
    made.size = 0;
    refuse(&made, "too few");
    made = make(I32_2X2, NULL, 16);
    made.size = 8;
    refuse(&made, "does not fit into a file of 8");
    refuse_header("\xff", 0, "expected '{'");
    refuse_header("{", 0, "expected '\"'");
    refuse_header("{\"test\":{\"dtype\":\"I32\",\"shape\":[2,2],\"data_offsets\":[0, 4]}}", 4,
                  "do not take 4 bytes");
    refuse_header(
        "{\"test\":{\"dtype\":\"I32\",\"shape\":[2,18446744073709551614],\"data_offsets\":[0,16]}}",
        16, "shape[1]");
    refuse_header(
        "{\"test\":{\"dtype\":\"I32\",\"shape\":[2,9223372036854775807],\"data_offsets\":[0,16]}}",
        16, "do not take 16 bytes");
}

static void test_refusals(void **state)
{
    (void)state;
    static const char twice[] = "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                                "\"%s\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%s]}}";
    char text[512];
    snprintf(text, sizeof text, twice, "a", "1,2");
    refuse_header(text, 2, "appears twice");
    snprintf(text, sizeof text, twice, "\\u0061", "1,2");
    refuse_header(text, 2, "appears twice");
    snprintf(text, sizeof text, twice, "b", "0,1");
    refuse_header(text, 2, "overlaps");
    snprintf(text, sizeof text, twice, "b", "2,3");
    refuse_header(text, 3, "hole");
    snprintf(text, sizeof text, twice, "b", "1,2");
    accept_header(text, 2, 2);
    refuse_header(text, 3, "but the file has 3");
    snprintf(text, sizeof text, twice, "b", "2,1");
    refuse_header(text, 2, "do not lie");
    snprintf(text, sizeof text, twice, "b", "1,2,3");
    refuse_header(text, 2, "[begin,end]");
    snprintf(text, sizeof text, twice, "b", "1,2.0");
    refuse_header(text, 2, "[begin,end]");
    snprintf(text, sizeof text, twice, "b\\u0000c", "1,2");
    refuse_header(text, 2, "JSON");
    refuse_header("{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]}}",
                  1, "9 dimensions");
    accept_header("{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]}}",
                  1, 1);
    refuse_header("{\"a\":{\"dtype\":\"U8\",\"shape\":[-1],\"data_offsets\":[0,1]}}", 1,
                  "negative");
    refuse_header("{\"a\":{\"dtype\":\"U8\",\"shape\":[-0],\"data_offsets\":[0,0]}}", 0,
                  "negative");
    refuse_header("{\"a\":{\"dtype\":\"u8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "dtype u8");
    refuse_header("{\"a\":{\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "(missing)");
    refuse_header("{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", 1, "shape is missing");
    refuse_header(
        "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
        "JSON member");
    refuse_header("{\"a\":{\"dtype\":\"F4\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
                  "do not take");
    accept_header("{\"a\":{\"dtype\":\"F4\",\"shape\":[2],\"data_offsets\":[0,1]}}", 1, 1);
    refuse_header("{\"a\":[\"U8\",[1],[0,1]]}", 1, "no object");
    refuse_header("{\"a\":1}", 0, "no object");
    refuse_header("{} x", 0, "follows the object");
    refuse_header("[]", 0, "expected '{'");
    refuse_header("{\"__metadata__\":{\"a\":1}}", 0, "no text");
    refuse_header("{\"__metadata__\":[]}", 0, "no object");
    refuse_header("{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0, "key a twice");
    refuse_header("{\"__metadata__\":{},\"__metadata__\":{}}", 0, "__metadata__ appears twice");
    refuse_header("{\"__metadata__\":{},\"__met\\u0061data__\":{}}", 0, "dtype (missing)");
    refuse_header("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},}", 1,
                  "expected '\"'");
}

static void test_values(void **state)
{
    (void)state;
    /* The F32 array begins at an odd data byte, so every read below is misaligned. */
    static const char header[] =
        "{\"__metadata__\":{\"format\":\"pt\",\"note\":\"\\u00e9\"},"
        "\"flag\":{\"dtype\":\"BOOL\",\"shape\":[1],\"data_offsets\":[0,1]},"
        "\"f32\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[1,9]},"
        "\"bf16\":{\"dtype\":\"BF16\",\"shape\":[1,2],\"data_offsets\":[9,13]},"
        "\"f16\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[13,17]},"
        "\"f64\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[17,25]},"
        "\"i64\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[25,33]},"
        "\"i32\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[33,37]},"
        "\"f8\":{\"dtype\":\"F8_E4M3\",\"shape\":[2],\"data_offsets\":[37,39]}}";
    unsigned char data[39] = {1};
    float f32[2] = {1.5f, -2.25f}, out[2];
    double f64 = 0.125;
    int64_t i64 = -7, integer;
    int32_t i32 = -9;
    memcpy(data + 1, f32, 8);
    memcpy(data + 9, "\x80\x3f\x00\xc0", 4);  /* 1, -2 */
    memcpy(data + 13, "\x00\x3c\x00\x7c", 4); /* 1, infinity */
    memcpy(data + 17, &f64, 8);
    memcpy(data + 25, &i64, 8);
    memcpy(data + 33, &i32, 4);
    image made = make(header, data, sizeof data);
    pc_store *store;
    assert_int_equal(open_image(&store, &made), PC_OK);
    assert_int_equal(pc_store_count(store), 8);
    assert_string_equal(pc_store_metadata(store, "note"), "\xc3\xa9");
    assert_null(pc_store_metadata(store, "nothing"));
    assert_int_equal(pc_store_metadata_count(store), 2);
    assert_string_equal(pc_store_at(store, 1)->name, "f32");
    assert_int_equal(pc_array_to_f32(pc_store_find(store, "f32"), out), PC_OK);
    assert_memory_equal(out, f32, 8);
    assert_int_equal(pc_array_to_f32(pc_store_find(store, "bf16"), out), PC_OK);
    assert_true(out[0] == 1 && out[1] == -2);
    assert_int_equal(pc_array_to_f32(pc_store_find(store, "f16"), out), PC_OK);
    assert_true(out[0] == 1 && isinf(out[1]));
    assert_int_equal(pc_array_to_f32(pc_store_find(store, "f64"), out), PC_OK);
    assert_true(out[0] == 0.125f);
    assert_int_equal(pc_array_to_i64(pc_store_find(store, "i64"), &integer), PC_OK);
    assert_true(integer == -7);
    assert_int_equal(pc_array_to_i64(pc_store_find(store, "i32"), &integer), PC_OK);
    assert_true(integer == -9);
    assert_int_equal(pc_array_to_i64(pc_store_find(store, "flag"), &integer), PC_OK);
    assert_true(integer == 1);
    const pc_array *f8 = pc_store_find(store, "f8");
    assert_int_equal(f8->dtype, PC_DTYPE_COUNT);
    assert_string_equal(f8->dtype_name, "F8_E4M3");
    assert_int_equal(pc_array_to_f32(f8, out), PC_ERR_DATA);
    assert_non_null(strstr(pc_error(), "F8_E4M3"));
    const pc_array *array;
    assert_int_equal(pc_store_need(&array, store, "bf61"), PC_ERR_DATA);
    assert_non_null(strstr(pc_error(), "bf16"));
    assert_int_equal(pc_store_need(&array, store, "bf16"), PC_OK);
    assert_int_equal(pc_array_need_shape(array, 2, (const int64_t[]){1, 2}), PC_OK);
    assert_int_equal(pc_array_need_shape(array, 2, (const int64_t[]){2, 1}), PC_ERR_DATA);
    assert_non_null(strstr(pc_error(), "has shape [1,2], expected [2,1]"));
    assert_int_equal(pc_array_count(array), 2);
    pc_store_free(store);
}

static void test_every_prefix_is_refused(void **state)
{
    (void)state;
    image made = make(I32_2X2, NULL, 16);
    size_t whole = made.size;
    for (made.size = 0; made.size < whole; made.size++) {
        pc_store *store;
        assert_int_equal(open_image(&store, &made), PC_ERR_DATA);
    }
}

/* 20,000 names: found again, each at its place. */
static void test_many_names(void **state)
{
    (void)state;
    enum { MANY = 20000 };
    pc_str text = {0};
    char name[64];
    assert_int_equal(pc_str_add(&text, "\0\0\0\0\0\0\0", 8), PC_OK);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(
            pc_str_printf(&text,
                          "%s\"model.layers.%d.weight\":{\"dtype\":\"U8\",\"shape\":[1],"
                          "\"data_offsets\":[%d,%d]}",
                          i == 0 ? "{" : ",", i, i, i + 1),
            PC_OK);
    }
    assert_int_equal(pc_str_putc(&text, '}'), PC_OK);
    uint64_t length = text.length - 8;
    memcpy(text.data, &length, 8); /* the tests' machines are little endian */
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(pc_str_putc(&text, (char)(i % 251)), PC_OK);
    }
    pc_store *store;
    assert_int_equal(pc_store_open_memory(&store, text.data, text.length, "many"), PC_OK);
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "model.layers.%d.weight", i);
        const pc_array *array = pc_store_find(store, name);
        assert_non_null(array);
        assert_int_equal(*(const unsigned char *)array->data, i % 251);
    }
    pc_store_free(store);
    pc_str_clear(&text);
}

/* Two shards and an index in a folder. */
static void write_shards(const char *folder, const char *index)
{
    image one = make("{\"__metadata__\":{\"format\":\"pt\"},"
                     "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
                     NULL, 8);
    image two = make("{\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},"
                     "\"c\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[3,4]}}",
                     "\1\2\3\4", 4);
    pc_test_write(folder, "model-00001-of-00002.safetensors", one.bytes, one.size);
    pc_test_write(folder, "model-00002-of-00002.safetensors", two.bytes, two.size);
    pc_test_write(folder, "model.safetensors.index.json", index, strlen(index));
}

static const char INDEX[] = "{\"metadata\":{\"total_size\":12},\"weight_map\":{"
                            "\"a\":\"model-00001-of-00002.safetensors\","
                            "\"b\":\"model-00002-of-00002.safetensors\","
                            "\"c\":\"model-00002-of-00002.safetensors\"}}";

static void refuse_index(const char *folder, const char *index, const char *reason)
{
    pc_store *store;
    write_shards(folder, index);
    assert_int_equal(pc_store_open(&store, folder), PC_ERR_DATA);
    if (strstr(pc_error(), reason) == NULL) {
        fail_msg("refused for \"%s\", expected \"%s\"", pc_error(), reason);
    }
}

static void test_shards(void **state)
{
    (void)state;
    char folder[256], path[512];
    pc_store *store;
    pc_test_folder_new(folder);
    assert_int_equal(pc_store_open(&store, folder), PC_ERR_IO);
    write_shards(folder, INDEX);
    assert_int_equal(pc_store_open(&store, folder), PC_OK);
    assert_int_equal(pc_store_count(store), 3);
    assert_memory_equal(pc_store_find(store, "b")->data, "\1\2\3", 3);
    assert_non_null(strstr(pc_store_find(store, "b")->file, "00002-of"));
    assert_string_equal(pc_store_metadata(store, "format"), "pt");
    pc_store_free(store);
    assert_int_equal(pc_store_open(&store,
                                   pc_test_path(path, folder, "model.safetensors.index.json")),
                     PC_OK);
    pc_store_free(store);
    assert_int_equal(pc_store_open(&store,
                                   pc_test_path(path, folder, "model-00002-of-00002.safetensors")),
                     PC_OK);
    assert_int_equal(pc_store_count(store), 2);
    pc_store_free(store);
    /* A tensor that the index leaves out is not part of the model; a total_size as real number is
     * taken. */
    write_shards(folder, "{\"metadata\":{\"total_size\":3.0},\"weight_map\":{\"b\":\"model-00002-"
                         "of-00002.safetensors\"}}");
    assert_int_equal(pc_store_open(&store, folder), PC_OK);
    assert_int_equal(pc_store_count(store), 1);
    pc_store_free(store);
    static const char *const bad_names[] = {"../x", "/etc/passwd",       "",       ".",
                                            "..",   "sub/x.safetensors", "a\\\\b", "a\\u0000b"};
    for (size_t i = 0; i < sizeof bad_names / sizeof *bad_names; i++) {
        char index[256];
        snprintf(index, sizeof index, "{\"weight_map\":{\"a\":\"%s\"}}", bad_names[i]);
        refuse_index(folder, index, "plain name");
    }
    refuse_index(folder, "{\"weight_map\":{\"a\":\"none.safetensors\"}}", "does not exist");
    refuse_index(folder, "{\"weight_map\":{\"a\":\"model-00002-of-00002.safetensors\"}}",
                 "does not have it");
    refuse_index(folder, "{\"weight_map\":{\"a\":1}}", "plain name");
    refuse_index(folder, "{\"metadata\":{}}", "weight_map is missing");
    refuse_index(folder, "{\"weight_map\":[]}", "expected '{'");
    refuse_index(folder, "{\"weight_map\":{},\"weight_map\":{}}", "twice");
    refuse_index(folder,
                 "{\"weight_map\":{\"a\":\"model-00001-of-00002.safetensors\","
                 "\"a\":\"model-00001-of-00002.safetensors\"}}",
                 "lists a twice");
    pc_test_folder_free(folder);
}

static pc_status load_file(const char *path, const void *bytes, size_t size, void *user)
{
    pc_store *store, *again;
    (void)user;
    pc_status from_file = pc_store_open(&store, path);
    pc_status from_memory = pc_store_open_memory(&again, bytes, size, path);
    assert_int_equal(from_file, from_memory);
    if (from_file == PC_OK) {
        /* What was accepted can be read to its last byte. */
        unsigned sum = 0;
        for (size_t i = 0; i < pc_store_count(again); i++) {
            const pc_array *array = pc_store_at(again, i);
            assert_ptr_equal(pc_store_find(again, array->name), array);
            for (size_t at = 0; at < array->bytes; at++) {
                sum += ((const unsigned char *)array->data)[at];
            }
        }
        assert_true(sum < 0xffffffffu);
    }
    pc_store_free(store);
    pc_store_free(again);
    return from_file;
}

static void test_mutants_of_a_file(void **state)
{
    (void)state;
    image made = make("{\"__metadata__\":{\"format\":\"pt\"},"
                      "\"model.a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
                      "\"model.b\":{\"dtype\":\"BF16\",\"shape\":[4],\"data_offsets\":[24,32]},"
                      "\"model.c\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[32,40]}}   ",
                      NULL, 40);
    pc_mutant_result result =
        pc_test_mutants("safetensors", made.bytes, made.size, load_file, NULL, 500);
    assert_true(result.refused > result.accepted);
}

static pc_status load_index(const char *path, const void *bytes, size_t size, void *user)
{
    const char *folder = user;
    pc_store *store;
    (void)path;
    pc_test_write(folder, "model.safetensors.index.json", bytes, size);
    pc_status status = pc_store_open(&store, folder);
    pc_store_free(store);
    return status;
}

static void test_mutants_of_an_index(void **state)
{
    (void)state;
    char folder[256];
    pc_test_folder_new(folder);
    write_shards(folder, INDEX);
    pc_test_mutants("safetensors.index.json", INDEX, strlen(INDEX), load_index, folder, 500);
    pc_test_folder_free(folder);
}

static pc_status open_and_close(void *user)
{
    pc_store *store;
    pc_status status = pc_store_open(&store, user);
    pc_store_free(store);
    return status;
}

static void test_failing_allocations(void **state)
{
    (void)state;
    char folder[256], path[512];
    pc_test_folder_new(folder);
    write_shards(folder, INDEX);
    long whole = pc_test_each_allocation(open_and_close, folder);
    pc_test_path(path, folder, "model-00001-of-00002.safetensors");
    long single = pc_test_each_allocation(open_and_close, path);
    pc_test_each_allocation_on(open_and_close, folder);
    print_message("allocations failed: %ld (sharded), %ld (one file)\n", whole, single);
    assert_true(whole > 20 && single > 5);
    pc_test_folder_free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decisions_of_the_reference),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_every_prefix_is_refused),
        cmocka_unit_test(test_many_names),
        cmocka_unit_test(test_shards),
        cmocka_unit_test(test_mutants_of_a_file),
        cmocka_unit_test(test_mutants_of_an_index),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
