/* GGUF, version 2 and 3, little-endian:
 *
 *     "GGUF" | u32 version | u64 tensors | u64 keys
 *     keys:    string key | u32 type | value          (string: u64 length | bytes; array: u32 type | u64 count | elements)
 *     tensors: string name | u32 dimensions | u64 sizes, innermost first | u32 type | u64 offset
 *     zeros up to a multiple of general.alignment (32) | data: each tensor at its offset
 *
 * Source: ggml's docs/gguf.md and ggml/src/gguf.cpp. Two walks over the same bytes: the first allocates nothing and
 * compares every count and length, and the sum of all tensors, with what is there; the second fills tables of known size.
 *
 * Easy to get wrong: offsets count from the first data byte; the alignment is a key of the file itself; rows (the
 * innermost size) are whole blocks.
 */
#include "store/gguf_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEAD = 24, DEFAULT_ALIGNMENT = 32, LEAST_ALIGNMENT = 8, MOST_ALIGNMENT = 65536, DIMS = 4,
    NAME_LIMIT = 255, KEY_LIMIT = 65535,
    LEAST_KEY = 8 + 1 + 4 + 1,       /* bytes of the shortest key with its value */
    LEAST_TENSOR = 8 + 1 + 4 + 4 + 8, /* bytes of the shortest tensor's entry */
};
static const uint64_t STRING_LIMIT = 64u << 20, ARRAY_LIMIT = 64u << 20;

/* Types of tensors by their number in the file; those without a type of ours are listed, but not read. */
static const struct {
    const char *name; /* NULL: unused number */
    uint16_t unit, bytes;
    pc_dtype dtype;
} types[] = {
    [0] = {"F32", 1, 4, PC_F32}, [1] = {"F16", 1, 2, PC_F16},
    [2] = {"Q4_0", 32, 18, PC_Q4_0}, [3] = {"Q4_1", 32, 20, PC_Q4_1},
    [6] = {"Q5_0", 32, 22, PC_Q5_0}, [7] = {"Q5_1", 32, 24, PC_Q5_1}, [8] = {"Q8_0", 32, 34, PC_Q8_0},
    [9] = {"Q8_1", 32, 36, PC_DTYPE_COUNT},
    [10] = {"Q2_K", 256, 84, PC_Q2_K}, [11] = {"Q3_K", 256, 110, PC_Q3_K}, [12] = {"Q4_K", 256, 144, PC_Q4_K},
    [13] = {"Q5_K", 256, 176, PC_Q5_K}, [14] = {"Q6_K", 256, 210, PC_Q6_K}, [15] = {"Q8_K", 256, 292, PC_DTYPE_COUNT},
    [16] = {"IQ2_XXS", 256, 66, PC_DTYPE_COUNT}, [17] = {"IQ2_XS", 256, 74, PC_DTYPE_COUNT},
    [18] = {"IQ3_XXS", 256, 98, PC_DTYPE_COUNT}, [19] = {"IQ1_S", 256, 50, PC_DTYPE_COUNT},
    [20] = {"IQ4_NL", 32, 18, PC_IQ4_NL}, [21] = {"IQ3_S", 256, 110, PC_DTYPE_COUNT},
    [22] = {"IQ2_S", 256, 82, PC_DTYPE_COUNT}, [23] = {"IQ4_XS", 256, 136, PC_IQ4_XS},
    [24] = {"I8", 1, 1, PC_DTYPE_COUNT}, [25] = {"I16", 1, 2, PC_DTYPE_COUNT}, [26] = {"I32", 1, 4, PC_I32},
    [27] = {"I64", 1, 8, PC_I64}, [28] = {"F64", 1, 8, PC_F64}, [29] = {"IQ1_M", 256, 56, PC_DTYPE_COUNT},
    [30] = {"BF16", 1, 2, PC_BF16}, [34] = {"TQ1_0", 256, 54, PC_DTYPE_COUNT}, [35] = {"TQ2_0", 256, 66, PC_DTYPE_COUNT},
};

/* A place in the file; at <= size always. */
typedef struct cursor {
    const uint8_t *bytes;
    size_t size, at;
    const char *file;
    uint64_t alignment;
} cursor;

typedef struct text {
    const char *bytes;
    size_t length;
} text;

/* A tensor's entry as it stands in the file, checked by itself. */
typedef struct entry {
    text name;
    int ndim;
    uint64_t dim[DIMS]; /* innermost first */
    uint32_t type;
    uint64_t offset;
    size_t bytes, at;
} entry;

static pc_status take(uint64_t *out, cursor *in, size_t size, const char *what)
{
    *out = 0;
    if (in->size - in->at < size) {
        return pc_fail(PC_ERR_DATA, "%s: offset %zu: the file ends within %s", in->file, in->at, what);
    }
    *out = pc_gguf_little_endian(in->bytes + in->at, size);
    in->at += size;
    return PC_OK;
}

static pc_status take_text(text *out, cursor *in, uint64_t limit, const char *what)
{
    uint64_t length;
    size_t at = in->at;
    *out = (text){0};
    PC_TRY(take(&length, in, 8, what));
    if (length > limit || length > in->size - in->at) {
        return pc_fail(PC_ERR_DATA, "%s: offset %zu: %s of %llu bytes; at most %llu are read, and %zu are left", in->file, at,
                       what, (unsigned long long)length, (unsigned long long)limit, in->size - in->at);
    }
    *out = (text){(const char *)in->bytes + in->at, (size_t)length};
    in->at += (size_t)length;
    return PC_OK;
}

/* Names are not empty and have no NUL, so that they can be C strings. */
static pc_status take_name(text *out, cursor *in, uint64_t limit, const char *what)
{
    size_t at = in->at;
    PC_TRY(take_text(out, in, limit, what));
    if (out->length == 0 || memchr(out->bytes, '\0', out->length)) {
        return pc_fail(PC_ERR_DATA, "%s: offset %zu: %s is empty or has a NUL inside", in->file, at, what);
    }
    return PC_OK;
}

/* "key 'general.name'" for messages, cut. */
static const char *shown(const char *what, text name, char out[128])
{
    char copy[256], cut[96];
    size_t length = name.length < sizeof copy - 1 ? name.length : sizeof copy - 1;
    memcpy(copy, name.bytes, length);
    copy[length] = '\0';
    snprintf(out, 128, "%s '%s'", what, pc_name_text(copy, cut));
    return out;
}

static pc_status skip_elements(cursor *in, pc_gguf_type type, uint64_t count, const char *what)
{
    text ignored;
    if (count > ARRAY_LIMIT || count > (in->size - in->at) / (type == PC_GGUF_STRING ? 8 : pc_gguf_bytes[type])) {
        return pc_fail(PC_ERR_DATA, "%s: offset %zu: %s has %llu elements, which is too many, or more than the file holds",
                       in->file, in->at, what, (unsigned long long)count);
    }
    for (uint64_t i = 0; type == PC_GGUF_STRING && i < count; i++) {
        PC_TRY(take_text(&ignored, in, STRING_LIMIT, what));
    }
    in->at += type == PC_GGUF_STRING ? 0 : (size_t)count * pc_gguf_bytes[type];
    return PC_OK;
}

static pc_status take_type(pc_gguf_type *out, cursor *in, const char *what)
{
    uint64_t type;
    *out = PC_GGUF_U8;
    PC_TRY(take(&type, in, 4, what));
    if (type >= PC_GGUF_TYPES) {
        return pc_fail(PC_ERR_DATA, "%s: offset %zu: %s has the unknown type %llu", in->file, in->at - 4, what,
                       (unsigned long long)type);
    }
    *out = (pc_gguf_type)type;
    return PC_OK;
}

/* A key with its value; out->key is not set. */
static pc_status take_value(pc_gguf_value *out, text *key, cursor *in)
{
    char what[128];
    PC_TRY(take_name(key, in, KEY_LIMIT, "a key"));
    shown("key", *key, what);
    *out = (pc_gguf_value){.count = 1};
    PC_TRY(take_type(&out->type, in, what));
    if (out->type == PC_GGUF_ARRAY) {
        out->array = true;
        PC_TRY(take_type(&out->type, in, what));
        if (out->type == PC_GGUF_ARRAY) {
            return pc_fail(PC_ERR_DATA, "%s: offset %zu: %s is an array of arrays", in->file, in->at - 4, what);
        }
        PC_TRY(take(&out->count, in, 8, what));
    }
    out->offset = in->at;
    out->data = in->bytes + in->at;
    PC_TRY(skip_elements(in, out->type, out->count, what));
    if (!out->array && out->type == PC_GGUF_BOOL && out->data[0] > 1) {
        return pc_fail(PC_ERR_DATA, "%s: offset %zu: %s is a bool of %d", in->file, out->offset, what, out->data[0]);
    }
    return PC_OK;
}

static pc_status read_alignment(cursor *in, const pc_gguf_value *value)
{
    uint64_t alignment = !value->array && value->type == PC_GGUF_U32 ? pc_gguf_little_endian(value->data, 4) : 0;
    if (alignment < LEAST_ALIGNMENT || alignment > MOST_ALIGNMENT || alignment & (alignment - 1)) {
        return pc_fail(PC_ERR_DATA, "%s: offset %zu: general.alignment is no u32 that is a power of two from %d to %d",
                       in->file, value->offset, LEAST_ALIGNMENT, MOST_ALIGNMENT);
    }
    in->alignment = alignment;
    return PC_OK;
}

/* Bytes of a tensor by type and sizes. */
static pc_status measure(entry *out, const cursor *in, const char *what)
{
    size_t count = 1, row = out->ndim ? (size_t)out->dim[0] : 1;
    bool fits = true;
    for (int i = 0; i < out->ndim; i++) {
        fits = fits && out->dim[i] <= INT64_MAX && pc_mul_size(count, (size_t)out->dim[i], &count);
    }
    if (!fits || count > INT64_MAX) {
        return pc_fail(PC_ERR_DATA, "%s: offset %zu: %s: the product of its sizes overflows", in->file, out->at, what);
    }
    if (out->type >= sizeof types / sizeof types[0] || !types[out->type].name) {
        return pc_fail(PC_ERR_DATA, "%s: offset %zu: %s has the unknown type %u", in->file, out->at, what,
                       (unsigned)out->type);
    }
    if (row % types[out->type].unit != 0) {
        return pc_fail(PC_ERR_DATA, "%s: offset %zu: %s: rows of %zu are no whole blocks of %s (%d)", in->file, out->at, what,
                       row, types[out->type].name, types[out->type].unit);
    }
    if (!pc_mul_size(count / types[out->type].unit, types[out->type].bytes, &out->bytes)) {
        return pc_fail(PC_ERR_DATA, "%s: offset %zu: %s: its bytes overflow", in->file, out->at, what);
    }
    return PC_OK;
}

static pc_status take_entry(entry *out, cursor *in)
{
    char what[128];
    uint64_t number;
    *out = (entry){.at = in->at};
    PC_TRY(take_name(&out->name, in, NAME_LIMIT, "a tensor's name"));
    shown("tensor", out->name, what);
    PC_TRY(take(&number, in, 4, what));
    if (number > DIMS) {
        return pc_fail(PC_ERR_DATA, "%s: offset %zu: %s has %llu dimensions, at most %d are read", in->file, in->at - 4, what,
                       (unsigned long long)number, DIMS);
    }
    out->ndim = (int)number;
    for (int i = 0; i < out->ndim; i++) {
        PC_TRY(take(&out->dim[i], in, 8, what));
    }
    PC_TRY(take(&number, in, 4, what));
    out->type = (uint32_t)number;
    PC_TRY(take(&out->offset, in, 8, what));
    if (out->offset % in->alignment != 0) {
        return pc_fail(PC_ERR_DATA, "%s: offset %zu: %s lies at data byte %llu, no multiple of the alignment %llu", in->file,
                       in->at - 8, what, (unsigned long long)out->offset, (unsigned long long)in->alignment);
    }
    return measure(out, in, what);
}

static pc_status take_head(cursor *in, uint64_t *tensors, uint64_t *keys)
{
    uint64_t magic, version;
    if (in->size < HEAD || !pc_gguf_recognise(in->bytes, in->size)) {
        return pc_fail(PC_ERR_DATA, "%s: offset 0: not the head of a GGUF file", in->file);
    }
    PC_TRY(take(&magic, in, 4, "the head"));
    PC_TRY(take(&version, in, 4, "the head"));
    if (version != 2 && version != 3) {
        bool swapped = version != 0 && (version & 0xffff) == 0;
        return pc_fail(PC_ERR_DATA, "%s: offset 4: GGUF version %llu; 2 and 3 are read%s", in->file,
                       (unsigned long long)version, swapped ? " (is the file big-endian?)" : "");
    }
    PC_TRY(take(tensors, in, 8, "the head"));
    PC_TRY(take(keys, in, 8, "the head"));
    size_t left = in->size - in->at;
    if (*keys > left / LEAST_KEY || *tensors > (left - (size_t)*keys * LEAST_KEY) / LEAST_TENSOR) {
        return pc_fail(PC_ERR_DATA, "%s: offset 8: %llu tensors and %llu keys are more than fit into a file of %zu bytes",
                       in->file, (unsigned long long)*tensors, (unsigned long long)*keys, in->size);
    }
    return PC_OK;
}

/* The first walk: *data = offset of the data. */
static pc_status survey(cursor in, uint64_t *tensors, uint64_t *keys, cursor *body, size_t *data)
{
    size_t total = 0, at;
    PC_TRY(take_head(&in, tensors, keys));
    *body = in;
    for (uint64_t i = 0; i < *keys; i++) {
        pc_gguf_value value;
        text key;
        PC_TRY(take_value(&value, &key, &in));
        if (key.length == 17 && memcmp(key.bytes, "general.alignment", 17) == 0) {
            PC_TRY(read_alignment(&in, &value));
        }
    }
    for (uint64_t i = 0; i < *tensors; i++) {
        entry tensor;
        at = in.at;
        PC_TRY(take_entry(&tensor, &in));
        if (!pc_add_size(total, tensor.bytes, &total) || total > in.size) {
            return pc_fail(PC_ERR_DATA, "%s: offset %zu: up to here the tensors need more bytes than the file's %zu", in.file,
                           at, in.size);
        }
    }
    body->alignment = in.alignment;
    *data = in.at + (size_t)((in.alignment - in.at % in.alignment) % in.alignment);
    if (*tensors > 0 && (*data > in.size || total > in.size - *data)) {
        return pc_fail(PC_ERR_DATA, "%s: its %llu tensors need %zu bytes behind offset %zu, and the file has %zu (is it cut?)",
                       in.file, (unsigned long long)*tensors, total, *data, in.size);
    }
    return PC_OK;
}

static pc_status keep(const char **out, text name, pc_arena *arena)
{
    char *copy = pc_arena_alloc(arena, name.length + 1, 1);
    if (!copy) {
        return pc_fail_memory(name.length + 1, "name in a GGUF file");
    }
    memcpy(copy, name.bytes, name.length);
    *out = copy;
    return PC_OK;
}

static pc_status fill_values(pc_gguf *gguf, uint64_t count, cursor *in, pc_arena *arena)
{
    char cut[96];
    while (gguf->count < count) {
        pc_gguf_value *value = &gguf->values[gguf->count];
        size_t at = in->at;
        text key;
        PC_TRY(take_value(value, &key, in));
        PC_TRY(keep(&value->key, key, arena));
        if (pc_names_add(&gguf->names, gguf->values, sizeof *value, gguf->count) != PC_NAMES_NONE) {
            return pc_fail(PC_ERR_DATA, "%s: offset %zu: the key '%s' is there twice", in->file, at,
                           pc_name_text(value->key, cut));
        }
        gguf->count++;
    }
    return PC_OK;
}

static pc_status fill_array(pc_array *array, const entry *tensor, const cursor *in, size_t data, pc_arena *arena)
{
    char what[128];
    if (tensor->offset > in->size - data || tensor->bytes > in->size - data - (size_t)tensor->offset) {
        return pc_fail(PC_ERR_DATA, "%s: offset %zu: %s: %zu bytes at data byte %llu do not lie in the file", in->file,
                       tensor->at, shown("tensor", tensor->name, what), tensor->bytes, (unsigned long long)tensor->offset);
    }
    *array = (pc_array){.dtype = types[tensor->type].dtype, .dtype_name = types[tensor->type].name, .ndim = tensor->ndim,
                        .bytes = tensor->bytes, .file = in->file};
    for (int i = 0; i < tensor->ndim; i++) {
        array->dim[tensor->ndim - 1 - i] = (int64_t)tensor->dim[i];
    }
    array->data = tensor->bytes ? in->bytes + data + tensor->offset : NULL;
    return keep(&array->name, tensor->name, arena);
}

static pc_status fill_arrays(pc_header *out, uint64_t count, cursor *in, size_t data, pc_arena *arena)
{
    char cut[96];
    while (out->count < count) {
        pc_array *array = &out->arrays[out->count];
        entry tensor;
        PC_TRY(take_entry(&tensor, in));
        PC_TRY(fill_array(array, &tensor, in, data, arena));
        if (pc_names_add(&out->names, out->arrays, sizeof *array, out->count) != PC_NAMES_NONE) {
            return pc_fail(PC_ERR_DATA, "%s: offset %zu: the tensor '%s' is there twice", in->file, tensor.at,
                           pc_name_text(array->name, cut));
        }
        out->count++;
    }
    return PC_OK;
}

static int by_place(const void *left, const void *right)
{
    const pc_array *a = *(const pc_array *const *)left, *b = *(const pc_array *const *)right;
    return (const uint8_t *)a->data < (const uint8_t *)b->data ? -1 : (const uint8_t *)a->data > (const uint8_t *)b->data;
}

static pc_status check_overlap(const pc_header *header, const cursor *in)
{
    char cut[96], other[96];
    const pc_array **order;
    size_t count = 0;
    PC_TRY(PC_NEW_ARRAY(order, header->count, "order of tensors"));
    for (size_t i = 0; i < header->count; i++) {
        if (header->arrays[i].bytes) {
            order[count++] = &header->arrays[i];
        }
    }
    pc_status status = PC_OK;
    qsort(order, count, sizeof *order, by_place);
    for (size_t i = 1; i < count && status == PC_OK; i++) {
        const uint8_t *end = (const uint8_t *)order[i - 1]->data + order[i - 1]->bytes;
        if ((const uint8_t *)order[i]->data < end) {
            status = pc_fail(PC_ERR_DATA, "%s: offset %zu: the tensors '%s' and '%s' overlap", in->file,
                             (size_t)((const uint8_t *)order[i]->data - in->bytes), pc_name_text(order[i - 1]->name, cut),
                             pc_name_text(order[i]->name, other));
        }
    }
    pc_free(order);
    return status;
}

bool pc_gguf_recognise(const uint8_t *bytes, size_t size)
{
    return size >= 4 && memcmp(bytes, "GGUF", 4) == 0;
}

pc_status pc_gguf_read(pc_gguf **out_gguf, pc_header *out, const uint8_t *bytes, size_t size, const char *file,
                       pc_arena *arena)
{
    cursor in = {.bytes = bytes, .size = size, .file = file, .alignment = DEFAULT_ALIGNMENT};
    uint64_t tensors = 0, keys = 0;
    size_t data = 0;
    pc_gguf *gguf = NULL;
    *out_gguf = NULL;
    memset(out, 0, sizeof *out);
    PC_TRY(survey(in, &tensors, &keys, &in, &data));
    pc_status status;
    PC_GO(PC_NEW(gguf, "GGUF file"));
    gguf->file = file;
    PC_GO(PC_NEW_ARRAY(gguf->values, (size_t)keys, "keys of a GGUF file"));
    PC_GO(pc_names_init(&gguf->names, (size_t)keys, file));
    PC_GO(PC_NEW_ARRAY(out->arrays, (size_t)tensors, "tensors of a GGUF file"));
    PC_GO(pc_names_init(&out->names, (size_t)tensors, file));
    PC_GO(fill_values(gguf, keys, &in, arena));
    PC_GO(fill_arrays(out, tensors, &in, data, arena));
    PC_GO(check_overlap(out, &in));
done:
    if (status != PC_OK) {
        pc_header_clear(out);
        pc_gguf_free(gguf);
        gguf = NULL;
    }
    *out_gguf = gguf;
    return status;
}

void pc_gguf_free(pc_gguf *gguf)
{
    if (gguf) {
        pc_free(gguf->values);
        pc_names_clear(&gguf->names);
        pc_free(gguf);
    }
}
