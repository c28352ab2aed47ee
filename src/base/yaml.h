/* Settings in YAML: mappings of keys to plain values or lists of them, nested to a depth that the caller allows.
 *
 * Flow: file -> libyaml's events -> one call for each value, in the file's order. What a value means is the caller's to
 * say ("no" can be a text, "1e-4" is a number), so every value is text. Aliases, tags and second documents have no meaning
 * here: aliases and further documents are refused.
 */
#ifndef PC_BASE_YAML_H
#define PC_BASE_YAML_H

#include "base/status.h"

#include <stddef.h>

enum { PC_YAML_DEPTH = 8 };

/* One value; everything is valid during the call. */
typedef struct pc_yaml_value {
    const char *const *keys; /* [depth]: from the outermost mapping inwards */
    int depth;
    const char *text;  /* [a, b] comes as "a,b"; an empty mapping as "" */
    const char *where; /* "FILE:LINE" of the innermost key, for messages */
} pc_yaml_value;

typedef pc_status (*pc_yaml_set)(void *user, const pc_yaml_value *value);

/* Read a file of at most `limit` bytes. PC_ERR_USAGE with file and line for what is not YAML, for mappings nested deeper than
 * `depth` (1 = a flat file; at most PC_YAML_DEPTH) and for what the head of this file refuses; the caller's status ends
 * the reading; PC_ERR_IO when the file can't be read. */
pc_status pc_yaml_read(const char *path, size_t limit, int depth, pc_yaml_set set, void *user);

#endif
