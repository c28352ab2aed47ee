/* Allocation. Every request passes `allowed`, so that tests can make any one of them fail. */
#include "base/memory.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    HUGE_PAGE = 2 << 20,         /* what transparent huge pages use on x86-64 and 4k-page AArch64 */
    HUGE_FROM = 4 << 20,         /* blocks of at least this size are aligned to it */
    ARENA_FIRST = 16 << 10,      /* bytes of an arena's first block; each next one doubles ... */
    ARENA_LARGEST = 1 << 20,     /* ... up to this */
    ARENA_ALIGNMENT = 16,
};

/* Process-wide test hook, the reason for the only changing globals here: 0 is "off". */
static atomic_long fail_at;
static atomic_bool fail_sticky;
static atomic_long request_count;

void pc_alloc_fail_at(long n, bool sticky)
{
    atomic_store(&fail_sticky, sticky);
    atomic_store(&fail_at, n > 0 ? n : 0);
}

long pc_alloc_count(void)
{
    return atomic_exchange(&request_count, 0);
}

static bool allowed(void)
{
    atomic_fetch_add_explicit(&request_count, 1, memory_order_relaxed);
    long left = atomic_load_explicit(&fail_at, memory_order_relaxed);
    while (left > 0) {
        if (left == 1 && atomic_load(&fail_sticky)) {
            return false;
        }
        if (atomic_compare_exchange_weak(&fail_at, &left, left - 1)) {
            return left != 1;
        }
    }
    return true;
}

bool pc_mul_size(size_t a, size_t b, size_t *out)
{
    size_t product;
    if (__builtin_mul_overflow(a, b, &product)) {
        return false;
    }
    *out = product;
    return true;
}

bool pc_add_size(size_t a, size_t b, size_t *out)
{
    size_t sum;
    if (__builtin_add_overflow(a, b, &sum)) {
        return false;
    }
    *out = sum;
    return true;
}

/* Objects above PTRDIFF_MAX break pointer subtraction, so they count as overflow. */
static bool block_size(size_t count, size_t size, size_t *out)
{
    size_t bytes;
    if (!pc_mul_size(count, size, &bytes) || bytes > PTRDIFF_MAX) {
        return false;
    }
    *out = bytes ? bytes : 1;
    return true;
}

void *pc_calloc(size_t count, size_t size)
{
    size_t bytes;
    if (!allowed() || !block_size(count, size, &bytes)) {
        return NULL;
    }
    return calloc(1, bytes);
}

void *pc_realloc(void *block, size_t count, size_t size)
{
    size_t bytes;
    if (!allowed() || !block_size(count, size, &bytes)) {
        return NULL;
    }
    return realloc(block, bytes);
}

char *pc_strdup(const char *text)
{
    return pc_strndup(text, strlen(text));
}

char *pc_strndup(const char *text, size_t length)
{
    size_t bytes;
    if (!pc_add_size(length, 1, &bytes)) {
        return NULL;
    }
    char *copy = pc_calloc(bytes, 1);
    if (copy && length) {
        memcpy(copy, text, length);
    }
    return copy;
}

void pc_free(void *block)
{
    free(block);
}

static pc_status fail_array(size_t count, size_t size, const char *what)
{
    unsigned long long bytes;
    if (__builtin_mul_overflow((unsigned long long)count, (unsigned long long)size, &bytes)) {
        bytes = ~0ull;
    }
    return pc_fail_memory(bytes, what);
}

pc_status pc_new_array(void *out_pointer, size_t count, size_t size, const char *what)
{
    void *block = pc_calloc(count, size);
    /* out_pointer is the address of some T *; copying the bytes respects its type. */
    memcpy(out_pointer, &block, sizeof block);
    return block ? PC_OK : fail_array(count, size, what);
}

pc_status pc_grow(void *array_pointer, size_t *capacity, size_t need, size_t size, const char *what)
{
    if (need <= *capacity) {
        return PC_OK;
    }
    size_t target;
    if (!pc_add_size(*capacity, *capacity / 2, &target) || target < need) {
        target = need;
    }
    if (target < 8) {
        target = 8;
    }
    void *array;
    memcpy(&array, array_pointer, sizeof array);
    array = pc_realloc(array, target, size);
    if (!array) {
        return fail_array(target, size, what);
    }
    memcpy(array_pointer, &array, sizeof array);
    *capacity = target;
    return PC_OK;
}

/* Map `bytes` at a multiple of HUGE_PAGE by mapping more and cutting off both ends. */
static void *map_aligned(size_t bytes)
{
    size_t whole;
    if (!pc_add_size(bytes, HUGE_PAGE, &whole)) {
        return MAP_FAILED;
    }
    char *start = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED) {
        return MAP_FAILED;
    }
    size_t before = (HUGE_PAGE - (uintptr_t)start % HUGE_PAGE) % HUGE_PAGE;
    size_t after = HUGE_PAGE - before;
    if (before) {
        munmap(start, before);
    }
    if (after) {
        munmap(start + before + bytes, after);
    }
    return start + before;
}

static size_t whole_pages(size_t bytes)
{
    enum { UNIT = 64 << 10 }; /* a multiple of every page size in use */
    return bytes > SIZE_MAX - UNIT ? 0 : bytes ? (bytes + UNIT - 1) / UNIT * UNIT : UNIT;
}

pc_status pc_pages_new(void **out, size_t bytes, const char *what)
{
    size_t rounded = whole_pages(bytes);
    void *pages = MAP_FAILED;
    *out = NULL;
    if (allowed() && rounded && rounded <= PTRDIFF_MAX) {
        pages = rounded >= HUGE_FROM
            ? map_aligned(rounded)
            : mmap(NULL, rounded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    if (pages == MAP_FAILED) {
        return pc_fail_memory(bytes, what);
    }
    if (rounded >= HUGE_FROM) {
        madvise(pages, rounded, MADV_HUGEPAGE); /* a wish: systems without huge pages refuse it */
    }
    *out = pages;
    return PC_OK;
}

void pc_pages_free(void *pages, size_t bytes)
{
    if (pages) {
        munmap(pages, whole_pages(bytes));
    }
}

/* The header is as long as the alignment, so the bytes behind it are aligned. */
struct pc_arena_block {
    struct pc_arena_block *next;
    size_t size;
};

_Static_assert(sizeof(struct pc_arena_block) == ARENA_ALIGNMENT, "arena objects follow the header");

static struct pc_arena_block *new_block(size_t size)
{
    size_t bytes;
    if (!pc_add_size(size, sizeof(struct pc_arena_block), &bytes)) {
        return NULL;
    }
    struct pc_arena_block *block = pc_calloc(1, bytes);
    if (block) {
        block->size = size;
    }
    return block;
}

void *pc_arena_alloc(pc_arena *arena, size_t count, size_t size)
{
    size_t bytes;
    if (!pc_mul_size(count, size, &bytes) || bytes > PTRDIFF_MAX - ARENA_ALIGNMENT) {
        return NULL;
    }
    bytes = bytes ? (bytes + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT : ARENA_ALIGNMENT;
    if (arena->first && bytes <= arena->size - arena->used) {
        char *object = (char *)(arena->first + 1) + arena->used;
        arena->used += bytes;
        return object;
    }
    size_t next = arena->first ? arena->size * 2 : ARENA_FIRST;
    next = next > ARENA_LARGEST ? ARENA_LARGEST : next;
    if (arena->first && bytes > next / 2) {
        /* A large object gets a block of its own behind the newest one, whose free end stays in use. */
        struct pc_arena_block *own = new_block(bytes);
        if (!own) {
            return NULL;
        }
        own->next = arena->first->next;
        arena->first->next = own;
        return own + 1;
    }
    struct pc_arena_block *block = new_block(bytes > next ? bytes : next);
    if (!block) {
        return NULL;
    }
    block->next = arena->first;
    arena->first = block;
    arena->size = block->size;
    arena->used = bytes;
    return block + 1;
}

char *pc_arena_strdup(pc_arena *arena, const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = pc_arena_alloc(arena, bytes, 1);
    if (copy) {
        memcpy(copy, text, bytes);
    }
    return copy;
}

void pc_arena_free(pc_arena *arena)
{
    struct pc_arena_block *block = arena->first;
    while (block) {
        struct pc_arena_block *next = block->next;
        pc_free(block);
        block = next;
    }
    *arena = (pc_arena){0};
}
