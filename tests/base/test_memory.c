/* Checked sizes, blocks, pages, arenas, and injected failures. */
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void sizes_are_checked(void **state)
{
    (void)state;
    size_t out = 5;
    assert_true(pc_mul_size(3, 4, &out));
    assert_int_equal(out, 12);
    assert_false(pc_mul_size(SIZE_MAX / 2, 3, &out));
    assert_int_equal(out, 12);
    assert_false(pc_add_size(SIZE_MAX, 1, &out));
    assert_true(pc_add_size(SIZE_MAX - 1, 1, &out));
    assert_null(pc_calloc(SIZE_MAX, 2));
    assert_null(pc_calloc(SIZE_MAX, 1));
    double *array = NULL;
    assert_int_equal(PC_NEW_ARRAY(array, SIZE_MAX / 4, "numbers"), PC_ERR_MEMORY);
    assert_null(array);
    assert_non_null(strstr(pc_error(), "numbers"));
}

static void blocks_are_zeroed_and_never_null(void **state)
{
    (void)state;
    char *empty = pc_calloc(0, 8);
    assert_non_null(empty);
    assert_int_equal(empty[0], 0);
    empty = pc_realloc(empty, 100, 1);
    assert_non_null(empty);
    pc_free(empty);
    pc_free(NULL);
    char *copy = pc_strndup("abcdef", 3);
    assert_string_equal(copy, "abc");
    pc_free(copy);
    copy = pc_strndup("a\0b", 3);
    assert_memory_equal(copy, "a\0b", 4);
    pc_free(copy);
}

static void arrays_grow(void **state)
{
    (void)state;
    int *array = NULL;
    size_t capacity = 0;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(pc_grow(&array, &capacity, (size_t)i + 1, sizeof *array, "ints"), PC_OK);
        array[i] = i;
    }
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(array[i], i);
    }
    size_t before = capacity;
    assert_int_equal(pc_grow(&array, &capacity, SIZE_MAX / 2, sizeof *array, "ints"), PC_ERR_MEMORY);
    assert_int_equal(capacity, before);
    assert_int_equal(array[999], 999);
    pc_free(array);
}

static void pages_are_aligned_and_zeroed(void **state)
{
    (void)state;
    const size_t sizes[] = {0, 1, 4096, 100000, (4u << 20) - 1, 4u << 20, (9u << 20) + 7};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        void *pages = NULL;
        assert_int_equal(pc_pages_new(&pages, sizes[i], "pages"), PC_OK);
        assert_int_equal((uintptr_t)pages % (sizes[i] >= 4u << 20 ? 2u << 20 : 4096), 0);
        unsigned char *bytes = pages;
        for (size_t at = 0; at < sizes[i]; at += 4096) {
            assert_int_equal(bytes[at], 0);
            bytes[at] = 1;
        }
        pc_pages_free(pages, sizes[i]);
    }
    void *pages = &pages;
    assert_int_equal(pc_pages_new(&pages, SIZE_MAX, "too much"), PC_ERR_MEMORY);
    assert_null(pages);
    assert_int_equal(pc_pages_new(&pages, SIZE_MAX / 4, "too much"), PC_ERR_MEMORY);
    pc_pages_free(NULL, 0);
}

static void arena_objects_are_apart(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    static unsigned char *objects[COUNT];
    pc_arena arena = {0};
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < COUNT; i++) {
            size_t size = i % 500 == 499 ? 300000 : i % 97;
            objects[i] = pc_arena_alloc(&arena, size, 1);
            assert_non_null(objects[i]);
            assert_int_equal((uintptr_t)objects[i] % 16, 0);
            for (size_t k = 0; k < size; k++) {
                assert_int_equal(objects[i][k], 0);
            }
            memset(objects[i], (int)(i % 251) + 1, size);
        }
        for (size_t i = 0; i < COUNT; i++) {
            size_t size = i % 500 == 499 ? 300000 : i % 97;
            for (size_t k = 0; k < size; k++) {
                assert_int_equal(objects[i][k], i % 251 + 1);
            }
        }
        assert_string_equal(pc_arena_strdup(&arena, "text"), "text");
        assert_null(pc_arena_alloc(&arena, SIZE_MAX, 2));
        assert_null(pc_arena_alloc(&arena, SIZE_MAX, 1));
        pc_arena_free(&arena);
    }
    char *large = pc_arena_alloc(&arena, 1u << 22, 1); /* the very first object is large */
    assert_non_null(large);
    large[(1u << 22) - 1] = 1;
    assert_non_null(pc_arena_alloc(&arena, 1, 1));
    pc_arena_free(&arena);
}

/* Three requests, of which `fails` tells which were refused. */
static void request_three(bool fails[3])
{
    void *first = pc_calloc(1, 1);
    void *second = NULL;
    pc_status status = pc_pages_new(&second, 1, "pages");
    void *third = pc_realloc(NULL, 1, 1);
    fails[0] = !first;
    fails[1] = status != PC_OK;
    fails[2] = !third;
    pc_free(first);
    pc_pages_free(second, 1);
    pc_free(third);
}

static void chosen_requests_fail(void **state)
{
    (void)state;
    bool fails[3];
    pc_alloc_count();
    request_three(fails);
    assert_int_equal(pc_alloc_count(), 3);
    assert_int_equal(pc_alloc_count(), 0);
    assert_false(fails[0] || fails[1] || fails[2]);
    for (int n = 1; n <= 3; n++) {
        pc_alloc_fail_at(n, false);
        request_three(fails);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(fails[i], i + 1 == n);
        }
        pc_alloc_fail_at(n, true);
        request_three(fails);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(fails[i], i + 1 >= n);
        }
        request_three(fails);
        assert_true(fails[0] && fails[1] && fails[2]);
        pc_alloc_fail_at(0, false);
    }
    request_three(fails);
    assert_false(fails[0] || fails[1] || fails[2]);
}

static void failed_realloc_keeps_the_block(void **state)
{
    (void)state;
    char *text = pc_strdup("kept");
    pc_alloc_fail_at(1, false);
    assert_null(pc_realloc(text, 1000, 1));
    assert_string_equal(text, "kept");
    pc_free(text);
    pc_arena arena = {0};
    pc_alloc_fail_at(1, false);
    assert_null(pc_arena_alloc(&arena, 1, 1));
    assert_non_null(pc_arena_alloc(&arena, 1, 1));
    pc_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_checked),    cmocka_unit_test(blocks_are_zeroed_and_never_null),
        cmocka_unit_test(arrays_grow),          cmocka_unit_test(pages_are_aligned_and_zeroed),
        cmocka_unit_test(chosen_requests_fail), cmocka_unit_test(failed_realloc_keeps_the_block),
        cmocka_unit_test(arena_objects_are_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
