/* Field tables: text or JSON -> a field of a struct, with type, range and choice checked. */
#include "base/field.h"

#include "base/json_internal.h"
#include "base/memory.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool same_name(const char *a, const char *b)
{
    for (; *a && *b; a++, b++) {
        if (*a != *b && !((*a == '-' || *a == '_') && (*b == '-' || *b == '_'))) {
            return false;
        }
    }
    return *a == *b;
}

const pc_field *pc_fields_find(const pc_field_table *table, const char *key)
{
    for (size_t i = 0; i < table->count; i++) {
        const pc_field *field = &table->fields[i];
        if (same_name(field->name, key) || (field->alias && same_name(field->alias, key))) {
            return field;
        }
    }
    return NULL;
}

static void *slot(const pc_field *field, void *object)
{
    return (char *)object + field->offset;
}

/* "where: " or nothing. */
typedef struct place {
    const char *text, *colon;
} place;

static place place_of(const char *where)
{
    return where ? (place){where, ": "} : (place){"", ""};
}

static pc_status unknown_key(const pc_field_table *table, const char *key, const char *where)
{
    place at = place_of(where);
    const char *near = pc_nearest_name(key, table->fields, table->count, sizeof *table->fields);
    return pc_fail(PC_ERR_USAGE, "%s%sthere is no key '%s'%s%s%s", at.text, at.colon, key, near ? "; did you mean '" : "",
                   near ? near : "", near ? "'?" : "");
}

static bool in_range(const pc_field *field, double value)
{
    return (field->low == 0 && field->high == 0) || (value >= field->low && value <= field->high);
}

static pc_status out_of_range(const pc_field *field, double value, const char *where)
{
    place at = place_of(where);
    return pc_fail(PC_ERR_USAGE, "%s%s'%s' is %.10g; expected %.10g to %.10g", at.text, at.colon, field->name, value,
                   field->low, field->high);
}

static pc_status wrong_value(const pc_field *field, const char *value, const char *expected, const char *where)
{
    place at = place_of(where);
    return pc_fail(PC_ERR_USAGE, "%s%s'%s' is '%s'; expected %s", at.text, at.colon, field->name, value, expected);
}

static pc_status put_integer(const pc_field *field, void *object, int64_t value, const char *where)
{
    if (!in_range(field, (double)value)) {
        return out_of_range(field, (double)value, where);
    }
    *(int64_t *)slot(field, object) = value;
    return PC_OK;
}

static pc_status put_float(const pc_field *field, void *object, double value, const char *where)
{
    if (!isfinite(value)) {
        return wrong_value(field, isnan(value) ? "nan" : "infinite", "a finite number", where);
    }
    if (!in_range(field, value)) {
        return out_of_range(field, value, where);
    }
    *(double *)slot(field, object) = value;
    return PC_OK;
}

static pc_status put_text(const pc_field *field, void *object, const char *value)
{
    char **text = slot(field, object);
    char *copy = pc_strdup(value);
    if (!copy) {
        return pc_fail_memory(strlen(value) + 1, field->name);
    }
    pc_free(*text);
    *text = copy;
    return PC_OK;
}

static pc_status put_choice(const pc_field *field, void *object, const char *value, const char *where)
{
    size_t count = 0;
    for (; field->choices[count]; count++) {
        if (same_name(field->choices[count], value)) {
            *(int *)slot(field, object) = (int)count;
            return PC_OK;
        }
    }
    pc_str list = {0};
    pc_status status = PC_OK;
    for (size_t i = 0; i < count && status == PC_OK; i++) {
        status = pc_str_printf(&list, "%s%s", i ? ", " : "one of ", field->choices[i]);
    }
    if (status == PC_OK) {
        status = wrong_value(field, value, list.data ? list.data : "nothing", where);
    }
    pc_str_clear(&list);
    return status;
}

/* Only what JSON and people write: no hexadecimal, no "inf", no blanks, which strtod would take. */
static bool parse_float(const char *text, double *out)
{
    if (!*text || strspn(text, "0123456789+-.eE") != strlen(text)) {
        return false;
    }
    char *end;
    *out = pc_json_strtod(text, &end);
    return *end == '\0' && isfinite(*out);
}

static bool parse_integer(const char *text, int64_t *out)
{
    if (*text && strspn(text, "0123456789+-") == strlen(text)) {
        char *end;
        errno = 0;
        long long value = strtoll(text, &end, 10);
        *out = value;
        return *end == '\0' && errno == 0;
    }
    double value; /* 1e5 */
    if (!parse_float(text, &value) || floor(value) != value || fabs(value) > 0x1p53) {
        return false;
    }
    *out = (int64_t)value;
    return true;
}

static bool parse_bool(const char *text, bool *out)
{
    static const char *const words[2][4] = {{"false", "no", "off", "0"}, {"true", "yes", "on", "1"}};
    for (int value = 0; value < 2; value++) {
        for (int i = 0; i < 4; i++) {
            if (strcasecmp(text, words[value][i]) == 0) {
                *out = value;
                return true;
            }
        }
    }
    return false;
}

static pc_status set_field(const pc_field *field, void *object, const char *value, const char *where)
{
    int64_t integer;
    double number;
    switch (field->type) {
    case PC_FIELD_INT:
        return parse_integer(value, &integer) ? put_integer(field, object, integer, where)
                                              : wrong_value(field, value, "an integer", where);
    case PC_FIELD_FLOAT:
        return parse_float(value, &number) ? put_float(field, object, number, where)
                                           : wrong_value(field, value, "a number", where);
    case PC_FIELD_BOOL:
        return parse_bool(value, slot(field, object)) ? PC_OK : wrong_value(field, value, "true or false", where);
    case PC_FIELD_TEXT:
        return put_text(field, object, value);
    case PC_FIELD_CHOICE:
        return put_choice(field, object, value, where);
    }
    return PC_OK;
}

pc_status pc_fields_set(const pc_field_table *table, void *object, const char *key, const char *value, const char *where)
{
    const pc_field *field = pc_fields_find(table, key);
    return field ? set_field(field, object, value, where) : unknown_key(table, key, where);
}

static void zero_field(const pc_field *field, void *object)
{
    switch (field->type) {
    case PC_FIELD_INT: *(int64_t *)slot(field, object) = 0; break;
    case PC_FIELD_FLOAT: *(double *)slot(field, object) = 0; break;
    case PC_FIELD_BOOL: *(bool *)slot(field, object) = false; break;
    case PC_FIELD_TEXT: *(char **)slot(field, object) = NULL; break;
    case PC_FIELD_CHOICE: *(int *)slot(field, object) = 0; break;
    }
}

pc_status pc_fields_default(const pc_field_table *table, void *object)
{
    /* First all, so that the object can be cleared after a failure in the middle. */
    for (size_t i = 0; i < table->count; i++) {
        zero_field(&table->fields[i], object);
    }
    for (size_t i = 0; i < table->count; i++) {
        const pc_field *field = &table->fields[i];
        if (field->fallback) {
            pc_status status = set_field(field, object, field->fallback, "default");
            if (status != PC_OK) {
                pc_fields_clear(table, object);
                return status;
            }
        }
    }
    return PC_OK;
}

static pc_status wrong_type(const pc_field *field, const pc_json *value, const char *expected, const char *where)
{
    place at = place_of(where);
    return pc_fail(PC_ERR_DATA, "%s%skey '%s' is %s; expected %s", at.text, at.colon, field->name,
                   pc_json_type_name(value), expected);
}

static pc_status take_json(const pc_field *field, void *object, const pc_json *value, const char *where)
{
    const char *text = pc_json_text(value);
    if (text && strlen(text) != pc_json_text_length(value)) {
        return wrong_value(field, text, "a text without a NUL byte", where);
    }
    switch (field->type) {
    case PC_FIELD_INT: {
        int64_t integer = pc_json_integer(value, 0);
        /* Two different defaults tell "no integer" from any integer. */
        if (integer == 0 && pc_json_integer(value, 1) == 1) {
            return wrong_type(field, value, "an integer", where);
        }
        return put_integer(field, object, integer, where);
    }
    case PC_FIELD_FLOAT:
        return pc_json_is_number(value) ? put_float(field, object, pc_json_number(value, 0), where)
                                        : wrong_type(field, value, "a number", where);
    case PC_FIELD_BOOL:
        if (!pc_json_is_bool(value)) {
            return wrong_type(field, value, "true or false", where);
        }
        *(bool *)slot(field, object) = pc_json_bool(value, false);
        return PC_OK;
    case PC_FIELD_TEXT:
        return text ? put_text(field, object, text) : wrong_type(field, value, "a string", where);
    case PC_FIELD_CHOICE:
        return text ? put_choice(field, object, text, where) : wrong_type(field, value, "a string", where);
    }
    return PC_OK;
}

pc_status pc_fields_from_json(const pc_field_table *table, void *object, const pc_json *json, bool lenient,
                              const char *where)
{
    if (!pc_json_is_object(json)) {
        place at = place_of(where);
        return pc_fail(PC_ERR_DATA, "%s%s%s; expected an object", at.text, at.colon, pc_json_type_name(json));
    }
    for (void *it = pc_json_first(json); it; it = pc_json_next(json, it)) {
        const pc_field *field = pc_fields_find(table, pc_json_key(it));
        const pc_json *value = pc_json_value(it);
        if (!field) {
            if (!lenient) {
                return unknown_key(table, pc_json_key(it), where);
            }
            continue;
        }
        if (!pc_json_is_null(value)) {
            PC_TRY(take_json(field, object, value, where));
        } else if (field->type == PC_FIELD_TEXT) {
            pc_free(*(char **)slot(field, object)); /* null unsets a text; for the other types it leaves the default */
            *(char **)slot(field, object) = NULL;
        }
    }
    return PC_OK;
}

static pc_json *field_to_json(const pc_field *field, const void *object)
{
    const char *at = (const char *)object + field->offset;
    switch (field->type) {
    case PC_FIELD_INT: return pc_json_new_integer(*(const int64_t *)at);
    case PC_FIELD_FLOAT: return pc_json_new_number(*(const double *)at);
    case PC_FIELD_BOOL: return pc_json_new_bool(*(const bool *)at);
    case PC_FIELD_TEXT: return pc_json_new_text(*(char *const *)at);
    case PC_FIELD_CHOICE: return pc_json_new_text(field->choices[*(const int *)at]);
    }
    return NULL;
}

pc_status pc_fields_to_json(const pc_field_table *table, const void *object, pc_json *into)
{
    for (size_t i = 0; i < table->count; i++) {
        const pc_field *field = &table->fields[i];
        if (field->type == PC_FIELD_TEXT && !*(char *const *)((const char *)object + field->offset)) {
            continue; /* unset */
        }
        PC_TRY(pc_json_set(into, field->name, field_to_json(field, object)));
    }
    return PC_OK;
}

static pc_status describe_type(const pc_field *field, pc_str *out)
{
    static const char *const names[] = {"integer", "number", "true or false", "text", NULL};
    if (field->type != PC_FIELD_CHOICE) {
        return pc_str_puts(out, names[field->type]);
    }
    for (size_t i = 0; field->choices[i]; i++) {
        PC_TRY(pc_str_printf(out, "%s%s", i ? "|" : "", field->choices[i]));
    }
    return PC_OK;
}

/* The default as people write it, also where the table leaves it out. */
static const char *fallback_of(const pc_field *field)
{
    static const char *const zeros[] = {"0", "0", "false", "unset", NULL};
    if (field->fallback) {
        return field->fallback;
    }
    return field->type == PC_FIELD_CHOICE ? field->choices[0] : zeros[field->type];
}

pc_status pc_fields_help(const pc_field_table *table, pc_str *out)
{
    size_t width = 0;
    for (size_t i = 0; i < table->count; i++) {
        size_t length = strlen(table->fields[i].name);
        width = length > width && length <= 28 ? length : width;
    }
    for (size_t i = 0; i < table->count; i++) {
        const pc_field *field = &table->fields[i];
        PC_TRY(pc_str_printf(out, "  %-*s  (", (int)width, field->name));
        PC_TRY(describe_type(field, out));
        PC_TRY(pc_str_printf(out, ", default %s", fallback_of(field)));
        if (field->low != 0 || field->high != 0) {
            PC_TRY(pc_str_printf(out, ", %.10g to %.10g", field->low, field->high));
        }
        PC_TRY(pc_str_printf(out, ")  %s\n", field->help ? field->help : ""));
    }
    return PC_OK;
}

void pc_fields_clear(const pc_field_table *table, void *object)
{
    for (size_t i = 0; i < table->count; i++) {
        const pc_field *field = &table->fields[i];
        if (field->type == PC_FIELD_TEXT) {
            char **text = slot(field, object);
            pc_free(*text);
            *text = NULL;
        }
    }
}
