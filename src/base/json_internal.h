/* What the JSON files share, and field.c's messages use. */
#ifndef PC_BASE_JSON_INTERNAL_H
#define PC_BASE_JSON_INTERNAL_H

#include "base/json.h"

#include <jansson.h>

enum { PC_JSON_DEPTH = 128 }; /* deepest nesting that is read or written */

/* Install our allocator in jansson (once) and clear this thread's mark of a failed allocation. Before any call of
 * jansson that may allocate. */
void pc_json_prepare(void);
bool pc_json_short_of_memory(void); /* did an allocation fail on this thread since pc_json_prepare? */

const char *pc_json_type_name(const pc_json *node); /* "an object", "null", "missing" for NULL */

#endif
