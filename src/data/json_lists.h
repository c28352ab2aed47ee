/* The lists of one JSON object, of any size: { "images": [ {...}, ... ], "annotations": [ ... ] }. Internal to data/.
 *
 * One pass finds where the elements of the lists that are asked for lie (16 bytes each); elements are parsed later, one at a
 * time. Short members beside the lists are kept, longer ones are passed over.
 */
#ifndef PC_DATA_JSON_LISTS_H
#define PC_DATA_JSON_LISTS_H

#include "base/json.h"
#include "base/str.h"
#include "data/json_index.h"

enum { PC_JSON_LISTS = 4, PC_JSON_HEAD = 4096 };

typedef struct pc_json_list {
    pc_json_place *places; /* [count]; `line` is not used */
    size_t count, capacity;
    bool found;
} pc_json_list;

typedef struct pc_json_lists {
    int fd;
    pc_json_list lists[PC_JSON_LISTS]; /* in the order of the names */
    pc_json *head;                     /* members of at most PC_JSON_HEAD bytes that are not among the names */
} pc_json_lists;

/* names[count] with count <= PC_JSON_LISTS; a list that is not there is empty and not found. PC_ERR_DATA names file and byte
 * for what is no JSON object or ends too early; PC_ERR_INTERRUPTED when a signal asks to stop. Close also after a failure. */
pc_status pc_json_lists_open(pc_json_lists *out, const char *path, const char *const *names, size_t count);
void pc_json_lists_close(pc_json_lists *lists);
/* The element as a new root. Thread safe. PC_ERR_DATA names its byte. */
pc_status pc_json_lists_read(const pc_json_lists *lists, int list, int64_t index, pc_json **out);

/* True when the first 32 kB of `path` are a JSON object's with a list of this name whose first element is an object that names
 * `key` before its first '}' (key NULL: whatever stands in the list). */
bool pc_json_begins_with_list(const char *path, const char *list, const char *key);

#endif
