/* A JSONL file in memory: one object a line. */
#ifndef PC_EVAL_METRIC_LINES_H
#define PC_EVAL_METRIC_LINES_H

#include "base/json.h"

#include <stdint.h>

typedef struct pc_json_line {
    pc_json *json;
    char *id;    /* NULL when the line has none */
    int64_t line; /* counted from 1 */
} pc_json_line;

typedef struct pc_json_lines {
    char *path;
    pc_json_line *line; /* in file order */
    size_t count, capacity;
    size_t *by_id; /* indices, sorted by id; NULL without ids */
} pc_json_lines;

/* Empty lines are passed over. With `ids` each line needs an "id", a text or an integer, that no other has. PC_ERR_DATA
 * names file and line. pc_json_lines_free(*out), also of NULL. */
pc_status pc_json_lines_read(pc_json_lines **out, const char *path, bool ids);
void pc_json_lines_free(pc_json_lines *lines);
/* The line with that id, or NULL. */
const pc_json_line *pc_json_lines_find(const pc_json_lines *lines, const char *id);

#endif
