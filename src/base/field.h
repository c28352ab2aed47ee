/* Field tables: a configuration struct described once serves JSON, YAML recipes, command line, help and run records. */
#ifndef PC_BASE_FIELD_H
#define PC_BASE_FIELD_H

#include "base/json.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum pc_field_type {
    PC_FIELD_INT,    /* int64_t */
    PC_FIELD_FLOAT,  /* double */
    PC_FIELD_BOOL,   /* bool */
    PC_FIELD_TEXT,   /* char *, pc_strdup'd, NULL when unset */
    PC_FIELD_CHOICE, /* int: index into choices */
} pc_field_type;

typedef struct pc_field {
    const char *name;    /* key as users write it */
    pc_field_type type;
    size_t offset;       /* offsetof in the struct */
    const char *fallback;/* default as text ("1e-4", "true", "cosine"); NULL = 0 / false / unset / first choice */
    double low, high;    /* range of numbers, both included; low == high == 0 means unbounded */
    const char *const *choices; /* NULL-terminated, for PC_FIELD_CHOICE */
    const char *help;    /* one line */
    const char *alias;   /* another accepted spelling, or NULL */
    const char *only_with; /* key of a number; at 0 this one means nothing, and completed configurations leave it out */
} pc_field;

typedef struct pc_field_table {
    const pc_field *fields;
    size_t count;
} pc_field_table;

/* Fill every field of *object with its default. */
pc_status pc_fields_default(const pc_field_table *table, void *object);
/* Set one field from text; `where` ("recipe.yaml:12") opens messages. Unknown key: PC_ERR_USAGE with a suggestion.
 * In names '-' and '_' are equal. Numbers: 1e-4, 1.0e-4, 10; bool: true/false/yes/no/on/off/1/0. */
pc_status pc_fields_set(const pc_field_table *table, void *object, const char *key, const char *value, const char *where);
/* Take every key of a JSON object that the table has; unknown keys are left alone when `lenient`, else an error. */
pc_status pc_fields_from_json(const pc_field_table *table, void *object, const pc_json *json, bool lenient,
                              const char *where);
pc_status pc_fields_to_json(const pc_field_table *table, const void *object, pc_json *into);
const pc_field *pc_fields_find(const pc_field_table *table, const char *key);
/* Append "  name  (type, default, range)  help" lines. */
pc_status pc_fields_help(const pc_field_table *table, pc_str *out);
/* Release the text fields. */
void pc_fields_clear(const pc_field_table *table, void *object);

#endif
