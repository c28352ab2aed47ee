/* A file of rows that is being written: a JSON object in each line (kind `jsonl`), or a JSON list of them (kind `llava_json`) when its
 * name ends in .json.
 *
 * The file appears under its name when it is finished; a run that breaks off leaves NAME.part.
 */
#ifndef PC_DATA_ROW_FILE_H
#define PC_DATA_ROW_FILE_H

#include "base/json.h"
#include "base/str.h"

#include <stdio.h>

/* Initialise with {0}. */
typedef struct pc_row_file {
    FILE *file;
    char *path, *part;
    pc_str line;
    bool list;
    int64_t count;
} pc_row_file;

pc_status pc_row_file_open(pc_row_file *out, const char *folder, const char *name); /* the folder is there */
pc_status pc_row_file_put(pc_row_file *rows, const pc_json *row);
pc_status pc_row_file_finish(pc_row_file *rows); /* on the disk, under its name */
void pc_row_file_close(pc_row_file *rows);       /* always, also after a failure */

#endif
