/* Reading GGUF: what comes out, what is refused and with which words; splits, mutants, failing allocations. */
#include "base/memory.h"
#include "base/str.h"
#include "store/store.h"
#include "support/allocfail.h"
#include "support/folder.h"
#include "support/mutate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A file as it is put together. */
typedef struct image {
    unsigned char bytes[4096];
    size_t size;
} image;

static void put(image *out, uint64_t value, size_t width)
{
    assert_true(out->size + width <= sizeof out->bytes);
    memcpy(out->bytes + out->size, &value, width);
    out->size += width;
}

static void put_text(image *out, const char *text)
{
    size_t length = strlen(text);
    put(out, length, 8);
    assert_true(out->size + length <= sizeof out->bytes);
    memcpy(out->bytes + out->size, text, length);
    out->size += length;
}

static void head(image *out, uint64_t tensors, uint64_t keys)
{
    *out = (image){.size = 0};
    put(out, 0x46554747, 4); /* "GGUF" */
    put(out, 3, 4);
    put(out, tensors, 8);
    put(out, keys, 8);
}

static void key(image *out, const char *name, pc_gguf_type type, uint64_t value, size_t width)
{
    put_text(out, name);
    put(out, type, 4);
    put(out, value, width);
}

static void key_text(image *out, const char *name, const char *value)
{
    put_text(out, name);
    put(out, PC_GGUF_STRING, 4);
    put_text(out, value);
}

/* Innermost size first. */
static void tensor(image *out, const char *name, uint64_t size0, uint64_t size1, uint32_t type, uint64_t offset)
{
    put_text(out, name);
    put(out, 2, 4);
    put(out, size0, 8);
    put(out, size1, 8);
    put(out, type, 4);
    put(out, offset, 8);
}

static void data(image *out, size_t bytes)
{
    while (out->size % 32) {
        put(out, 0, 1);
    }
    for (size_t i = 0; i < bytes; i++) {
        put(out, i & 0xff, 1);
    }
}

/* A key of each kind and three tensors. */
static image good(void)
{
    image out;
    float third = 1.0f / 3;
    uint32_t bits;
    memcpy(&bits, &third, 4);
    head(&out, 3, 9);
    key_text(&out, "general.architecture", "llama");
    key(&out, "general.alignment", PC_GGUF_U32, 32, 4);
    key(&out, "a.negative", PC_GGUF_I16, 0xfffe, 2);
    key(&out, "a.large", PC_GGUF_U64, 1ull << 40, 8);
    key(&out, "a.third", PC_GGUF_F32, bits, 4);
    key(&out, "a.yes", PC_GGUF_BOOL, 1, 1);
    put_text(&out, "a.words");
    put(&out, PC_GGUF_ARRAY, 4);
    put(&out, PC_GGUF_STRING, 4);
    put(&out, 3, 8);
    put_text(&out, "one");
    put_text(&out, "");
    put_text(&out, "three");
    put_text(&out, "a.numbers");
    put(&out, PC_GGUF_ARRAY, 4);
    put(&out, PC_GGUF_I32, 4);
    put(&out, 2, 8);
    put(&out, 7, 4);
    put(&out, 0xffffffff, 4);
    key_text(&out, "a.empty", "");
    tensor(&out, "token_embd.weight", 32, 2, 8, 0);  /* Q8_0: 68 bytes */
    tensor(&out, "output_norm.weight", 4, 1, 0, 96); /* F32 */
    tensor(&out, "odd", 8, 1, 24, 128);              /* I8: listed, not read */
    data(&out, 136);
    return out;
}

static pc_status open_image(pc_store **out, const image *from)
{
    pc_error_clear();
    return pc_store_open_memory(out, from->bytes, from->size, "test.gguf");
}

static void refuse(const image *from, const char *reason)
{
    pc_store *store;
    assert_int_equal(open_image(&store, from), PC_ERR_DATA);
    assert_null(store);
    if (!strstr(pc_error(), reason) || !strstr(pc_error(), "test.gguf") || strchr(pc_error(), '\n')) {
        fail_msg("refused for \"%s\", expected \"%s\"", pc_error(), reason);
    }
}

static void test_values(void **state)
{
    (void)state;
    image made = good();
    pc_store *store;
    int64_t number;
    double third;
    bool yes;
    const char *text;
    size_t length;
    const pc_gguf_value *array;
    assert_int_equal(open_image(&store, &made), PC_OK);
    const pc_gguf *gguf = pc_store_gguf(store);
    assert_int_equal(pc_gguf_count(gguf), 9);
    assert_string_equal(pc_gguf_at(gguf, 2)->key, "a.negative");
    assert_int_equal(pc_gguf_integer(&number, gguf, "a.negative", 0, -10, 10), PC_OK);
    assert_int_equal(number, -2);
    assert_int_equal(pc_gguf_integer(&number, gguf, "a.large", 0, 0, INT64_MAX), PC_OK);
    assert_true(number == (int64_t)1 << 40);
    assert_int_equal(pc_gguf_integer(&number, gguf, "absent", 5, 0, 1), PC_OK);
    assert_int_equal(number, 5);
    assert_int_equal(pc_gguf_number(&third, gguf, "a.third", 0), PC_OK);
    assert_true(third == (double)(1.0f / 3));
    assert_int_equal(pc_gguf_bool(&yes, gguf, "a.yes", false), PC_OK);
    assert_true(yes);
    assert_int_equal(pc_gguf_text(&text, &length, gguf, "general.architecture"), PC_OK);
    assert_int_equal(length, 5);
    assert_memory_equal(text, "llama", 5);
    assert_int_equal(pc_gguf_text(&text, &length, gguf, "absent"), PC_OK);
    assert_null(text);
    assert_int_equal(pc_gguf_array(&array, gguf, "a.numbers", PC_GGUF_I32), PC_OK);
    assert_int_equal(array->count, 2);
    assert_int_equal(pc_gguf_integer_at(array, 1), -1);
    assert_int_equal(pc_gguf_array(&array, gguf, "a.words", PC_GGUF_STRING), PC_OK);
    const uint8_t *cursor = array->data;
    static const char *const words[] = {"one", "", "three"};
    for (int i = 0; i < 3; i++) {
        pc_gguf_next_text(&cursor, &text, &length);
        assert_int_equal(length, strlen(words[i]));
        assert_memory_equal(text, words[i], length);
    }
    pc_store_free(store);
}

static void test_tensors(void **state)
{
    (void)state;
    image made = good();
    pc_store *store;
    char shape[192];
    assert_int_equal(open_image(&store, &made), PC_OK);
    assert_int_equal(pc_store_count(store), 3);
    const pc_array *table = pc_store_find(store, "token_embd.weight");
    assert_int_equal(table->dtype, PC_Q8_0);
    assert_string_equal(pc_array_shape_text(table, shape), "[2,32]"); /* outermost first */
    assert_int_equal(table->bytes, 68);
    assert_int_equal(pc_store_find(store, "odd")->dtype, PC_DTYPE_COUNT);
    assert_string_equal(pc_store_find(store, "odd")->dtype_name, "I8");
    const unsigned char *norm = pc_store_find(store, "output_norm.weight")->data;
    assert_int_equal(norm[0], 96);
    pc_store_free(store);
}

static void test_wrong_types_of_values(void **state)
{
    (void)state;
    image made = good();
    pc_store *store;
    int64_t number;
    double real;
    bool yes;
    const char *text;
    size_t length;
    const pc_gguf_value *array;
    assert_int_equal(open_image(&store, &made), PC_OK);
    const pc_gguf *gguf = pc_store_gguf(store);
    assert_int_equal(pc_gguf_integer(&number, gguf, "a.negative", 0, 0, 10), PC_ERR_DATA);
    assert_non_null(strstr(pc_error(), "key 'a.negative': expected an integer from 0 to 10"));
    assert_int_equal(pc_gguf_integer(&number, gguf, "a.third", 0, 0, 10), PC_ERR_DATA);
    assert_int_equal(pc_gguf_integer(&number, gguf, "a.numbers", 0, 0, 10), PC_ERR_DATA);
    assert_int_equal(pc_gguf_number(&real, gguf, "a.empty", 0), PC_ERR_DATA);
    assert_int_equal(pc_gguf_bool(&yes, gguf, "a.large", false), PC_ERR_DATA);
    assert_int_equal(pc_gguf_text(&text, &length, gguf, "a.words"), PC_ERR_DATA);
    assert_int_equal(pc_gguf_array(&array, gguf, "a.words", PC_GGUF_F32), PC_ERR_DATA);
    pc_store_free(store);
}

static void test_refusals_of_heads(void **state)
{
    (void)state;
    image made = good();
    made.bytes[4] = 1;
    refuse(&made, "offset 4: GGUF version 1");
    made = good();
    memcpy(made.bytes + 4, "\0\0\0\3", 4);
    refuse(&made, "big-endian");
    made = good();
    made.bytes[15] = 0x10;
    refuse(&made, "offset 8");
    made = good();
    made.bytes[23] = 0x10;
    refuse(&made, "offset 8");
}

static void test_refusals_of_keys(void **state)
{
    (void)state;
    image made;
    head(&made, 0, 2);
    key(&made, "twice", PC_GGUF_U8, 1, 1);
    key(&made, "twice", PC_GGUF_U8, 1, 1);
    refuse(&made, "the key 'twice' is there twice");
    head(&made, 0, 1);
    key(&made, "general.alignment", PC_GGUF_U32, 48, 4);
    refuse(&made, "general.alignment");
    head(&made, 0, 1);
    key(&made, "strange", 13, 1, 4);
    refuse(&made, "key 'strange' has the unknown type 13");
    head(&made, 0, 1);
    key(&made, "flag", PC_GGUF_BOOL, 2, 1);
    refuse(&made, "bool of 2");
    head(&made, 0, 1);
    put_text(&made, "nested");
    put(&made, PC_GGUF_ARRAY, 4);
    put(&made, PC_GGUF_ARRAY, 4);
    put(&made, 1, 8);
    refuse(&made, "array of arrays");
    head(&made, 0, 1);
    put_text(&made, "long");
    put(&made, PC_GGUF_ARRAY, 4);
    put(&made, PC_GGUF_U64, 4);
    put(&made, 0x2000000000000001, 8); /* times 8 is 8 */
    put(&made, 0, 8);
    refuse(&made, "key 'long' has 2305843009213693953 elements");
    head(&made, 0, 1);
    put(&made, 0xfffffffffffffff8, 8);
    put(&made, 0, 8);
    refuse(&made, "offset 24: a key of 18446744073709551608 bytes");
    head(&made, 0, 1);
    key_text(&made, "", "x");
    refuse(&made, "a key is empty");
}

static void test_refusals_of_tensors(void **state)
{
    (void)state;
    const struct {
        uint64_t size0, size1;
        uint32_t type;
        uint64_t offset;
        const char *reason;
    } cases[] = {
        {32, 2, 8, 16, "no multiple of the alignment"},
        {32, 2, 8, 4096, "do not lie in the file"},
        {33, 2, 8, 0, "rows of 33 are no whole blocks of Q8_0"},
        {32, 2, 4, 0, "unknown type 4"},
        {32, 2, 999, 0, "unknown type 999"},
        {1ull << 32, 1ull << 32, 0, 0, "overflows"},
        {1ull << 32, 1ull << 29, 0, 0, "more bytes than the file's"},
        {1ull << 63, 1, 0, 0, "overflows"},
        {64, 64, 0, 0, "more bytes than the file's"},
        {4, 1, 0, 64, "overlap"},
    };
    image made;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        head(&made, 2, 0);
        tensor(&made, "first", 32, 2, 8, 0);
        tensor(&made, "second", cases[i].size0, cases[i].size1, cases[i].type, cases[i].offset);
        data(&made, 200);
        refuse(&made, cases[i].reason);
    }
    head(&made, 2, 0);
    tensor(&made, "same", 4, 1, 0, 0);
    tensor(&made, "same", 4, 1, 0, 32);
    data(&made, 64);
    refuse(&made, "the tensor 'same' is there twice");
    head(&made, 1, 0);
    put_text(&made, "deep");
    put(&made, 5, 4);
    data(&made, 64);
    refuse(&made, "tensor 'deep' has 5 dimensions");
}

static void test_every_prefix_is_refused(void **state)
{
    (void)state;
    image whole = good();
    for (size_t size = 0; size < whole.size; size++) {
        image cut = whole;
        pc_store *store;
        cut.size = size;
        if (open_image(&store, &cut) != PC_ERR_DATA) {
            fail_msg("a prefix of %zu bytes was not refused", size);
        }
    }
}

/* Part `number` of three, with one tensor. */
static void write_part(const char *folder, const char *name, uint64_t number, uint64_t total, const char *tensor_name)
{
    image made;
    head(&made, 1, 3);
    key(&made, "split.no", PC_GGUF_U16, number, 2);
    key(&made, "split.count", PC_GGUF_U16, 3, 2);
    key(&made, "split.tensors.count", PC_GGUF_I32, total, 4);
    tensor(&made, tensor_name, 4, 1, 0, 0);
    data(&made, 16);
    pc_test_write(folder, name, made.bytes, made.size);
}

static void refuse_split(const char *folder, const char *name, const char *reason)
{
    char path[512];
    pc_store *store;
    assert_int_equal(pc_store_open(&store, pc_test_path(path, folder, name)), PC_ERR_DATA);
    if (!strstr(pc_error(), reason)) {
        fail_msg("refused for \"%s\", expected \"%s\"", pc_error(), reason);
    }
}

static void test_splits(void **state)
{
    (void)state;
    char folder[256], path[512];
    pc_store *store;
    static const char first[] = "m-00001-of-00003.gguf", second[] = "m-00002-of-00003.gguf", third[] = "m-00003-of-00003.gguf";
    pc_test_folder_new(folder);
    write_part(folder, first, 0, 3, "a");
    write_part(folder, second, 1, 3, "b");
    refuse_split(folder, first, "m-00003-of-00003.gguf: the file is missing");
    write_part(folder, third, 2, 3, "c");
    assert_int_equal(pc_store_open(&store, pc_test_path(path, folder, first)), PC_OK);
    assert_int_equal(pc_store_count(store), 3);
    assert_non_null(pc_store_find(store, "c"));
    pc_store_free(store);
    refuse_split(folder, second, "name the first file");
    write_part(folder, third, 1, 3, "c");
    refuse_split(folder, first, "it says that it is file 2 of 3, expected 3 of 3");
    write_part(folder, third, 2, 3, "a");
    refuse_split(folder, first, "the tensor 'a' is in another file");
    write_part(folder, third, 2, 3, "c");
    write_part(folder, first, 0, 2, "a");
    refuse_split(folder, first, "split.tensors.count");
    write_part(folder, first, 0, 4, "a");
    refuse_split(folder, first, "split.tensors.count");
    write_part(folder, "one.gguf", 0, 3, "a");
    refuse_split(folder, "one.gguf", "not named");
    pc_test_folder_free(folder);
}

/* Everything that a reader may ask of a file that was accepted. */
static pc_status load_file(const char *path, const void *bytes, size_t size, void *user)
{
    pc_store *store;
    uint64_t sum = 0;
    (void)bytes, (void)size, (void)user;
    pc_status status = pc_store_open(&store, path);
    const pc_gguf *gguf = store ? pc_store_gguf(store) : NULL;
    for (size_t i = 0; gguf && i < pc_gguf_count(gguf); i++) {
        const pc_gguf_value *value = pc_gguf_at(gguf, i);
        const uint8_t *cursor = value->data;
        const char *text;
        size_t length;
        for (uint64_t n = 0; n < value->count; n++) {
            if (value->type == PC_GGUF_STRING) {
                pc_gguf_next_text(&cursor, &text, &length);
                sum += length ? (uint64_t)text[length - 1] : 0;
            } else {
                sum += (uint64_t)pc_gguf_integer_at(value, n);
            }
        }
    }
    for (size_t i = 0; gguf && i < pc_store_count(store); i++) {
        const pc_array *array = pc_store_at(store, i);
        for (size_t n = 0; n < array->bytes; n++) {
            sum += ((const uint8_t *)array->data)[n];
        }
    }
    pc_store_free(store);
    return status == PC_OK && sum == 1 ? PC_OK : status; /* the sum is used */
}

static void test_mutants(void **state)
{
    (void)state;
    image made = good();
    pc_mutant_result result = pc_test_mutants("gguf", made.bytes, made.size, load_file, NULL, 2000);
    assert_true(result.refused > result.accepted && result.accepted > 50);
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
    image made = good();
    pc_test_folder_new(folder);
    pc_test_write(folder, "good.gguf", made.bytes, made.size);
    pc_test_path(path, folder, "good.gguf");
    assert_true(pc_test_each_allocation(open_and_close, path) > 5);
    write_part(folder, "m-00001-of-00003.gguf", 0, 3, "a");
    write_part(folder, "m-00002-of-00003.gguf", 1, 3, "b");
    write_part(folder, "m-00003-of-00003.gguf", 2, 3, "c");
    pc_test_path(path, folder, "m-00001-of-00003.gguf");
    assert_true(pc_test_each_allocation(open_and_close, path) > 15);
    pc_test_folder_free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_tensors),
        cmocka_unit_test(test_wrong_types_of_values),
        cmocka_unit_test(test_refusals_of_heads),
        cmocka_unit_test(test_refusals_of_keys),
        cmocka_unit_test(test_refusals_of_tensors),
        cmocka_unit_test(test_every_prefix_is_refused),
        cmocka_unit_test(test_splits),
        cmocka_unit_test(test_mutants),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
