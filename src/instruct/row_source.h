/* Rows of JSON lists and JSON Lines by number, over several files; parsed when they are asked for. */
#ifndef PC_INSTRUCT_ROW_SOURCE_H
#define PC_INSTRUCT_ROW_SOURCE_H

#include "data/json_file.h"

enum { PC_ROW_SOURCE_FILES = 16 };

/* Initialise with {0}. */
typedef struct pc_row_source {
    pc_json_file files[PC_ROW_SOURCE_FILES];
    const char *paths[PC_ROW_SOURCE_FILES]; /* borrowed */
    int file_count;
    int64_t count; /* rows of all files */
} pc_row_source;

/* limit: rows of all files together; 0 = all. Close also after a failure. */
pc_status pc_row_source_open(pc_row_source *out, const char *const *paths, int count, int64_t limit);
void pc_row_source_close(pc_row_source *source);
/* *out: pc_json_free. PC_ERR_DATA names file and line of what is no object. */
pc_status pc_row_source_read(const pc_row_source *source, int64_t row, pc_json **out);

#endif
