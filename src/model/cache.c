/* A pool of pages that count their owners. Source of the idea: PagedAttention, Kwon et al. 2023 (arXiv:2309.06180).
 *
 * Easy to get wrong: a shared page that the next token would be written into must be copied first; address 0 of the table
 * is valid for rows that hold nothing, for nobody looks there. With a window the pages behind those of the sinks move up in the
 * table when the oldest goes: `dropped` tells by how many tokens, always whole pages.
 */
#include "model/cache.h"

#include "llm/llm.h"

#include <string.h>

struct pc_cache {
    pc_cache_shape shape;
    int64_t pages;        /* of the pool */
    int64_t row_pages;    /* places of the table for each row */
    size_t page_bytes[2]; /* of one layer's keys, and of its values */
    char *pool;           /* [layers]: keys, then values, [pages][PC_CACHE_PAGE][width] */
    size_t pool_bytes;
    int32_t *table;       /* [rows][row_pages] */
    int64_t *lengths;     /* [rows] */
    int64_t *dropped;     /* [rows]: tokens that are gone from behind the sinks' pages; 0 without a window */
    int32_t *owners;      /* [pages]: rows that hold the page */
    int32_t *free_pages;  /* a stack */
    int64_t free_count;
};

static int64_t pages_for(int64_t tokens)
{
    return (tokens + PC_CACHE_PAGE - 1) / PC_CACHE_PAGE;
}

/* Pages that a row holds at most: with a window those of the sinks, of the window that a chunk's first token sees, of the chunk,
 * and those in which they begin and end. */
static int64_t pages_of_row(const pc_cache_shape *shape)
{
    const int64_t all = pages_for(shape->context);
    if (!shape->window) {
        return all;
    }
    const int64_t held = pages_for(shape->sinks) + pages_for(shape->window + shape->chunk) + 2;
    return held < all ? held : all;
}

/* Every row can end in a page of its own. */
static int64_t pool_pages(const pc_cache_shape *shape)
{
    return shape->tokens ? pages_for(shape->tokens) : shape->rows * pages_of_row(shape);
}

/* Bytes of a key and of a value, all heads together. */
static pc_status row_bytes(const pc_cache_shape *shape, size_t out[2])
{
    const pc_dtype types[2] = {shape->keys, shape->values};
    for (int i = 0; i < 2; i++) {
        if (!pc_dtype_bytes(types[i], (size_t)shape->width, &out[i])) {
            return pc_fail(PC_ERR_DATA, "the KV cache: %s of %lld numbers are no whole blocks of %s, which has %zu",
                           i ? "values" : "keys", (long long)shape->width, pc_dtype_name(types[i]), pc_dtype_unit(types[i]));
        }
    }
    return PC_OK;
}

pc_status pc_cache_bytes(const pc_cache_shape *shape, size_t *bytes)
{
    size_t row[2], rows, all;
    PC_TRY(row_bytes(shape, row));
    if (shape->rows < 1 || shape->context < 1 || shape->context > INT32_MAX / 2 / shape->rows) {
        return pc_fail(PC_ERR_DATA, "a cache of %lld x %lld tokens is too large", (long long)shape->rows,
                       (long long)shape->context);
    }
    if (!pc_mul_size((size_t)pool_pages(shape) * PC_CACHE_PAGE, (size_t)shape->layers, &rows) ||
        !pc_mul_size(rows, row[0] + row[1], &all)) {
        return pc_fail_memory(SIZE_MAX, "the KV cache");
    }
    *bytes = all;
    return PC_OK;
}

pc_status pc_cache_new(pc_cache **out, const pc_cache_shape *shape)
{
    pc_cache *cache = NULL;
    pc_status status;
    size_t row[2];
    *out = NULL;
    PC_TRY(row_bytes(shape, row));
    PC_TRY(PC_NEW(cache, "the KV cache"));
    cache->shape = *shape;
    PC_GO(pc_cache_bytes(shape, &cache->pool_bytes));
    cache->pages = pool_pages(shape);
    cache->row_pages = pages_of_row(shape);
    cache->page_bytes[0] = PC_CACHE_PAGE * row[0];
    cache->page_bytes[1] = PC_CACHE_PAGE * row[1];
    PC_GO(pc_pages_new((void **)&cache->pool, cache->pool_bytes, "the KV cache"));
    PC_GO(PC_NEW_ARRAY(cache->table, (size_t)(shape->rows * cache->row_pages), "the KV cache"));
    PC_GO(PC_NEW_ARRAY(cache->lengths, (size_t)shape->rows, "the KV cache"));
    PC_GO(PC_NEW_ARRAY(cache->dropped, (size_t)shape->rows, "the KV cache"));
    PC_GO(PC_NEW_ARRAY(cache->owners, (size_t)cache->pages, "the KV cache"));
    PC_GO(PC_NEW_ARRAY(cache->free_pages, (size_t)cache->pages, "the KV cache"));
    for (int64_t i = cache->pages - 1; i >= 0; i--) { /* the first page is taken first */
        cache->free_pages[cache->free_count++] = (int32_t)i;
    }
    *out = cache;
    return PC_OK;
done:
    pc_cache_free(cache);
    return status;
}

void pc_cache_free(pc_cache *cache)
{
    if (cache) {
        pc_pages_free(cache->pool, cache->pool_bytes);
        pc_free(cache->table);
        pc_free(cache->lengths);
        pc_free(cache->dropped);
        pc_free(cache->owners);
        pc_free(cache->free_pages);
        pc_free(cache);
    }
}

static int32_t *table_of(const pc_cache *cache, int64_t row)
{
    return cache->table + row * cache->row_pages;
}

static int32_t take_page(pc_cache *cache)
{
    int32_t page = cache->free_pages[--cache->free_count];
    cache->owners[page] = 1;
    return page;
}

static void drop_page(pc_cache *cache, int32_t page)
{
    if (--cache->owners[page] == 0) {
        cache->free_pages[cache->free_count++] = page;
    }
}

/* part: 0 = keys, 1 = values */
static char *page_at(const pc_cache *cache, int64_t layer, int part, int64_t page)
{
    const size_t pages = (size_t)cache->pages, keys = pages * cache->page_bytes[0], both = keys + pages * cache->page_bytes[1];
    return cache->pool + (size_t)layer * both + (part ? keys : 0) + (size_t)page * cache->page_bytes[part];
}

/* A page of its own for the row's last, unfinished one. */
static void own_page(pc_cache *cache, int32_t *place)
{
    int32_t page = take_page(cache);
    for (int64_t i = 0; i < 2 * cache->shape.layers; i++) {
        const int part = (int)(i % 2);
        memcpy(page_at(cache, i / 2, part, page), page_at(cache, i / 2, part, *place), cache->page_bytes[part]);
    }
    drop_page(cache, *place);
    *place = page;
}

int64_t pc_cache_length(const pc_cache *cache, int64_t row)
{
    return cache->lengths[row];
}

/* Tokens of the pages that stay because sinks lie in them. */
static int64_t kept(const pc_cache *cache)
{
    return cache->shape.window ? pages_for(cache->shape.sinks) * PC_CACHE_PAGE : 0;
}

static int64_t held(const pc_cache *cache, int64_t row)
{
    return cache->lengths[row] - cache->dropped[row];
}

/* Pages go that lie before the window of the row's next token. */
static void drop_old(pc_cache *cache, int64_t row)
{
    int32_t *pages = table_of(cache, row) + kept(cache) / PC_CACHE_PAGE;
    const int64_t begin = cache->lengths[row] - cache->shape.window - kept(cache) - cache->dropped[row];
    const int64_t gone = cache->shape.window && begin > 0 ? begin / PC_CACHE_PAGE : 0;
    const int64_t left = pages_for(held(cache, row) - kept(cache)) - gone;
    if (gone == 0) {
        return;
    }
    for (int64_t i = 0; i < gone; i++) {
        drop_page(cache, pages[i]);
    }
    memmove(pages, pages + gone, (size_t)left * sizeof *pages);
    memset(pages + left, 0, (size_t)gone * sizeof *pages);
    cache->dropped[row] += gone * PC_CACHE_PAGE;
}

pc_status pc_cache_check(const pc_cache *cache, int64_t row, int64_t count)
{
    const int64_t length = cache->lengths[row];
    return count <= cache->shape.context - length
               ? PC_OK
               : pc_fail(PC_ERR_DATA, "the prompt needs %lld tokens, the context holds %lld (raise it with -c)",
                         (long long)(length + count), (long long)cache->shape.context);
}

pc_status pc_cache_extend(pc_cache *cache, int64_t row, int64_t count)
{
    drop_old(cache, row);
    PC_TRY(pc_cache_check(cache, row, count));
    int64_t length = held(cache, row), have = pages_for(length);
    int64_t want = pages_for(length + count);
    bool shared = count > 0 && length % PC_CACHE_PAGE && cache->owners[table_of(cache, row)[have - 1]] > 1;
    if (want - have + shared > cache->free_count) {
        return pc_fail(PC_ERR_DATA, "the KV cache is full: %lld more tokens are wanted, %lld are free", (long long)count,
                       (long long)pc_cache_free_tokens(cache));
    }
    if (shared) {
        own_page(cache, table_of(cache, row) + have - 1);
    }
    for (; have < want; have++) {
        table_of(cache, row)[have] = take_page(cache);
    }
    cache->lengths[row] += count;
    return PC_OK;
}

int64_t pc_cache_reusable(const pc_cache *cache, int64_t row, int64_t length)
{
    length = length < cache->lengths[row] ? length : cache->lengths[row];
    length = length < 0 ? 0 : length;
    if (cache->dropped[row] == 0 || length - cache->shape.window >= kept(cache) + cache->dropped[row]) {
        return length;
    }
    return length < kept(cache) ? length : kept(cache);
}

/* What is gone from the middle of a row's first `length` tokens, which are reusable. */
static int64_t dropped_before(const pc_cache *cache, int64_t row, int64_t length)
{
    return length > kept(cache) ? cache->dropped[row] : 0;
}

void pc_cache_truncate(pc_cache *cache, int64_t row, int64_t length)
{
    length = pc_cache_reusable(cache, row, length);
    const int64_t gone = dropped_before(cache, row, length);
    for (int64_t i = pages_for(held(cache, row)); i-- > pages_for(length - gone);) {
        drop_page(cache, table_of(cache, row)[i]);
        table_of(cache, row)[i] = 0;
    }
    cache->lengths[row] = length;
    cache->dropped[row] = gone;
}

void pc_cache_share(pc_cache *cache, int64_t to, int64_t from, int64_t length)
{
    if (to == from) {
        pc_cache_truncate(cache, to, length);
        return;
    }
    pc_cache_truncate(cache, to, 0);
    length = pc_cache_reusable(cache, from, length);
    cache->dropped[to] = dropped_before(cache, from, length);
    for (int64_t i = 0; i < pages_for(length - cache->dropped[to]); i++) {
        table_of(cache, to)[i] = table_of(cache, from)[i];
        cache->owners[table_of(cache, to)[i]]++;
    }
    cache->lengths[to] = length;
}

int64_t pc_cache_free_tokens(const pc_cache *cache)
{
    return cache->free_count * PC_CACHE_PAGE;
}

int64_t pc_cache_address(const pc_cache *cache, int64_t row)
{
    return row * cache->row_pages * PC_CACHE_PAGE;
}

int64_t pc_cache_offset(const pc_cache *cache, int64_t row, int64_t i)
{
    return i < kept(cache) ? i : i - cache->dropped[row];
}

int32_t pc_cache_place(const pc_cache *cache, int64_t row, int64_t i)
{
    i = pc_cache_offset(cache, row, i);
    return table_of(cache, row)[i / PC_CACHE_PAGE] * PC_CACHE_PAGE + (int32_t)(i % PC_CACHE_PAGE);
}

const int32_t *pc_cache_table(const pc_cache *cache)
{
    return cache->table;
}

int64_t pc_cache_table_size(const pc_cache *cache)
{
    return cache->shape.rows * cache->row_pages;
}

int64_t pc_cache_pool_rows(const pc_cache *cache)
{
    return cache->pages * PC_CACHE_PAGE;
}

void *pc_cache_keys(const pc_cache *cache, int64_t layer)
{
    return page_at(cache, layer, 0, 0);
}

void *pc_cache_values(const pc_cache *cache, int64_t layer)
{
    return page_at(cache, layer, 1, 0);
}
