/* The memory of keys and values: a pool of pages, a table of pages and a length for each row of a session.
 *
 * A row is one sequence. Key row r of sequence i has the address i * stride + r, which is what ranges of attention speak
 * of; the table says which page of the pool holds it. Sequences share pages of a common beginning: a page is copied when
 * one of them writes into it. Keys and values of all layers lie in pages of the same number.
 */
#ifndef PC_MODEL_CACHE_H
#define PC_MODEL_CACHE_H

#include "base/dtype.h"
#include "base/memory.h"

typedef struct pc_cache_shape {
    int64_t layers;
    int64_t width;   /* K*E: numbers of a key, or of a value */
    int64_t rows;    /* sequences */
    int64_t context; /* most tokens of a sequence */
    int64_t sinks, window; /* with a window a row holds its first `sinks` tokens, its newest `window` and some more; 0 = all */
    int64_t chunk;         /* with a window: most tokens of one pc_cache_extend */
    int64_t tokens;  /* of the pool in all; 0 = rows * context */
    pc_dtype keys, values; /* PC_F32, PC_BF16 or PC_F16; PC_Q8_0 or PC_Q4_0 where the width is whole blocks */
} pc_cache_shape;

typedef struct pc_cache pc_cache;

pc_status pc_cache_new(pc_cache **out, const pc_cache_shape *shape);
void pc_cache_free(pc_cache *cache);
pc_status pc_cache_bytes(const pc_cache_shape *shape, size_t *bytes); /* of the pool, without making it; PC_ERR_DATA for a width
                                                                        * that is no whole blocks */

int64_t pc_cache_length(const pc_cache *cache, int64_t row);
pc_status pc_cache_check(const pc_cache *cache, int64_t row, int64_t count); /* PC_ERR_DATA: so many more are beyond the context */
/* Make place for `count` more tokens of a row, and count them in; with a window, pages go whose tokens none of these sees.
 * PC_ERR_DATA when the row would be longer than its context, or when no page is free; its length is as before then. */
pc_status pc_cache_extend(pc_cache *cache, int64_t row, int64_t count);
/* The longest beginning of a row, of at most `length` tokens, behind which another text can follow: with a window some are
 * gone that the next token would see. */
int64_t pc_cache_reusable(const pc_cache *cache, int64_t row, int64_t length);
/* Forget what lies behind the first `length` tokens of a row, or behind as many of them as are reusable. */
void pc_cache_truncate(pc_cache *cache, int64_t row, int64_t length);
/* Row `to` (which is emptied first) begins with the first `length` tokens of row `from`, without a copy of its pages. */
void pc_cache_share(pc_cache *cache, int64_t to, int64_t from, int64_t length);
int64_t pc_cache_free_tokens(const pc_cache *cache); /* that pages without an owner could hold */

/* Address of a row's first token, how far behind it that of token i lies, and the row of the pool that holds token i. */
int64_t pc_cache_address(const pc_cache *cache, int64_t row);
int64_t pc_cache_offset(const pc_cache *cache, int64_t row, int64_t i);
int32_t pc_cache_place(const pc_cache *cache, int64_t row, int64_t i);

/* For attention: the table i32 [pc_cache_table_size], and keys and values [pc_cache_pool_rows, width] of a layer, each in
 * its type. */
const int32_t *pc_cache_table(const pc_cache *cache);
int64_t pc_cache_table_size(const pc_cache *cache);
int64_t pc_cache_pool_rows(const pc_cache *cache);
void *pc_cache_keys(const pc_cache *cache, int64_t layer);
void *pc_cache_values(const pc_cache *cache, int64_t layer);

#endif
