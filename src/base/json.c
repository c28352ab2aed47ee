/* JSON reading and access over jansson. Building and writing are in json_write.c. */
#include "base/json.h"

#include "base/file.h"
#include "base/json_internal.h"
#include "base/memory.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

/* Tells a shortage of memory from bad input, which jansson reports alike. */
static _Thread_local bool allocation_failed;

static void *json_allocate(size_t size)
{
    void *block = pc_calloc(size, 1);
    if (!block) {
        allocation_failed = true;
    }
    return block;
}

static void set_allocator(void)
{
    json_set_alloc_funcs(json_allocate, pc_free);
}

void pc_json_prepare(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_allocator);
    allocation_failed = false;
}

bool pc_json_short_of_memory(void)
{
    return allocation_failed;
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* Length of the number at text[0..length); *huge when it is an integer beyond int64_t. */
static size_t scan_number(const char *text, size_t length, bool *huge)
{
    static const char limit[] = "9223372036854775807";
    size_t at = text[0] == '-';
    size_t first = at;
    while (at < length && is_digit(text[at])) {
        at++;
    }
    size_t digits = at - first;
    bool real = at < length && (text[at] == '.' || text[at] == 'e' || text[at] == 'E');
    *huge = !real && digits >= sizeof limit - 1 && text[first] != '0' &&
            (digits > sizeof limit - 1 || memcmp(text + first, limit, sizeof limit - 1) > 0);
    while (at < length && (is_digit(text[at]) || (text[at] && strchr(".eE+-", text[at])))) {
        at++;
    }
    return at ? at : 1;
}

static size_t skip_string(const char *text, size_t length)
{
    size_t at = 1;
    while (at < length && text[at] != '"') {
        at += text[at] == '\\' ? 2 : 1;
    }
    return at < length ? at + 1 : length;
}

/* One pass over the text outside strings, before jansson sees it: limits the depth, and with `copy` writes the text
 * with ".0" behind integers that int64_t cannot hold. Tokenizer configurations have such ("model_max_length":
 * 1000000000000000019884624838656), and Python takes them; they become reals. */
static pc_status scan(const char *text, size_t length, size_t *huge_count, pc_str *copy, const char *where)
{
    size_t depth = 0;
    size_t copied = 0;
    for (size_t at = 0; at < length;) {
        bool huge = false;
        size_t used = 1;
        if (text[at] == '"') {
            used = skip_string(text + at, length - at);
        } else if (text[at] == '-' || is_digit(text[at])) {
            used = scan_number(text + at, length - at, &huge);
        } else if (text[at] == '{' || text[at] == '[') {
            depth++;
        } else if ((text[at] == '}' || text[at] == ']') && depth > 0) {
            depth--;
        }
        if (depth > PC_JSON_DEPTH) {
            return pc_fail(PC_ERR_DATA, "%s: offset %zu: nested deeper than %d levels", where, at, PC_JSON_DEPTH);
        }
        at += used;
        *huge_count += huge;
        if (huge && copy) {
            PC_TRY(pc_str_add(copy, text + copied, at - copied));
            PC_TRY(pc_str_puts(copy, ".0"));
            copied = at;
        }
    }
    return copy ? pc_str_add(copy, text + copied, length - copied) : PC_OK;
}

static pc_status load(pc_json **out, const char *text, size_t length, const char *where)
{
    json_error_t error;
    pc_json_prepare();
    *out = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (*out) {
        return PC_OK;
    }
    if (pc_json_short_of_memory()) {
        return pc_fail(PC_ERR_MEMORY, "%s: out of memory while parsing %zu bytes of JSON", where, length);
    }
    return pc_fail(PC_ERR_DATA, "%s: line %d, column %d: %s", where, error.line, error.column, error.text);
}

pc_status pc_json_parse(pc_json **out, const char *text, size_t length, const char *where)
{
    *out = NULL;
    size_t huge_count = 0;
    PC_TRY(scan(text, length, &huge_count, NULL, where));
    if (huge_count == 0) {
        return load(out, length ? text : "", length, where);
    }
    pc_str copy = {0};
    huge_count = 0;
    pc_status status = scan(text, length, &huge_count, &copy, where);
    if (status == PC_OK) {
        status = load(out, copy.data, copy.length, where);
    }
    pc_str_clear(&copy);
    return status;
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
