/* Walking a large JSON object member by member, so that memory stays bounded by the largest member.
 *
 * A safetensors header may have 100 MB: a tree of all of it would take some twenty times that. This
 * walk finds where each key and value begin and end; what lies between is parsed strictly, one
 * member at a time, by base/json.
 */
#ifndef PC_STORE_MEMBERS_H
#define PC_STORE_MEMBERS_H

#include "base/json.h"
#include "base/status.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct pc_members {
    const char *text;
    size_t length;
    size_t position;
    const char *where; /* opens messages */
    bool begun, ended;
    /* The current member: */
    const char *key; /* with its quotes and escapes */
    size_t key_length;
    const char *value; /* begins with its first byte, e.g. '{' */
    size_t value_length;
} pc_members;

void pc_members_init(pc_members *walk, const char *text, size_t length, const char *where);
/* *more = true: key and value describe the next member. false: the object and the text end here. */
pc_status pc_members_next(pc_members *walk, bool *more);
/* The current member as the tree [key, value]; the key is a string without an inner NUL. `buffer`
 * is scratch. Free *pair with pc_json_free. Values longer than `limit` bytes are refused. */
pc_status pc_members_parse(pc_json **pair, const pc_members *walk, size_t limit, pc_str *buffer);

#endif
