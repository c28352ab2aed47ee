/* JSON access over jansson. The parser is in json_parse.c, building and writing in json_write.c. */
#include "base/json.h"

#include "base/file.h"
#include "base/json_internal.h"
#include "base/memory.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

static locale_t plain_locale;

static void *json_allocate(size_t size)
{
    return pc_calloc(size, 1);
}

static void prepare(void)
{
    json_set_alloc_funcs(json_allocate, pc_free);
    plain_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

static pthread_once_t prepared = PTHREAD_ONCE_INIT;

void pc_json_prepare(void)
{
    pthread_once(&prepared, prepare);
}

double pc_json_strtod(const char *text, char **end)
{
    pc_json_prepare();
    return plain_locale ? strtod_l(text, end, plain_locale) : strtod(text, end);
}

pc_status pc_json_read(pc_json **out, const char *path, size_t limit)
{
    char *text;
    size_t length;
    *out = NULL;
    PC_TRY(pc_file_read(&text, &length, path, limit));
    pc_status status = pc_json_parse(out, text, length, path);
    pc_free(text);
    return status;
}

void pc_json_free(pc_json *root)
{
    json_decref(root);
}

bool pc_json_is_object(const pc_json *node)
{
    return json_is_object(node);
}

bool pc_json_is_array(const pc_json *node)
{
    return json_is_array(node);
}

bool pc_json_is_string(const pc_json *node)
{
    return json_is_string(node);
}

bool pc_json_is_number(const pc_json *node)
{
    return json_is_number(node);
}

bool pc_json_is_integer(const pc_json *node)
{
    return json_is_integer(node);
}

bool pc_json_is_bool(const pc_json *node)
{
    return json_is_boolean(node);
}

bool pc_json_is_null(const pc_json *node)
{
    return !node || json_is_null(node);
}

pc_json *pc_json_get(const pc_json *object, const char *key)
{
    return json_object_get(object, key);
}

size_t pc_json_length(const pc_json *array_or_object)
{
    return json_is_object(array_or_object) ? json_object_size(array_or_object) : json_array_size(array_or_object);
}

pc_json *pc_json_at(const pc_json *array, size_t index)
{
    return json_array_get(array, index);
}

const char *pc_json_text(const pc_json *string)
{
    return json_string_value(string);
}

size_t pc_json_text_length(const pc_json *string)
{
    return json_string_length(string);
}

double pc_json_number(const pc_json *number, double otherwise)
{
    return json_is_number(number) ? json_number_value(number) : otherwise;
}

/* 1e3 and 1000.0 are the integer 1000, as long as a double holds it exactly. */
static bool as_integer(const pc_json *node, int64_t *out)
{
    if (json_is_integer(node)) {
        *out = json_integer_value(node);
        return true;
    }
    double value = json_real_value(node);
    if (!json_is_real(node) || floor(value) != value || fabs(value) > 0x1p53) {
        return false;
    }
    *out = (int64_t)value;
    return true;
}

int64_t pc_json_integer(const pc_json *number, int64_t otherwise)
{
    int64_t value;
    return as_integer(number, &value) ? value : otherwise;
}

bool pc_json_bool(const pc_json *node, bool otherwise)
{
    return json_is_boolean(node) ? json_is_true(node) : otherwise;
}

const char *pc_json_get_text(const pc_json *object, const char *key, const char *otherwise)
{
    const char *text = pc_json_text(pc_json_get(object, key));
    return text ? text : otherwise;
}

double pc_json_get_number(const pc_json *object, const char *key, double otherwise)
{
    return pc_json_number(pc_json_get(object, key), otherwise);
}

int64_t pc_json_get_integer(const pc_json *object, const char *key, int64_t otherwise)
{
    return pc_json_integer(pc_json_get(object, key), otherwise);
}

bool pc_json_get_bool(const pc_json *object, const char *key, bool otherwise)
{
    return pc_json_bool(pc_json_get(object, key), otherwise);
}

pc_status pc_json_need_integer(int64_t *out, const pc_json *object, const char *key, int64_t low, int64_t high,
                               const char *where)
{
    const pc_json *node = pc_json_get(object, key);
    int64_t value;
    if (!node) {
        return pc_fail(PC_ERR_DATA, "%s: key '%s' is missing; expected an integer", where, key);
    }
    if (!as_integer(node, &value)) {
        return pc_fail(PC_ERR_DATA, "%s: key '%s' is %s; expected an integer", where, key, pc_json_type_name(node));
    }
    if (value < low || value > high) {
        return pc_fail(PC_ERR_DATA, "%s: key '%s' is %lld; expected %lld to %lld", where, key, (long long)value,
                       (long long)low, (long long)high);
    }
    *out = value;
    return PC_OK;
}

pc_status pc_json_need_text(const char **out, const pc_json *object, const char *key, const char *where)
{
    const pc_json *node = pc_json_get(object, key);
    if (!node) {
        return pc_fail(PC_ERR_DATA, "%s: key '%s' is missing; expected a string", where, key);
    }
    if (!json_is_string(node)) {
        return pc_fail(PC_ERR_DATA, "%s: key '%s' is %s; expected a string", where, key, pc_json_type_name(node));
    }
    *out = json_string_value(node);
    return PC_OK;
}

void *pc_json_first(const pc_json *object)
{
    return json_object_iter((json_t *)object);
}

void *pc_json_next(const pc_json *object, void *iterator)
{
    return json_object_iter_next((json_t *)object, iterator);
}

const char *pc_json_key(void *iterator)
{
    return json_object_iter_key(iterator);
}

pc_json *pc_json_value(void *iterator)
{
    return json_object_iter_value(iterator);
}

const char *pc_json_type_name(const pc_json *node)
{
    if (!node) {
        return "missing";
    }
    switch (json_typeof(node)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a string";
    case JSON_INTEGER: return "an integer";
    case JSON_REAL: return "a number";
    case JSON_NULL: return "null";
    default: return "a truth value";
    }
}
