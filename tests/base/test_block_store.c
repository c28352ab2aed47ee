/* Blocks of a cache against what llama.cpp's gguf-py makes of the same numbers: tests/oracle/make_cache_blocks.py. */
#include "base/block.h"
#include "base/block_store.h"
#include "store/store.h"
#include "support/golden.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const pc_dtype types[] = {PC_Q8_0, PC_Q4_0};
enum { TYPES = sizeof types / sizeof types[0] };

static void test_the_same_bytes(void **state)
{
    pc_store *store;
    uint8_t blocks[1 << 13];
    (void)state;
    assert_int_equal(pc_store_open(&store, GOLDEN("gguf/cache_blocks.safetensors")), PC_OK);
    const pc_array *x = pc_store_find(store, "x");
    assert_non_null(x);
    for (int i = 0; i < TYPES; i++) {
        const pc_array *want = pc_store_find(store, pc_dtype_name(types[i]));
        assert_non_null(want);
        assert_true(want->bytes <= sizeof blocks);
        assert_true(pc_block_stores(types[i]));
        pc_block_store(types[i], blocks, x->data, (size_t)pc_array_count(x));
        assert_memory_equal(blocks, want->data, want->bytes);
    }
    pc_store_free(store);
}

/* What a block means stays as it is when it is stored again. */
static void test_twice(void **state)
{
    (void)state;
    for (int i = 0; i < TYPES; i++) {
        float x[PC_BLOCK_SMALL], once[PC_BLOCK_SMALL], again[PC_BLOCK_SMALL];
        pc_block_q8_0 block; /* the larger one */
        for (int k = 0; k < PC_BLOCK_SMALL; k++) {
            x[k] = (float)(k == 3 ? -8 : k % 8) * 0.5f; /* Q4_0 has these exactly */
        }
        pc_block_store(types[i], &block, x, PC_BLOCK_SMALL);
        pc_block_dequantise(types[i], once, &block, PC_BLOCK_SMALL);
        pc_block_store(types[i], &block, once, PC_BLOCK_SMALL);
        pc_block_dequantise(types[i], again, &block, PC_BLOCK_SMALL);
        for (int k = 0; k < PC_BLOCK_SMALL; k++) {
            assert_true(types[i] != PC_Q4_0 || once[k] == x[k]);
            assert_true(again[k] == once[k]);
        }
    }
}

/* Numbers that are not finite stay visible; zeros and the smallest numbers are no trouble. */
static void test_edges(void **state)
{
    static const float edges[] = {NAN, INFINITY, -INFINITY};
    (void)state;
    for (int i = 0; i < TYPES; i++) {
        float x[PC_BLOCK_SMALL] = {0}, found[PC_BLOCK_SMALL];
        pc_block_q8_0 block;
        pc_block_store(types[i], &block, x, PC_BLOCK_SMALL);
        pc_block_dequantise(types[i], found, &block, PC_BLOCK_SMALL);
        for (int k = 0; k < PC_BLOCK_SMALL; k++) {
            assert_true(found[k] == 0);
        }
        x[5] = 1e-42f;
        pc_block_store(types[i], &block, x, PC_BLOCK_SMALL);
        pc_block_dequantise(types[i], found, &block, PC_BLOCK_SMALL);
        assert_true(found[5] == 0 && found[6] == 0);
        for (size_t e = 0; e < sizeof edges / sizeof edges[0]; e++) {
            x[5] = edges[e];
            pc_block_store(types[i], &block, x, PC_BLOCK_SMALL);
            pc_block_dequantise(types[i], found, &block, PC_BLOCK_SMALL);
            assert_true(isnan(found[5]));
        }
        x[5] = 3e38f; /* its scale is beyond f16 */
        pc_block_store(types[i], &block, x, PC_BLOCK_SMALL);
        pc_block_dequantise(types[i], found, &block, PC_BLOCK_SMALL);
        assert_false(isfinite(found[5]));
    }
    assert_false(pc_block_stores(PC_F32) || pc_block_stores(PC_Q6_K));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_bytes),
        cmocka_unit_test(test_twice),
        cmocka_unit_test(test_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
