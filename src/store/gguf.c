/* Asking for the values of a GGUF file. */
#include "store/gguf_read.h"

#include <stdio.h>
#include <string.h>

/* Bytes of one value; 0: strings and arrays. */
const uint8_t pc_gguf_bytes[PC_GGUF_TYPES] = {
    [PC_GGUF_U8] = 1, [PC_GGUF_I8] = 1, [PC_GGUF_U16] = 2, [PC_GGUF_I16] = 2, [PC_GGUF_U32] = 4, [PC_GGUF_I32] = 4,
    [PC_GGUF_F32] = 4, [PC_GGUF_BOOL] = 1, [PC_GGUF_U64] = 8, [PC_GGUF_I64] = 8, [PC_GGUF_F64] = 8};

const char *pc_gguf_file(const pc_gguf *gguf)
{
    return gguf->file;
}

size_t pc_gguf_count(const pc_gguf *gguf)
{
    return gguf->count;
}

const pc_gguf_value *pc_gguf_at(const pc_gguf *gguf, size_t index)
{
    return &gguf->values[index];
}

const pc_gguf_value *pc_gguf_find(const pc_gguf *gguf, const char *key)
{
    size_t at = pc_names_find(&gguf->names, gguf->values, sizeof *gguf->values, key);
    return at != PC_NAMES_NONE ? &gguf->values[at] : NULL;
}

static bool is_integer(pc_gguf_type type)
{
    return type != PC_GGUF_F32 && type != PC_GGUF_F64 && type != PC_GGUF_BOOL && pc_gguf_bytes[type] > 0;
}

static pc_status wrong(const pc_gguf *gguf, const pc_gguf_value *value, const char *expected)
{
    char cut[96];
    return pc_fail(PC_ERR_DATA, "%s: offset %zu: key '%s': expected %s", gguf->file, value->offset,
                   pc_name_text(value->key, cut), expected);
}

int64_t pc_gguf_integer_at(const pc_gguf_value *array, uint64_t index)
{
    size_t size = pc_gguf_bytes[array->type];
    uint64_t bits = pc_gguf_little_endian(array->data + index * size, size);
    switch (array->type) {
    case PC_GGUF_I8: return (int8_t)bits;
    case PC_GGUF_I16: return (int16_t)bits;
    case PC_GGUF_I32: return (int32_t)bits;
    default: return (int64_t)bits;
    }
}

double pc_gguf_number_at(const pc_gguf_value *array, uint64_t index)
{
    uint64_t bits = pc_gguf_little_endian(array->data + index * pc_gguf_bytes[array->type], pc_gguf_bytes[array->type]);
    if (array->type == PC_GGUF_F32) {
        uint32_t half = (uint32_t)bits;
        float value;
        memcpy(&value, &half, sizeof value);
        return value;
    }
    double value;
    memcpy(&value, &bits, sizeof value);
    return array->type == PC_GGUF_F64 ? value : (double)pc_gguf_integer_at(array, index);
}

pc_status pc_gguf_integer(int64_t *out, const pc_gguf *gguf, const char *key, int64_t fallback, int64_t low, int64_t high)
{
    char expected[96];
    const pc_gguf_value *value = pc_gguf_find(gguf, key);
    *out = fallback;
    if (!value) {
        return PC_OK;
    }
    int64_t found = !value->array && is_integer(value->type) ? pc_gguf_integer_at(value, 0) : 0;
    if (value->array || !is_integer(value->type) || found < low || found > high) {
        snprintf(expected, sizeof expected, "an integer from %lld to %lld", (long long)low, (long long)high);
        return wrong(gguf, value, expected);
    }
    *out = found;
    return PC_OK;
}

pc_status pc_gguf_number(double *out, const pc_gguf *gguf, const char *key, double fallback)
{
    const pc_gguf_value *value = pc_gguf_find(gguf, key);
    *out = fallback;
    if (!value) {
        return PC_OK;
    }
    bool number = !value->array && (is_integer(value->type) || value->type == PC_GGUF_F32 || value->type == PC_GGUF_F64);
    double found = number ? pc_gguf_number_at(value, 0) : 0;
    if (!number || found - found != 0) {
        return wrong(gguf, value, "a finite number");
    }
    *out = found;
    return PC_OK;
}

pc_status pc_gguf_bool(bool *out, const pc_gguf *gguf, const char *key, bool fallback)
{
    const pc_gguf_value *value = pc_gguf_find(gguf, key);
    *out = fallback;
    if (value && (value->array || value->type != PC_GGUF_BOOL)) {
        return wrong(gguf, value, "a bool");
    }
    *out = value ? value->data[0] != 0 : fallback;
    return PC_OK;
}

pc_status pc_gguf_text(const char **out, size_t *length, const pc_gguf *gguf, const char *key)
{
    const pc_gguf_value *value = pc_gguf_find(gguf, key);
    *out = NULL;
    *length = 0;
    if (!value) {
        return PC_OK;
    }
    if (value->array || value->type != PC_GGUF_STRING) {
        return wrong(gguf, value, "a string");
    }
    const uint8_t *at = value->data;
    pc_gguf_next_text(&at, out, length);
    return PC_OK;
}

pc_status pc_gguf_array(const pc_gguf_value **out, const pc_gguf *gguf, const char *key, pc_gguf_type element)
{
    static const char *const expected[PC_GGUF_TYPES] = {
        [PC_GGUF_STRING] = "an array of strings", [PC_GGUF_F32] = "an array of f32", [PC_GGUF_I32] = "an array of i32",
        [PC_GGUF_U32] = "an array of u32"};
    *out = pc_gguf_find(gguf, key);
    if (*out && (!(*out)->array || (*out)->type != element)) {
        return wrong(gguf, *out, expected[element] ? expected[element] : "an array of another type");
    }
    return PC_OK;
}

void pc_gguf_next_text(const uint8_t **cursor, const char **out, size_t *length)
{
    *length = (size_t)pc_gguf_little_endian(*cursor, 8);
    *out = (const char *)*cursor + 8;
    *cursor += 8 + *length;
}
