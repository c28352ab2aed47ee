/* A Parquet file: its schema, its row groups, and rows as JSON. Internal to data/.
 *
 * Read are the encodings PLAIN, RLE and the dictionary's, data pages of version 1 and 2, plain, Snappy, gzip or Zstandard; what
 * else a page uses is refused by name. Only the pages that hold a row are unpacked, one at a time.
 */
#ifndef PC_DATA_PARQUET_H
#define PC_DATA_PARQUET_H

#include "base/json.h"
#include "base/memory.h"

typedef enum pc_parquet_kind { PC_PARQUET_BOOL, PC_PARQUET_I32, PC_PARQUET_I64, PC_PARQUET_I96, PC_PARQUET_FLOAT,
                               PC_PARQUET_DOUBLE, PC_PARQUET_BYTES, PC_PARQUET_FIXED } pc_parquet_kind;

typedef struct pc_parquet_node {
    char name[128];
    int children; /* 0 = a leaf */
    int repeated, optional;
    int kind;     /* pc_parquet_kind of a leaf */
    int fixed;    /* bytes of a value of PC_PARQUET_FIXED */
    bool text, list;
    int defined, repeats; /* levels at which it is there, and of its innermost repetition */
    int leaf;             /* number of the first leaf in it */
    int after;            /* node behind it and all below it */
} pc_parquet_node;

typedef struct pc_parquet_chunk {
    int64_t start, bytes; /* of the file */
    int64_t values;
    int codec;
} pc_parquet_chunk;

typedef struct pc_parquet {
    int fd;
    int64_t bytes;
    pc_parquet_node *nodes; /* [0] is the row */
    size_t node_count, node_capacity;
    int *leaves; /* [leaf_count] nodes */
    size_t leaf_count, leaf_capacity;
    int64_t *group_rows; /* [group_count + 1]: first row of each group */
    size_t group_count, group_capacity;
    pc_parquet_chunk *chunks; /* [group_count * leaf_count] */
    size_t chunk_capacity;
} pc_parquet;

/* Close also after a failure. */
pc_status pc_parquet_open(pc_parquet *out, const char *path);
void pc_parquet_close(pc_parquet *file);
int64_t pc_parquet_rows(const pc_parquet *file);
/* The row as an object; binary values are data: URLs. Thread safe. PC_ERR_DATA names column and byte. */
pc_status pc_parquet_read(const pc_parquet *file, int64_t row, pc_json **out);

/* --- the column (parquet_column.c) --- */

/* A value of one leaf in one row: how much of its path is there, and what stands at its end. */
typedef struct pc_parquet_entry {
    int repeats, defined;
    size_t offset, size; /* bytes, in pc_parquet_values.bytes */
    int64_t integer;
    double real;
} pc_parquet_entry;

typedef struct pc_parquet_values {
    pc_parquet_entry *entries;
    size_t count, capacity, next; /* next: where the assembly stands */
    uint8_t *bytes;
    size_t byte_count, byte_capacity;
    bool memory; /* it was short */
} pc_parquet_values;

/* The entries of row `row` of a group. */
pc_status pc_parquet_read_column(const pc_parquet *file, size_t leaf, size_t group, int64_t row, pc_parquet_values *out);

/* --- packing (parquet_pack.c) --- */

/* *out (pc_free) = exactly `size` bytes. codec as the format numbers it: 0 none, 1 Snappy, 2 gzip, 6 Zstandard. */
pc_status pc_parquet_unpack(uint8_t **out, size_t size, int codec, const uint8_t *packed, size_t packed_size);
/* `count` numbers of `width` bits (0..32) from runs and bit-packed groups; returns the bytes read, -1 when they are bad. */
int64_t pc_parquet_runs(int32_t *out, size_t count, int width, const uint8_t *bytes, size_t size);

#endif
