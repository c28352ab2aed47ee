/* Where the rows of a large JSON file lie, found in one pass with bounded memory. Internal to data/.
 *
 *   [ {...}, {...} ]      a list: the pass checks the list and the nesting strictly
 *   {...}\n{...}\n        lines: every line that is not blank is a row
 *     ->  (offset, size, line) of each row: 16 bytes; rows are parsed later, one at a time
 *
 * With a folder to keep it in, the index is written to a file there and mapped the next time, as long as the dataset's
 * size and time of change are the same: a large file opens at once.
 */
#ifndef PC_DATA_JSON_INDEX_H
#define PC_DATA_JSON_INDEX_H

#include "base/file.h"

#include <stdint.h>
#include <stddef.h>

typedef struct pc_json_place {
    int64_t offset; /* bytes from the start of the file */
    uint32_t size;  /* bytes */
    uint32_t line;  /* where it begins, from 1; stays at UINT32_MAX beyond */
} pc_json_place;

/* Initialise with {0}; release with pc_json_index_clear. */
typedef struct pc_json_index {
    const pc_json_place *places; /* [count] */
    size_t count, capacity;
    pc_json_place *owned; /* places that are held in memory, or NULL */
    pc_map map;           /* of a kept index */
} pc_json_index;

#define PC_JSON_OBJECT_LIMIT ((int64_t)64 << 20) /* bytes of one object */

typedef struct pc_json_index_options {
    bool lines;         /* JSON Lines in place of a list */
    int64_t limit;      /* at most so many rows, what follows is not looked at; 0 = all */
    const char *folder; /* where the index is kept (made when it is missing); NULL = nowhere */
} pc_json_index_options;

/* Read the open file `fd` from its start. PC_ERR_DATA names `path` and the offset; PC_ERR_INTERRUPTED when a signal asks
 * to stop. On failure the index is empty. An index that can't be kept is a warning in the log. */
pc_status pc_json_index_build(pc_json_index *index, int fd, const char *path, const pc_json_index_options *options);
void pc_json_index_clear(pc_json_index *index);

/* Internal to the index: the file that keeps one. *found = false when there is none, or none that fits. */
pc_status pc_json_index_load(pc_json_index *index, bool *found, int fd, const char *path,
                             const pc_json_index_options *options);
pc_status pc_json_index_save(const pc_json_index *index, int fd, const char *path,
                             const pc_json_index_options *options);

#endif
