/* Head in memory -> temporary file -> tensors, each behind zeros up to the alignment -> renamed. */
#include "store/gguf_write.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/str.h"
#include "store/durable.h"
#include "store/gguf_read.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ALIGNMENT = 32, VERSION = 3, DIMS = 4 };

struct pc_gguf_writer {
    char *path, *temporary;
    int fd;
    bool created, begun, finished;
    pc_str keys, entries;
    uint64_t key_count, next_offset, at; /* bytes of data declared; offset in the file */
    size_t *sizes;                       /* of each tensor */
    size_t count, capacity, put;
    size_t part;                         /* bytes of the next tensor that are written */
    pc_gguf_type element;                /* of the array that is being filled */
    size_t missing;                      /* elements of it */
};

static int number_of(pc_dtype dtype)
{
    static const struct {
        pc_dtype dtype;
        int number;
    } numbers[] = {{PC_F32, 0},    {PC_F16, 1},    {PC_Q4_0, 2},    {PC_Q4_1, 3},    {PC_Q5_0, 6},    {PC_Q5_1, 7},
                   {PC_Q8_0, 8},   {PC_Q2_K, 10},  {PC_Q3_K, 11},   {PC_Q4_K, 12},   {PC_Q5_K, 13},   {PC_Q6_K, 14},
                   {PC_IQ4_NL, 20}, {PC_IQ4_XS, 23}, {PC_I32, 26},  {PC_I64, 27},    {PC_F64, 28},    {PC_BF16, 30}};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (numbers[i].dtype == dtype) {
            return numbers[i].number;
        }
    }
    return -1;
}

static pc_status add(pc_str *out, uint64_t value, size_t width)
{
    char bytes[8];
    for (size_t i = 0; i < width; i++) {
        bytes[i] = (char)(value >> (8 * i));
    }
    return pc_str_add(out, bytes, width);
}

static pc_status add_bytes(pc_str *out, const char *text, size_t length)
{
    PC_TRY(add(out, length, 8));
    return pc_str_add(out, text, length);
}

static pc_status add_text(pc_str *out, const char *text)
{
    return add_bytes(out, text, strlen(text));
}

pc_status pc_gguf_writer_new(pc_gguf_writer **out, const char *path)
{
    pc_gguf_writer *writer;
    char nonce[17];
    size_t size = strlen(path) + 32;
    *out = NULL;
    PC_TRY(PC_NEW(writer, "GGUF writer"));
    writer->fd = -1;
    writer->path = pc_strdup(path);
    writer->temporary = pc_calloc(size, 1);
    if (!writer->path || !writer->temporary) {
        pc_gguf_writer_free(writer);
        return pc_fail_memory(size, "GGUF writer");
    }
    pc_nonce(nonce);
    snprintf(writer->temporary, size, "%s.tmp-%s", path, nonce);
    *out = writer;
    return PC_OK;
}

static pc_status check_filled(const pc_gguf_writer *writer)
{
    return writer->missing == 0 ? PC_OK : pc_fail(PC_ERR_USAGE, "%s: %zu elements of an array were not written", writer->path,
                                                  writer->missing);
}

static pc_status begin_key(pc_gguf_writer *writer, const char *key, pc_gguf_type type)
{
    PC_TRY(check_filled(writer));
    PC_TRY(add_text(&writer->keys, key));
    PC_TRY(add(&writer->keys, type, 4));
    writer->key_count++;
    return PC_OK;
}

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

pc_status pc_gguf_writer_integer(pc_gguf_writer *writer, const char *key, uint32_t value)
{
    PC_TRY(begin_key(writer, key, PC_GGUF_U32));
    return add(&writer->keys, value, 4);
}

pc_status pc_gguf_writer_number(pc_gguf_writer *writer, const char *key, float value)
{
    PC_TRY(begin_key(writer, key, PC_GGUF_F32));
    return add(&writer->keys, bits_of(value), 4);
}

pc_status pc_gguf_writer_bool(pc_gguf_writer *writer, const char *key, bool value)
{
    PC_TRY(begin_key(writer, key, PC_GGUF_BOOL));
    return add(&writer->keys, value, 1);
}

pc_status pc_gguf_writer_text(pc_gguf_writer *writer, const char *key, const char *text, size_t length)
{
    PC_TRY(begin_key(writer, key, PC_GGUF_STRING));
    return add_bytes(&writer->keys, text, length);
}

pc_status pc_gguf_writer_array(pc_gguf_writer *writer, const char *key, pc_gguf_type element, size_t count)
{
    PC_TRY(begin_key(writer, key, PC_GGUF_ARRAY));
    PC_TRY(add(&writer->keys, element, 4));
    writer->element = element;
    writer->missing = count;
    return add(&writer->keys, count, 8);
}

static pc_status next_element(pc_gguf_writer *writer, pc_gguf_type element)
{
    if (writer->missing == 0 || writer->element != element) {
        return pc_fail(PC_ERR_USAGE, "%s: the element belongs to no array", writer->path);
    }
    writer->missing--;
    return PC_OK;
}

pc_status pc_gguf_writer_add_integer(pc_gguf_writer *writer, int32_t value)
{
    PC_TRY(next_element(writer, PC_GGUF_I32));
    return add(&writer->keys, (uint32_t)value, 4);
}

pc_status pc_gguf_writer_add_number(pc_gguf_writer *writer, float value)
{
    PC_TRY(next_element(writer, PC_GGUF_F32));
    return add(&writer->keys, bits_of(value), 4);
}

pc_status pc_gguf_writer_add_text(pc_gguf_writer *writer, const char *text, size_t length)
{
    PC_TRY(next_element(writer, PC_GGUF_STRING));
    return add_bytes(&writer->keys, text, length);
}

pc_status pc_gguf_writer_copy(pc_gguf_writer *writer, const pc_gguf_value *value)
{
    size_t bytes = (size_t)value->count * pc_gguf_bytes[value->type];
    if (value->type == PC_GGUF_STRING) {
        const uint8_t *cursor = value->data;
        const char *text;
        size_t length;
        for (uint64_t i = 0; i < value->count; i++) {
            pc_gguf_next_text(&cursor, &text, &length);
        }
        bytes = (size_t)(cursor - value->data);
    }
    PC_TRY(begin_key(writer, value->key, value->array ? PC_GGUF_ARRAY : value->type));
    if (value->array) {
        PC_TRY(add(&writer->keys, value->type, 4));
        PC_TRY(add(&writer->keys, value->count, 8));
    }
    return pc_str_add(&writer->keys, (const char *)value->data, bytes);
}

pc_status pc_gguf_writer_declare(pc_gguf_writer *writer, const char *name, pc_dtype dtype, int ndim, const int64_t *dim)
{
    size_t count = 1, bytes;
    int number = number_of(dtype);
    bool fits = number >= 0 && ndim <= DIMS && (ndim == 0 || dim[ndim - 1] % (int64_t)pc_dtype_unit(dtype) == 0);
    for (int i = 0; i < ndim && fits; i++) {
        fits = pc_mul_size(count, (size_t)dim[i], &count);
    }
    if (!fits || !pc_dtype_bytes(dtype, count, &bytes)) {
        return pc_fail(PC_ERR_USAGE, "%s: GGUF can't hold the tensor %s as %s", writer->path, name, pc_dtype_name(dtype));
    }
    PC_TRY(pc_grow(&writer->sizes, &writer->capacity, writer->count + 1, sizeof *writer->sizes, "tensors of a GGUF file"));
    PC_TRY(add_text(&writer->entries, name));
    PC_TRY(add(&writer->entries, (uint64_t)ndim, 4));
    for (int i = ndim - 1; i >= 0; i--) {
        PC_TRY(add(&writer->entries, (uint64_t)dim[i], 8));
    }
    PC_TRY(add(&writer->entries, (uint64_t)number, 4));
    PC_TRY(add(&writer->entries, writer->next_offset, 8));
    writer->sizes[writer->count++] = bytes;
    writer->next_offset += (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return PC_OK;
}

static pc_status write_at_end(pc_gguf_writer *writer, const void *bytes, size_t size)
{
    PC_TRY(pc_durable_write(writer->fd, bytes, size, writer->at, writer->temporary));
    writer->at += size;
    return PC_OK;
}

static pc_status pad(pc_gguf_writer *writer)
{
    static const char zeros[ALIGNMENT];
    return write_at_end(writer, zeros, (size_t)((ALIGNMENT - writer->at % ALIGNMENT) % ALIGNMENT));
}

static pc_status begin(pc_gguf_writer *writer)
{
    pc_str head = {0};
    pc_status status;
    if (writer->begun) {
        return PC_OK;
    }
    PC_TRY(check_filled(writer));
    writer->begun = true;
    PC_GO(pc_str_puts(&head, "GGUF"));
    PC_GO(add(&head, VERSION, 4));
    PC_GO(add(&head, writer->count, 8));
    PC_GO(add(&head, writer->key_count, 8));
    PC_GO(pc_durable_create(&writer->fd, writer->temporary, head.length + writer->keys.length + writer->entries.length +
                                                                ALIGNMENT + writer->next_offset));
    writer->created = true;
    PC_GO(write_at_end(writer, head.data, head.length));
    PC_GO(write_at_end(writer, writer->keys.data ? writer->keys.data : "", writer->keys.length));
    PC_GO(write_at_end(writer, writer->entries.data ? writer->entries.data : "", writer->entries.length));
    PC_GO(pad(writer));
done:
    pc_str_clear(&head);
    return status;
}

pc_status pc_gguf_writer_part(pc_gguf_writer *writer, const void *bytes, size_t size)
{
    if (writer->put == writer->count || size > writer->sizes[writer->put] - writer->part) {
        return pc_fail(PC_ERR_USAGE, "%s: %zu bytes for tensor %zu of %zu don't fit", writer->path, size, writer->put,
                       writer->count);
    }
    PC_TRY(begin(writer));
    PC_TRY(write_at_end(writer, bytes, size));
    writer->part += size;
    if (writer->part < writer->sizes[writer->put]) {
        return PC_OK;
    }
    writer->part = 0;
    writer->put++;
    return pad(writer);
}

pc_status pc_gguf_writer_put(pc_gguf_writer *writer, const void *bytes, size_t size)
{
    return writer->put < writer->count && writer->part == 0 && size == writer->sizes[writer->put]
               ? pc_gguf_writer_part(writer, bytes, size)
               : pc_fail(PC_ERR_USAGE, "%s: %zu bytes for tensor %zu of %zu don't fit", writer->path, size, writer->put,
                         writer->count);
}

pc_status pc_gguf_writer_finish(pc_gguf_writer *writer)
{
    if (writer->put != writer->count) {
        return pc_fail(PC_ERR_USAGE, "%s: tensor %zu of %zu was not written", writer->path, writer->put, writer->count);
    }
    PC_TRY(begin(writer));
    if (ftruncate(writer->fd, (off_t)writer->at) != 0) {
        return pc_fail(PC_ERR_IO, "%s: %s", writer->temporary, strerror(errno));
    }
    PC_TRY(pc_durable_close(&writer->fd, writer->temporary));
    if (rename(writer->temporary, writer->path) != 0) {
        return pc_fail(PC_ERR_IO, "%s: %s", writer->path, strerror(errno));
    }
    writer->finished = true;
    char *folder = pc_path_parent(writer->path);
    pc_status status = folder ? pc_fsync_directory(folder) : pc_fail_memory(0, "a path");
    pc_free(folder);
    return status;
}

void pc_gguf_writer_free(pc_gguf_writer *writer)
{
    if (!writer) {
        return;
    }
    if (writer->fd >= 0) {
        close(writer->fd);
    }
    if (writer->created && !writer->finished) {
        unlink(writer->temporary);
    }
    pc_str_clear(&writer->keys);
    pc_str_clear(&writer->entries);
    pc_free(writer->sizes);
    pc_free(writer->path);
    pc_free(writer->temporary);
    pc_free(writer);
}
