/* Block formats against ggml: tests/oracle/make_gguf_blocks.c made the fixture. */
#include "base/block.h"
#include "base/memory.h"
#include "store/store.h"
#include "support/golden.h"
#include "tensor/tensor.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const pc_dtype formats[] = {PC_Q4_0, PC_Q4_1, PC_Q5_0, PC_Q5_1, PC_Q8_0,   PC_Q2_K,
                                   PC_Q3_K, PC_Q4_K, PC_Q5_K, PC_Q6_K, PC_IQ4_NL, PC_IQ4_XS};
enum { FORMATS = sizeof formats / sizeof formats[0] };

static pc_store *store;

static int open_fixture(void **state)
{
    (void)state;
    return pc_store_open(&store, GOLDEN("gguf/blocks.safetensors")) == PC_OK ? 0 : -1;
}

static int close_fixture(void **state)
{
    (void)state;
    pc_store_free(store);
    return 0;
}

static const pc_array *array_of(pc_dtype dtype, const char *what)
{
    char name[64];
    snprintf(name, sizeof name, "%s.%s", pc_dtype_name(dtype), what);
    return pc_store_find(store, name);
}

static void values_are_those_of_ggml(void **state)
{
    (void)state;
    for (int f = 0; f < FORMATS; f++) {
        const pc_array *blocks = array_of(formats[f], "blocks"), *values = array_of(formats[f], "values");
        float *found;
        size_t count = (size_t)pc_array_count(values), bytes;
        assert_true(pc_dtype_bytes(formats[f], count, &bytes) && bytes <= blocks->bytes);
        assert_int_equal(pc_new_array(&found, count, sizeof *found, "values"), PC_OK);
        pc_convert_to_f32(found, blocks->data, formats[f], count);
        assert_memory_equal(found, values->data, count * sizeof *found);
        pc_tensor tensor = {.dtype = formats[f], .shape = pc_dims(1, (int64_t)count), .data = (void *)blocks->data};
        assert_int_equal(pc_tensor_bytes(&tensor), bytes);
        for (size_t i = 0; i < count; i += 7) {
            assert_true(pc_tensor_get(&tensor, (int64_t)i) == (double)found[i]);
        }
        pc_free(found);
    }
}

static double squared_error(const float *x, const float *y, size_t count)
{
    double error = 0;
    for (size_t i = 0; i < count; i++) {
        error += ((double)x[i] - y[i]) * ((double)x[i] - y[i]);
    }
    return error;
}

static void quantisers_err_no_more_than_ggml(void **state)
{
    (void)state;
    const pc_array *weights = pc_store_find(store, "weights");
    size_t count = (size_t)pc_array_count(weights);
    float *back;
    uint8_t *blocks;
    assert_int_equal(pc_new_array(&back, count, sizeof *back, "values"), PC_OK);
    assert_int_equal(pc_new_array(&blocks, count, 2, "blocks"), PC_OK);
    for (int f = 0; f < FORMATS; f++) {
        const pc_array *theirs = array_of(formats[f], "error");
        double most;
        assert_int_equal(theirs != NULL, pc_block_quantises(formats[f]));
        if (theirs) {
            memcpy(&most, theirs->data, sizeof most);
            pc_convert_from_f32(blocks, formats[f], weights->data, count);
            pc_convert_to_f32(back, blocks, formats[f], count);
            double error = squared_error(weights->data, back, count);
            print_message("%-6s squared error %.6g, ggml's %.6g\n", pc_dtype_name(formats[f]), error, most);
            assert_true(error <= most);
        }
    }
    pc_free(back);
    pc_free(blocks);
}

static void odd_numbers_neither_crash_nor_spoil_neighbours(void **state)
{
    (void)state;
    float x[2 * PC_BLOCK_LARGE], y[2 * PC_BLOCK_LARGE];
    uint8_t blocks[4 * PC_BLOCK_LARGE];
    const float odd[] = {NAN, INFINITY, -INFINITY, 1e38f, -1e38f, 1e-40f, 0};
    for (int f = 0; f < FORMATS; f++) {
        for (size_t o = 0; o < sizeof odd / sizeof odd[0] && pc_block_quantises(formats[f]); o++) {
            for (int i = 0; i < 2 * PC_BLOCK_LARGE; i++) {
                x[i] = i < PC_BLOCK_LARGE ? (i % 3 ? odd[o] : 1.0f) : (float)(i % 17) - 8;
            }
            pc_block_quantise(formats[f], blocks, x, 2 * PC_BLOCK_LARGE);
            pc_block_dequantise(formats[f], y, blocks, 2 * PC_BLOCK_LARGE);
            for (int i = PC_BLOCK_LARGE; i < 2 * PC_BLOCK_LARGE; i++) {
                assert_true(fabsf(x[i] - y[i]) < 1.3f);
            }
        }
    }
}

static void sizes_refuse_parts_of_blocks(void **state)
{
    (void)state;
    size_t bytes;
    assert_true(pc_dtype_bytes(PC_Q4_K, 512, &bytes));
    assert_int_equal(bytes, 288);
    assert_false(pc_dtype_bytes(PC_Q4_K, 511, &bytes));
    assert_false(pc_dtype_bytes(PC_Q8_0, SIZE_MAX / 32 * 32, &bytes));
    assert_int_equal(pc_dtype_from_name("Q4_K"), PC_Q4_K);
    assert_int_equal(pc_dtype_from_name("iq4_nl"), PC_IQ4_NL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_those_of_ggml),
        cmocka_unit_test(quantisers_err_no_more_than_ggml),
        cmocka_unit_test(odd_numbers_neither_crash_nor_spoil_neighbours),
        cmocka_unit_test(sizes_refuse_parts_of_blocks),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
