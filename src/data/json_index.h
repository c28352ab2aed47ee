/* Where the objects of a large JSON list lie in its file, found in one pass with bounded memory. Internal to data/.
 *
 *   [ {...}, {...} ]  ->  (offset, size) of each object; the objects are parsed later, one at a time
 *
 * The pass checks the list and the nesting strictly; what is inside an object is checked when it is parsed.
 */
#ifndef PC_DATA_JSON_INDEX_H
#define PC_DATA_JSON_INDEX_H

#include "base/status.h"

#include <stdint.h>
#include <stddef.h>

typedef struct pc_json_place {
    int64_t offset; /* bytes from the start of the file */
    int64_t size;   /* bytes */
} pc_json_place;

/* Initialise with {0}; release with pc_json_index_clear. */
typedef struct pc_json_index {
    pc_json_place *places;
    size_t count, capacity;
} pc_json_index;

#define PC_JSON_OBJECT_LIMIT ((int64_t)64 << 20) /* bytes of one object */

/* Read the open file `fd` from its start, at most `limit` objects (0 = all; what follows is not looked at). PC_ERR_DATA
 * names `path` and the offset; PC_ERR_INTERRUPTED when a signal asks to stop. On failure the index is empty. */
pc_status pc_json_index_build(pc_json_index *index, int fd, const char *path, int64_t limit);
void pc_json_index_clear(pc_json_index *index);

#endif
