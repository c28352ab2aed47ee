/* safetensors, one file:
 *
 *     u64 little endian: n | n bytes of JSON | data
 *     {"__metadata__": {"format": "pt"}, "name": {"dtype": "F32", "shape": [2,3], "data_offsets":
 * [0,24]}, ...}
 *
 * Source: the format's description and reference implementation (huggingface/safetensors), which
 * this follows in what is accepted, except where store.h says "stricter".
 *
 * Easy to get wrong: offsets count from the first data byte, not from the file's; white space
 * before '{' is allowed; a shape [] has one element; ranges must tile the data exactly, so that no
 * byte is hidden and none is read twice; the product of a shape is checked factor by factor even
 * when a later factor is 0.
 */
#include "store/header.h"

#include "store/members.h"

#include <stdlib.h>
#include <string.h>

/* Bytes. The last two bound what a header can make us hold to about three times its size. */
enum { HEADER_LIMIT = 100000000, METADATA_LIMIT = 16 * 1024 * 1024, ENTRY_LIMIT = 64 * 1024 };

/* The types that the format knows, by bits; those without a number type of ours are listed but not
 * read. */
static const struct {
    const char *name;
    unsigned bits;
    pc_dtype dtype;
} types[] = {
    {"BOOL", 8, PC_BOOL},
    {"F4", 4, PC_DTYPE_COUNT},
    {"F6_E2M3", 6, PC_DTYPE_COUNT},
    {"F6_E3M2", 6, PC_DTYPE_COUNT},
    {"U8", 8, PC_U8},
    {"I8", 8, PC_DTYPE_COUNT},
    {"F8_E5M2", 8, PC_DTYPE_COUNT},
    {"F8_E4M3", 8, PC_DTYPE_COUNT},
    {"F8_E8M0", 8, PC_DTYPE_COUNT},
    {"F8_E4M3FNUZ", 8, PC_DTYPE_COUNT},
    {"F8_E5M2FNUZ", 8, PC_DTYPE_COUNT},
    {"I16", 16, PC_DTYPE_COUNT},
    {"U16", 16, PC_DTYPE_COUNT},
    {"F16", 16, PC_F16},
    {"BF16", 16, PC_BF16},
    {"I32", 32, PC_I32},
    {"U32", 32, PC_DTYPE_COUNT},
    {"F32", 32, PC_F32},
    {"C64", 64, PC_DTYPE_COUNT},
    {"F64", 64, PC_F64},
    {"I64", 64, PC_I64},
    {"U64", 64, PC_DTYPE_COUNT},
};

/* What is known while the entries are read. */
typedef struct reading {
    const char *file;
    const uint8_t *data; /* first data byte */
    size_t data_size;
    pc_arena *arena;
    pc_str buffer;
} reading;

static pc_status keep_text(const char **out, const char *text, pc_arena *arena)
{
    *out = pc_arena_strdup(arena, text);
    return *out != NULL ? PC_OK : pc_fail_memory(strlen(text) + 1, "name in a safetensors header");
}

static pc_status read_dtype(pc_array *array, unsigned *bits, const pc_json *entry,
                            const reading *in)
{
    char shown[96], type[96];
    const char *name = pc_json_text(pc_json_get(entry, "dtype"));
    for (size_t i = 0; name != NULL && i < sizeof types / sizeof *types; i++) {
        if (strcmp(types[i].name, name) == 0) {
            array->dtype = types[i].dtype;
            array->dtype_name = types[i].name;
            *bits = types[i].bits;
            return PC_OK;
        }
    }
    return pc_fail(PC_ERR_DATA, "%s: tensor %s: dtype %s is none that the format knows", in->file,
                   pc_name_text(array->name, shown),
                   name != NULL ? pc_name_text(name, type) : "(missing)");
}

static pc_status read_shape(pc_array *array, size_t *count, const pc_json *entry, const reading *in)
{
    char shown[96];
    const pc_json *shape = pc_json_get(entry, "shape");
    size_t ndim = pc_json_length(shape);
    pc_name_text(array->name, shown);
    if (!pc_json_is_array(shape)) {
        return pc_fail(PC_ERR_DATA, "%s: tensor %s: shape is missing or no array", in->file, shown);
    }
    if (ndim > PC_ARRAY_MAX_DIMS) {
        return pc_fail(PC_ERR_DATA, "%s: tensor %s: %zu dimensions, at most %d are read", in->file,
                       shown, ndim, PC_ARRAY_MAX_DIMS);
    }
    array->ndim = (int)ndim;
    *count = 1;
    for (size_t i = 0; i < ndim; i++) {
        const pc_json *dim = pc_json_at(shape, i);
        array->dim[i] = pc_json_is_integer(dim) ? pc_json_integer(dim, -1) : -1;
        if (array->dim[i] < 0) {
            return pc_fail(PC_ERR_DATA, "%s: tensor %s: shape[%zu] is no integer >= 0", in->file,
                           shown, i);
        }
        if (!pc_mul_size(*count, (size_t)array->dim[i], count)) {
            return pc_fail(PC_ERR_DATA, "%s: tensor %s: the product of its shape overflows",
                           in->file, shown);
        }
    }
    return PC_OK;
}

/* The byte range: it lies in the data and has exactly the size that type and shape ask for. */
static pc_status read_range(pc_array *array, size_t count, unsigned bits, const pc_json *entry,
                            const reading *in)
{
    char shown[96];
    const pc_json *range = pc_json_get(entry, "data_offsets");
    const pc_json *first = pc_json_at(range, 0), *last = pc_json_at(range, 1);
    size_t need;
    pc_name_text(array->name, shown);
    if (!pc_json_is_array(range) || pc_json_length(range) != 2 || !pc_json_is_integer(first) ||
        !pc_json_is_integer(last)) {
        return pc_fail(PC_ERR_DATA, "%s: tensor %s: data_offsets is not [begin,end]", in->file,
                       shown);
    }
    int64_t begin = pc_json_integer(first, -1), end = pc_json_integer(last, -1);
    if (begin < 0 || end < begin || (uint64_t)end > in->data_size) {
        return pc_fail(
            PC_ERR_DATA,
            "%s: tensor %s: data_offsets [%lld,%lld] do not lie in the %zu bytes of data", in->file,
            shown, (long long)begin, (long long)end, in->data_size);
    }
    if (!pc_mul_size(count, bits, &need) || need % 8 != 0 || need / 8 != (size_t)(end - begin)) {
        return pc_fail(PC_ERR_DATA, "%s: tensor %s: %zu elements of %s do not take %lld bytes",
                       in->file, shown, count, array->dtype_name, (long long)(end - begin));
    }
    array->bytes = (size_t)(end - begin);
    array->data = in->data + begin;
    return PC_OK;
}

/* Numbers of an entry are never negative; "-0" would be one that the reference takes for a float.
 */
static bool has_minus(const pc_members *walk)
{
    bool quoted = false;
    for (size_t i = 0; i < walk->value_length; i++) {
        char c = walk->value[i];
        if (quoted && c == '\\') {
            i++;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (c == '-' && !quoted) {
            return true;
        }
    }
    return false;
}

static pc_status read_entry(pc_array *array, const pc_members *walk, reading *in)
{
    char shown[96];
    pc_json *pair;
    unsigned bits = 0;
    size_t count = 0;
    PC_TRY(pc_members_parse(&pair, walk, ENTRY_LIMIT, &in->buffer));
    const pc_json *entry = pc_json_at(pair, 1);
    pc_status status;
    PC_GO(keep_text(&array->name, pc_json_text(pc_json_at(pair, 0)), in->arena));
    array->file = in->file;
    if (!pc_json_is_object(entry) || has_minus(walk)) {
        status =
            pc_fail(PC_ERR_DATA, "%s: tensor %s: its entry is no object, or has a negative number",
                    in->file, pc_name_text(array->name, shown));
        goto done;
    }
    PC_GO(read_dtype(array, &bits, entry, in));
    PC_GO(read_shape(array, &count, entry, in));
    PC_GO(read_range(array, count, bits, entry, in));
done:
    pc_json_free(pair);
    return status;
}

static bool is_metadata(const pc_members *walk)
{
    static const char key[] = "\"__metadata__\"";
    return walk->key_length == sizeof key - 1 && memcmp(walk->key, key, sizeof key - 1) == 0;
}

/* Members of the object in text, found without building anything; `apart` = those named
 * __metadata__. */
static pc_status count_members(size_t *count, size_t *apart, const char *text, size_t length,
                               const char *where)
{
    pc_members walk;
    bool more;
    *count = *apart = 0;
    pc_members_init(&walk, text, length, where);
    for (;;) {
        PC_TRY(pc_members_next(&walk, &more));
        if (!more) {
            return PC_OK;
        }
        *(is_metadata(&walk) ? apart : count) += 1;
    }
}

static pc_status read_pair(pc_pair *out, const pc_members *walk, reading *in)
{
    char shown[96];
    pc_json *pair;
    PC_TRY(pc_members_parse(&pair, walk, HEADER_LIMIT, &in->buffer));
    const pc_json *value = pc_json_at(pair, 1);
    pc_status status;
    if (!pc_json_is_string(value) || strlen(pc_json_text(value)) != pc_json_text_length(value)) {
        status = pc_fail(PC_ERR_DATA, "%s: __metadata__: the value of %s is no text", in->file,
                         pc_name_text(pc_json_text(pc_json_at(pair, 0)), shown));
        goto done;
    }
    PC_GO(keep_text(&out->key, pc_json_text(pc_json_at(pair, 0)), in->arena));
    PC_GO(keep_text(&out->value, pc_json_text(value), in->arena));
done:
    pc_json_free(pair);
    return status;
}

static pc_status read_metadata(pc_header *out, const pc_members *outer, reading *in)
{
    char shown[96];
    pc_members walk;
    bool more;
    size_t count, apart;
    pc_names names = {0};
    if (outer->value_length == 0 || outer->value[0] != '{') {
        return pc_fail(PC_ERR_DATA, "%s: __metadata__ is no object", in->file);
    }
    if (outer->value_length > METADATA_LIMIT) {
        return pc_fail(PC_ERR_DATA, "%s: __metadata__ of %zu bytes is longer than the %d allowed",
                       in->file, outer->value_length, METADATA_LIMIT);
    }
    PC_TRY(count_members(&count, &apart, outer->value, outer->value_length, in->file));
    PC_TRY(PC_NEW_ARRAY(out->metadata, count + apart, "safetensors metadata"));
    pc_status status = pc_names_init(&names, count + apart, "safetensors metadata");
    pc_members_init(&walk, outer->value, outer->value_length, in->file);
    while (status == PC_OK) {
        PC_GO(pc_members_next(&walk, &more));
        if (!more) {
            break;
        }
        PC_GO(read_pair(&out->metadata[out->metadata_count], &walk, in));
        if (pc_names_add(&names, out->metadata, sizeof *out->metadata, out->metadata_count) !=
            PC_NAMES_NONE) {
            status = pc_fail(PC_ERR_DATA, "%s: __metadata__ has the key %s twice", in->file,
                             pc_name_text(out->metadata[out->metadata_count].key, shown));
            goto done;
        }
        out->metadata_count++;
    }
done:
    pc_names_clear(&names);
    return status;
}

static pc_status read_entries(pc_header *out, const char *text, size_t length, reading *in)
{
    char shown[96];
    pc_members walk;
    bool more;
    pc_members_init(&walk, text, length, in->file);
    for (;;) {
        PC_TRY(pc_members_next(&walk, &more));
        if (!more) {
            return PC_OK;
        }
        if (is_metadata(&walk)) {
            PC_TRY(read_metadata(out, &walk, in));
            continue;
        }
        PC_TRY(read_entry(&out->arrays[out->count], &walk, in));
        const char *name = out->arrays[out->count].name;
        if (strcmp(name, "__metadata__") == 0 || /* spelled with an escape */
            pc_names_add(&out->names, out->arrays, sizeof *out->arrays, out->count) !=
                PC_NAMES_NONE) {
            return pc_fail(PC_ERR_DATA, "%s: tensor %s appears twice in the header", in->file,
                           pc_name_text(name, shown));
        }
        out->count++;
    }
}

static int by_range(const void *left, const void *right)
{
    const pc_array *a = *(const pc_array *const *)left, *b = *(const pc_array *const *)right;
    const uint8_t *a_data = a->data, *b_data = b->data;
    if (a_data != b_data) {
        return a_data < b_data ? -1 : 1;
    }
    return a->bytes < b->bytes ? -1 : a->bytes > b->bytes;
}

/* Sorted by place, each range begins where the one before ends, and the last ends with the file. */
static pc_status check_tiling(const pc_header *header, const reading *in)
{
    char shown[96];
    const pc_array **order;
    size_t expected = 0;
    PC_TRY(PC_NEW_ARRAY(order, header->count, "order of tensors"));
    pc_status status = PC_OK;
    for (size_t i = 0; i < header->count; i++) {
        order[i] = &header->arrays[i];
    }
    qsort(order, header->count, sizeof *order, by_range);
    for (size_t i = 0; i < header->count; i++) {
        size_t begin = (size_t)((const uint8_t *)order[i]->data - in->data);
        if (begin != expected) {
            status = pc_fail(PC_ERR_DATA, "%s: tensor %s begins at data byte %zu, expected %zu: %s",
                             in->file, pc_name_text(order[i]->name, shown), begin, expected,
                             begin < expected ? "it overlaps another" : "there is a hole");
            goto done;
        }
        expected = begin + order[i]->bytes;
    }
    if (expected != in->data_size) {
        status = pc_fail(PC_ERR_DATA,
                         "%s: its tensors end at data byte %zu, but the file has %zu bytes of data",
                         in->file, expected, in->data_size);
    }
done:
    pc_free(order);
    return status;
}

/* The JSON text's place, checked against the file's length. */
static pc_status find_text(size_t *length, const uint8_t *bytes, size_t size, const char *file)
{
    uint64_t stored = 0;
    if (size < 8) {
        return pc_fail(PC_ERR_DATA, "%s: %zu bytes are too few for a safetensors file", file, size);
    }
    for (int i = 7; i >= 0; i--) {
        stored = stored << 8 | bytes[i];
    }
    if (stored > HEADER_LIMIT) {
        return pc_fail(PC_ERR_DATA, "%s: header of %llu bytes is longer than the %d allowed", file,
                       (unsigned long long)stored, HEADER_LIMIT);
    }
    if (stored > size - 8) {
        return pc_fail(PC_ERR_DATA, "%s: header of %llu bytes does not fit into a file of %zu",
                       file, (unsigned long long)stored, size);
    }
    *length = (size_t)stored;
    return PC_OK;
}

pc_status pc_header_read(pc_header *out, const uint8_t *bytes, size_t size, const char *file,
                         pc_arena *arena)
{
    size_t length = 0, count, apart;
    memset(out, 0, sizeof *out);
    PC_TRY(find_text(&length, bytes, size, file));
    const char *text = (const char *)bytes + 8;
    PC_TRY(count_members(&count, &apart, text, length, file));
    if (apart > 1) {
        return pc_fail(PC_ERR_DATA, "%s: __metadata__ appears twice in the header", file);
    }
    reading in = {.file = file,
                  .data = bytes + 8 + length,
                  .data_size = size - 8 - length,
                  .arena = arena};
    pc_status status;
    PC_GO(PC_NEW_ARRAY(out->arrays, count, "tensors of a safetensors header"));
    PC_GO(pc_names_init(&out->names, count, "tensors of a safetensors header"));
    PC_GO(read_entries(out, text, length, &in));
    PC_GO(check_tiling(out, &in));
done:
    pc_str_clear(&in.buffer);
    if (status != PC_OK) {
        pc_header_clear(out);
    }
    return status;
}

void pc_header_clear(pc_header *header)
{
    pc_free(header->arrays);
    pc_free(header->metadata);
    pc_names_clear(&header->names);
    memset(header, 0, sizeof *header);
}
