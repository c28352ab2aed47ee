/* The state of a safetensors writer, shared by writer.c and layout.c. */
#ifndef PC_STORE_WRITER_INTERNAL_H
#define PC_STORE_WRITER_INTERNAL_H

#include "base/json.h"
#include "base/str.h"
#include "store/names.h"
#include "store/writer.h"

#include <stdbool.h>

typedef struct pc_writer_entry {
    const char *name;
    pc_dtype dtype;
    int ndim;
    int64_t dim[PC_ARRAY_MAX_DIMS];
    size_t bytes;
    uint64_t begin; /* in its shard's data */
    size_t shard;
    bool put;
} pc_writer_entry;

typedef struct pc_writer_shard {
    char *name; /* plain, final */
    char *path; /* final */
    char *temporary;
    pc_str header; /* length field, JSON, padding; released once written */
    uint64_t data_begin;
    uint64_t data_bytes;
    int fd;
    bool created; /* the temporary file exists */
} pc_writer_shard;

struct pc_store_writer {
    char *folder;
    char *stem; /* file name without ".safetensors" */
    size_t max_shard_bytes;
    pc_writer_entry *entries;
    size_t entry_count, entry_capacity;
    pc_names names; /* filled by the layout */
    pc_json *metadata;
    pc_writer_shard *shards;
    size_t shard_count;
    char *index_name; /* NULL for a single file */
    float *piece;
    bool laid_out, begun, finished, broken;
};

/* Once: assign shards, give each array its place, and make the headers. */
pc_status pc_store_writer_lay_out(pc_store_writer *writer);

#endif
