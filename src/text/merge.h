/* The core of BPE: merging neighbours, best pair first, until none can merge. Internal to text/.
 *
 * Equal ranks merge from the left. Up to PC_MERGE_SHORT symbols a scan for the best pair is fastest; above it a heap
 * makes the whole O(n log n).
 */
#ifndef PC_TEXT_MERGE_H
#define PC_TEXT_MERGE_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

enum { PC_MERGE_SHORT = 40 };
#define PC_NO_MERGE UINT32_MAX

typedef struct pc_symbol {
    uint32_t start;  /* byte in the word */
    uint32_t length; /* bytes, at least 1 */
    int32_t id;      /* -1: not in the vocabulary (only score models keep such) */
} pc_symbol;

/* Rank of merging two neighbours (smaller first), PC_NO_MERGE when they don't merge; *id = the result's token. */
typedef uint32_t (*pc_merge_rank)(const void *model, const char *word, const pc_symbol *left, const pc_symbol *right,
                                  int32_t *id);

/* Room for long words, kept between calls. Initialise with {0}. */
typedef struct pc_merge_work {
    struct pc_merge_candidate *heap;
    uint32_t *links; /* before, after for each symbol */
    size_t heap_capacity, links_capacity;
} pc_merge_work;

/* Merge symbols[0..*count) in place; they cover `word` without gaps. */
pc_status pc_merge(pc_merge_rank rank, const void *model, const char *word, pc_symbol *symbols, size_t *count,
                   pc_merge_work *work);
void pc_merge_work_clear(pc_merge_work *work);

/* (left id, right id) -> (rank, merged id): the merges of a BPE model. */
typedef struct pc_merge_slot {
    int32_t left, right; /* left -1: empty */
    uint32_t rank;
    int32_t id;
} pc_merge_slot;

typedef struct pc_merge_table {
    pc_merge_slot *slots; /* power of two, at most half full */
    size_t slot_count, filled;
} pc_merge_table;

pc_status pc_merge_table_init(pc_merge_table *table, size_t merges);
/* A pair that is there already gets the new rank and id. There must be room. */
void pc_merge_table_set(pc_merge_table *table, int32_t left, int32_t right, uint32_t rank, int32_t id);
/* PC_NO_MERGE when absent. */
uint32_t pc_merge_table_find(const pc_merge_table *table, int32_t left, int32_t right, int32_t *id);
void pc_merge_table_clear(pc_merge_table *table);

#endif
