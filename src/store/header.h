/* The header of one safetensors file -> arrays that point into its bytes. Used by store.c for files
 * and shards. */
#ifndef PC_STORE_HEADER_H
#define PC_STORE_HEADER_H

#include "base/memory.h"
#include "store/names.h"
#include "store/store.h"

/* A pair of __metadata__. */
typedef struct pc_pair {
    const char *key;
    const char *value;
} pc_pair;

typedef struct pc_header {
    pc_array *arrays; /* in the order of the file's header */
    size_t count;
    pc_pair *metadata;
    size_t metadata_count;
    pc_names names; /* of arrays */
} pc_header;

/* Validate bytes[size) as a whole safetensors file and list its arrays. `file` goes into each array
 * and message, and must live as long as the arrays; strings are put into `arena`. */
pc_status pc_header_read(pc_header *out, const uint8_t *bytes, size_t size, const char *file,
                         pc_arena *arena);
void pc_header_clear(pc_header *header); /* the arena stays */

#endif
