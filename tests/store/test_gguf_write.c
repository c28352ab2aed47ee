/* Writing GGUF: what is written reads back the same; quantising: types, errors within what the blocks can hold, refusals. */
#include "base/block.h"
#include "base/memory.h"
#include "store/gguf_quantise.h"
#include "store/gguf_write.h"
#include "store/store.h"
#include "support/allocfail.h"
#include "support/folder.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define QWEN2 PERCEPT_TESTS_DIR "/golden/gguf/qwen2.gguf"

enum { ROWS = 3, WIDE = 512, NARROW = 32, ODD = 20 };

static float value_at(size_t i)
{
    return (float)sin((double)i * 0.7) * 0.1f;
}

/* Matrices of three widths, a vector, a picture matrix. */
static pc_status write_model(const char *path, bool spoiled)
{
    static const struct {
        const char *name;
        int ndim;
        int64_t dim[2];
    } tensors[] = {{"token_embd.weight", 2, {ROWS, WIDE}}, {"blk.0.attn_q.weight", 2, {ROWS, WIDE}},
                   {"blk.0.attn_k.weight", 2, {ROWS, NARROW}}, {"blk.0.attn_v.weight", 2, {ROWS, ODD}},
                   {"output_norm.weight", 1, {WIDE, 0}}, {"v.blk.0.attn_q.weight", 2, {ROWS, WIDE}}};
    enum { COUNT = sizeof tensors / sizeof tensors[0] };
    float values[ROWS * WIDE];
    pc_gguf_writer *writer = NULL;
    pc_status status;
    for (size_t i = 0; i < ROWS * WIDE; i++) {
        values[i] = value_at(i);
    }
    values[7] = spoiled ? NAN : values[7];
    PC_GO(pc_gguf_writer_new(&writer, path));
    PC_GO(pc_gguf_writer_integer(writer, "general.file_type", 0));
    PC_GO(pc_gguf_writer_integer(writer, "llama.block_count", 1));
    for (int i = 0; i < COUNT; i++) {
        PC_GO(pc_gguf_writer_declare(writer, tensors[i].name, PC_F32, tensors[i].ndim, tensors[i].dim));
    }
    for (int i = 0; i < COUNT; i++) {
        int64_t count = tensors[i].dim[0] * (tensors[i].ndim == 2 ? tensors[i].dim[1] : 1);
        PC_GO(pc_gguf_writer_put(writer, values, (size_t)count * sizeof(float)));
    }
    PC_GO(pc_gguf_writer_finish(writer));
done:
    pc_gguf_writer_free(writer);
    return status;
}

static void test_what_is_written_reads_back(void **state)
{
    (void)state;
    char folder[256], path[512];
    pc_store *store;
    int64_t blocks;
    pc_test_folder_new(folder);
    assert_int_equal(write_model(pc_test_path(path, folder, "m.gguf"), false), PC_OK);
    assert_int_equal(pc_store_open(&store, path), PC_OK);
    assert_int_equal(pc_gguf_integer(&blocks, pc_store_gguf(store), "llama.block_count", 0, 0, 9), PC_OK);
    assert_int_equal(blocks, 1);
    const pc_array *odd = pc_store_find(store, "blk.0.attn_v.weight");
    assert_int_equal(odd->dim[0], ROWS);
    assert_int_equal(odd->dim[1], ODD);
    for (size_t i = 0; i < ROWS * ODD; i++) {
        assert_true(((const float *)odd->data)[i] == value_at(i));
    }
    pc_store_free(store);
    pc_test_folder_free(folder);
}

static void test_misuse(void **state)
{
    (void)state;
    char folder[256], path[512];
    pc_gguf_writer *writer;
    const int64_t dim[2] = {2, 33};
    pc_test_folder_new(folder);
    assert_int_equal(pc_gguf_writer_new(&writer, pc_test_path(path, folder, "m.gguf")), PC_OK);
    assert_int_equal(pc_gguf_writer_declare(writer, "rows", PC_Q8_0, 2, dim), PC_ERR_USAGE);
    assert_int_equal(pc_gguf_writer_declare(writer, "bytes", PC_U8, 2, dim), PC_ERR_USAGE);
    assert_int_equal(pc_gguf_writer_declare(writer, "good", PC_F16, 2, dim), PC_OK);
    assert_int_equal(pc_gguf_writer_put(writer, dim, 8), PC_ERR_USAGE);
    assert_int_equal(pc_gguf_writer_finish(writer), PC_ERR_USAGE);
    pc_gguf_writer_free(writer);
    assert_int_equal(access(path, F_OK), -1);
    pc_test_folder_free(folder);
}

/* Keys of every kind read back; arrays are filled or refused. */
static void test_keys(void **state)
{
    (void)state;
    char folder[256], path[512];
    pc_gguf_writer *writer;
    pc_store *store;
    const pc_gguf_value *array;
    const char *text;
    size_t length;
    double number;
    bool flag;
    pc_test_folder_new(folder);
    assert_int_equal(pc_gguf_writer_new(&writer, pc_test_path(path, folder, "m.gguf")), PC_OK);
    assert_int_equal(pc_gguf_writer_text(writer, "text", "a\0b", 3), PC_OK);
    assert_int_equal(pc_gguf_writer_number(writer, "number", -0.5f), PC_OK);
    assert_int_equal(pc_gguf_writer_bool(writer, "flag", true), PC_OK);
    assert_int_equal(pc_gguf_writer_array(writer, "numbers", PC_GGUF_I32, 2), PC_OK);
    assert_int_equal(pc_gguf_writer_add_number(writer, 1), PC_ERR_USAGE); /* of another type */
    assert_int_equal(pc_gguf_writer_add_integer(writer, -7), PC_OK);
    assert_int_equal(pc_gguf_writer_bool(writer, "early", true), PC_ERR_USAGE);
    assert_int_equal(pc_gguf_writer_finish(writer), PC_ERR_USAGE);
    assert_int_equal(pc_gguf_writer_add_integer(writer, 8), PC_OK);
    assert_int_equal(pc_gguf_writer_add_integer(writer, 9), PC_ERR_USAGE);
    assert_int_equal(pc_gguf_writer_array(writer, "texts", PC_GGUF_STRING, 1), PC_OK);
    assert_int_equal(pc_gguf_writer_add_text(writer, "token", 5), PC_OK);
    assert_int_equal(pc_gguf_writer_finish(writer), PC_OK);
    pc_gguf_writer_free(writer);
    assert_int_equal(pc_store_open(&store, path), PC_OK);
    const pc_gguf *gguf = pc_store_gguf(store);
    assert_int_equal(pc_gguf_text(&text, &length, gguf, "text"), PC_OK);
    assert_int_equal(length, 3);
    assert_memory_equal(text, "a\0b", 3);
    assert_int_equal(pc_gguf_number(&number, gguf, "number", 0), PC_OK);
    assert_true(number == -0.5);
    assert_int_equal(pc_gguf_bool(&flag, gguf, "flag", false), PC_OK);
    assert_true(flag);
    assert_int_equal(pc_gguf_array(&array, gguf, "numbers", PC_GGUF_I32), PC_OK);
    assert_int_equal(pc_gguf_integer_at(array, 0), -7);
    assert_int_equal(pc_gguf_integer_at(array, 1), 8);
    assert_int_equal(pc_gguf_array(&array, gguf, "texts", PC_GGUF_STRING), PC_OK);
    assert_int_equal(array->count, 1);
    pc_store_free(store);
    pc_test_folder_free(folder);
}

/* A tensor in pieces is the same as at once; too much is refused. */
static void test_parts(void **state)
{
    (void)state;
    char folder[256], path[512];
    pc_gguf_writer *writer;
    pc_store *store;
    const int64_t dim[1] = {4};
    const float values[4] = {1, 2, 3, 4};
    pc_test_folder_new(folder);
    assert_int_equal(pc_gguf_writer_new(&writer, pc_test_path(path, folder, "m.gguf")), PC_OK);
    assert_int_equal(pc_gguf_writer_declare(writer, "v", PC_F32, 1, dim), PC_OK);
    assert_int_equal(pc_gguf_writer_part(writer, values, 12), PC_OK);
    assert_int_equal(pc_gguf_writer_put(writer, values, 16), PC_ERR_USAGE);
    assert_int_equal(pc_gguf_writer_part(writer, values, 8), PC_ERR_USAGE);
    assert_int_equal(pc_gguf_writer_part(writer, values + 3, 4), PC_OK);
    assert_int_equal(pc_gguf_writer_part(writer, values, 4), PC_ERR_USAGE);
    assert_int_equal(pc_gguf_writer_finish(writer), PC_OK);
    pc_gguf_writer_free(writer);
    assert_int_equal(pc_store_open(&store, path), PC_OK);
    assert_memory_equal(pc_store_find(store, "v")->data, values, sizeof values);
    pc_store_free(store);
    pc_test_folder_free(folder);
}

static pc_dtype type_of(const pc_store *store, const char *name)
{
    return pc_store_find(store, name)->dtype;
}

static void test_types(void **state)
{
    (void)state;
    char folder[256], from[512], to[512];
    pc_quantise_report report;
    pc_store *store;
    int64_t number;
    float values[ROWS * WIDE];
    pc_test_folder_new(folder);
    pc_test_path(to, folder, "q.gguf");
    assert_int_equal(write_model(pc_test_path(from, folder, "m.gguf"), false), PC_OK);
    assert_int_equal(pc_gguf_quantise(&report, from, to, PC_Q4_K), PC_OK);
    assert_int_equal(report.changed, 4);
    assert_int_equal(report.tensors, 6);
    assert_int_equal(pc_store_open(&store, to), PC_OK);
    assert_int_equal(type_of(store, "token_embd.weight"), PC_Q6_K); /* the head, tied */
    assert_int_equal(type_of(store, "blk.0.attn_q.weight"), PC_Q4_K);
    assert_int_equal(type_of(store, "blk.0.attn_k.weight"), PC_Q8_0);
    assert_int_equal(type_of(store, "blk.0.attn_v.weight"), PC_F16);
    assert_int_equal(type_of(store, "output_norm.weight"), PC_F32);
    assert_int_equal(type_of(store, "v.blk.0.attn_q.weight"), PC_F32);
    assert_int_equal(pc_gguf_integer(&number, pc_store_gguf(store), "general.file_type", -1, 0, 99), PC_OK);
    assert_int_equal(number, 14);
    assert_int_equal(pc_array_to_f32(pc_store_find(store, "blk.0.attn_q.weight"), values), PC_OK);
    for (size_t i = 0; i < ROWS * WIDE; i++) {
        assert_true(fabsf(values[i] - value_at(i)) < 0.01f); /* steps of 0.2 / 15, halved, and the scales' own */
    }
    pc_store_free(store);
    pc_test_folder_free(folder);
}

/* Widening and narrowing again gives the same file. */
static void test_there_and_back(void **state)
{
    (void)state;
    char folder[256], half[512], full[512], again[512];
    pc_quantise_report report;
    size_t size, size_again;
    pc_test_folder_new(folder);
    assert_int_equal(pc_gguf_quantise(&report, QWEN2, pc_test_path(half, folder, "half"), PC_F16), PC_OK);
    assert_int_equal(pc_gguf_quantise(&report, half, pc_test_path(full, folder, "full"), PC_F32), PC_OK);
    assert_int_equal(pc_gguf_quantise(&report, full, pc_test_path(again, folder, "again"), PC_F16), PC_OK);
    unsigned char *first = pc_test_read(folder, "half", &size), *second = pc_test_read(folder, "again", &size_again);
    assert_int_equal(size, size_again);
    assert_memory_equal(first, second, size);
    free(first);
    free(second);
    pc_test_folder_free(folder);
}

static void test_refusals(void **state)
{
    (void)state;
    char folder[256], from[512], to[512];
    pc_quantise_report report;
    pc_test_folder_new(folder);
    pc_test_path(to, folder, "q.gguf");
    assert_int_equal(write_model(pc_test_path(from, folder, "m.gguf"), true), PC_OK);
    assert_int_equal(pc_gguf_quantise(&report, from, to, PC_Q8_0), PC_ERR_DATA);
    assert_non_null(strstr(pc_error(), "the tensor 'token_embd.weight' has a number that is not finite"));
    assert_int_equal(access(to, F_OK), -1);
    assert_int_equal(pc_gguf_quantise(&report, from, to, PC_Q2_K), PC_ERR_USAGE);
    pc_test_folder_free(folder);
}

static pc_status quantise_once(void *user)
{
    pc_quantise_report report;
    return pc_gguf_quantise(&report, QWEN2, user, PC_Q8_0);
}

static void test_failing_allocations(void **state)
{
    (void)state;
    char folder[256], to[512];
    pc_test_folder_new(folder);
    pc_test_path(to, folder, "q.gguf");
    assert_true(pc_test_each_allocation(quantise_once, to) > 30);
    pc_test_folder_free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written_reads_back),
        cmocka_unit_test(test_misuse),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
