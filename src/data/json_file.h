/* A JSON file of rows, opened: rows by number, parsed when they are asked for. Internal to data/. */
#ifndef PC_DATA_JSON_FILE_H
#define PC_DATA_JSON_FILE_H

#include "base/json.h"
#include "data/json_index.h"

typedef struct pc_json_file {
    int fd; /* -1 while closed */
    pc_json_index index;
} pc_json_file;

/* Close also after a failure. */
pc_status pc_json_file_open(pc_json_file *out, const char *path, const pc_json_index_options *options);
void pc_json_file_close(pc_json_file *file);
/* Thread safe. PC_ERR_DATA names the row's byte. */
pc_status pc_json_file_read(const pc_json_file *file, int64_t row, pc_json **out);

#endif
