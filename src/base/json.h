/* JSON behind a dozen functions, so that the library under it (jansson) can be exchanged.
 *
 * A pc_json is a borrowed node of a tree that is owned by its root; pc_json_free releases a root. Parsing is strict:
 * UTF-8, no duplicate keys, depth at most 128, one value, nothing behind it. Getters give the default when the key is
 * absent; a key that is present with another type is an error only for the pc_json_need_* forms.
 */
#ifndef PC_BASE_JSON_H
#define PC_BASE_JSON_H

#include "base/status.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct json_t pc_json;

/* `where` names the source in messages. Free *out with pc_json_free. */
pc_status pc_json_parse(pc_json **out, const char *text, size_t length, const char *where);
pc_status pc_json_read(pc_json **out, const char *path, size_t limit);
void pc_json_free(pc_json *root);

bool pc_json_is_object(const pc_json *node);
bool pc_json_is_array(const pc_json *node);
bool pc_json_is_string(const pc_json *node);
bool pc_json_is_number(const pc_json *node);
bool pc_json_is_integer(const pc_json *node);
bool pc_json_is_bool(const pc_json *node);
bool pc_json_is_null(const pc_json *node); /* also for NULL */

pc_json *pc_json_get(const pc_json *object, const char *key); /* NULL when absent or not an object */
size_t pc_json_length(const pc_json *array_or_object);        /* 0 for anything else */
pc_json *pc_json_at(const pc_json *array, size_t index);
const char *pc_json_text(const pc_json *string); /* NULL when not a string; may hold inner NULs: see _text_length */
size_t pc_json_text_length(const pc_json *string);
double pc_json_number(const pc_json *number, double otherwise);
int64_t pc_json_integer(const pc_json *number, int64_t otherwise);
bool pc_json_bool(const pc_json *node, bool otherwise);

const char *pc_json_get_text(const pc_json *object, const char *key, const char *otherwise);
double pc_json_get_number(const pc_json *object, const char *key, double otherwise);
int64_t pc_json_get_integer(const pc_json *object, const char *key, int64_t otherwise);
bool pc_json_get_bool(const pc_json *object, const char *key, bool otherwise);

/* PC_ERR_DATA "where: key ..." when missing or of another type or outside [low, high]. */
pc_status pc_json_need_integer(int64_t *out, const pc_json *object, const char *key, int64_t low, int64_t high,
                               const char *where);
pc_status pc_json_need_text(const char **out, const pc_json *object, const char *key, const char *where);

/* Iterate an object in file order: for (void *it = pc_json_first(o); it; it = pc_json_next(o, it)) */
void *pc_json_first(const pc_json *object);
void *pc_json_next(const pc_json *object, void *iterator);
const char *pc_json_key(void *iterator);
pc_json *pc_json_value(void *iterator);

/* Building. Each constructor returns NULL when memory is short; _set/_push take ownership of value (also when they
 * fail) and accept NULL as value, which fails: so chains need one check at the end. */
pc_json *pc_json_new_object(void);
pc_json *pc_json_new_array(void);
pc_json *pc_json_new_text(const char *text); /* must be UTF-8 */
pc_json *pc_json_new_text_n(const char *text, size_t length);
pc_json *pc_json_new_number(double value);
pc_json *pc_json_new_integer(int64_t value);
pc_json *pc_json_new_bool(bool value);
pc_status pc_json_set(pc_json *object, const char *key, pc_json *value);
pc_status pc_json_push(pc_json *array, pc_json *value);
pc_json *pc_json_copy(const pc_json *node); /* deep; a new root */

/* Append the text of a node. indent 0 = one line. Keys keep insertion order. Numbers round-trip. */
pc_status pc_json_write(pc_str *out, const pc_json *node, int indent);
pc_status pc_json_write_file(const char *path, const pc_json *node, int indent); /* durable, LF at the end */

#endif
