/* Parquet files that together are one table: a file, or those of a folder in the order of their names. Internal to data/. */
#ifndef PC_DATA_PARQUET_SET_H
#define PC_DATA_PARQUET_SET_H

#include "data/parquet.h"

typedef struct pc_parquet_part {
    char *path;
    pc_parquet file; /* closed (fd -1) for all but the first ones: a table may have more files than a process may open */
    int64_t first; /* row of the table */
} pc_parquet_part;

/* Initialise with {0}. */
typedef struct pc_parquet_set {
    pc_parquet_part *parts; /* [count] */
    size_t count, capacity;
    int64_t rows;
} pc_parquet_set;

/* True for a file of that name and for a folder with one. */
bool pc_parquet_set_matches(const char *path);
/* Close also after a failure. */
pc_status pc_parquet_set_open(pc_parquet_set *out, const char *path);
void pc_parquet_set_close(pc_parquet_set *set);
/* The row as a new object. Thread safe. */
pc_status pc_parquet_set_read(const pc_parquet_set *set, int64_t row, pc_json **out);
/* Put "file: row" in front of a message about a row. */
pc_status pc_parquet_set_name(const pc_parquet_set *set, int64_t row, pc_status status);

#endif
