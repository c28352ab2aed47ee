/* What the JSON files share, and field.c's messages use. */
#ifndef PC_BASE_JSON_INTERNAL_H
#define PC_BASE_JSON_INTERNAL_H

#include "base/json.h"

#include <jansson.h>

enum { PC_JSON_DEPTH = 128 }; /* deepest nesting that is read or written */

/* Install our allocator in jansson, once. Before any call of jansson that may allocate. */
void pc_json_prepare(void);
double pc_json_strtod(const char *text, char **end); /* strtod with a decimal point, whatever the program's locale */

const char *pc_json_type_name(const pc_json *node); /* "an object", "null", "missing" for NULL */

#endif
