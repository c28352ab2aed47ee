/* Allocation: checked sizes, zeroed blocks, arenas, and a hook that makes the n-th request fail in tests. */
#ifndef PC_BASE_MEMORY_H
#define PC_BASE_MEMORY_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* *out = a * b or a + b; false on overflow (then *out is untouched). */
bool pc_mul_size(size_t a, size_t b, size_t *out);
bool pc_add_size(size_t a, size_t b, size_t *out);

/* count * size zeroed bytes; NULL when it overflows or memory is short (the caller reports). count 0 gives a
 * block of one byte, so that NULL always means failure. Release with pc_free. */
void *pc_calloc(size_t count, size_t size);
/* Like realloc on a pc_calloc block (new bytes are not zeroed). On failure the old block stays valid. */
void *pc_realloc(void *block, size_t count, size_t size);
char *pc_strdup(const char *text);                 /* NULL when memory is short */
char *pc_strndup(const char *text, size_t length); /* copies exactly length bytes and adds NUL */
void pc_free(void *block);                         /* NULL is fine */

/* *out = zeroed array of count elements; PC_ERR_MEMORY names `what`. */
pc_status pc_new_array(void *out_pointer, size_t count, size_t size, const char *what);
#define PC_NEW_ARRAY(pointer, count, what) pc_new_array(&(pointer), (count), sizeof *(pointer), (what))
#define PC_NEW(pointer, what) pc_new_array(&(pointer), 1, sizeof *(pointer), (what))

/* Make sure *array (element size `size`, capacity *capacity) holds `need` elements; grows by half. */
pc_status pc_grow(void *array_pointer, size_t *capacity, size_t need, size_t size, const char *what);

/* Large, page-aligned, zeroed memory that asks for huge pages: weights, activations, caches. */
pc_status pc_pages_new(void **out, size_t bytes, const char *what);
void pc_pages_free(void *pages, size_t bytes);

/* An arena: many small objects with one lifetime. Objects are zeroed, 16-byte aligned, and live until
 * pc_arena_clear (arena reusable) or pc_arena_free. Not thread safe. */
typedef struct pc_arena {
    struct pc_arena_block *first;
    size_t used; /* bytes handed out from the newest block */
    size_t size; /* bytes of the newest block */
} pc_arena;

void *pc_arena_alloc(pc_arena *arena, size_t count, size_t size); /* NULL when memory is short */
char *pc_arena_strdup(pc_arena *arena, const char *text);
void pc_arena_free(pc_arena *arena); /* also leaves it empty and reusable */

/* Test hook: the n-th request from now (1 = next) fails once, or that one and all after it when `sticky`.
 * 0 switches it off. pc_alloc_count: requests since the last call of this function. */
void pc_alloc_fail_at(long n, bool sticky);
long pc_alloc_count(void);

#endif
