/* declare -> layout (layout.c) -> files under temporary names -> put -> durable and renamed. */
#include "store/writer_internal.h"

#include "base/file.h"
#include "base/memory.h"
#include "store/durable.h"
#include "store/names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    PIECE = 16384,
    HEADER_LIMIT = 100000000
}; /* elements converted at a time; bytes that readers accept */

typedef pc_writer_entry entry;
typedef pc_writer_shard shard;

pc_status pc_store_writer_new(pc_store_writer **out, const char *path, size_t max_shard_bytes)
{
    static const char suffix[] = ".safetensors";
    const char *base = pc_path_base(path);
    pc_store_writer *writer;
    *out = NULL;
    if (!pc_ends_with(base, suffix) || strlen(base) == sizeof suffix - 1) {
        return pc_fail(PC_ERR_USAGE, "%s: the name to write does not end in %s", path, suffix);
    }
    PC_TRY(PC_NEW(writer, "safetensors writer"));
    writer->max_shard_bytes = max_shard_bytes;
    writer->folder = pc_path_parent(path);
    writer->stem = pc_strndup(base, strlen(base) - (sizeof suffix - 1));
    writer->metadata = pc_json_new_object();
    pc_status status = PC_OK;
    if (writer->folder == NULL || writer->stem == NULL || writer->metadata == NULL) {
        status = pc_fail_memory(strlen(path), "safetensors writer");
    } else {
        status = pc_json_set(writer->metadata, "format", pc_json_new_text("pt"));
    }
    if (status != PC_OK) {
        pc_store_writer_free(writer);
        return status;
    }
    *out = writer;
    return PC_OK;
}

static pc_status refuse_late(const pc_store_writer *writer)
{
    return writer->laid_out
               ? pc_fail(PC_ERR_USAGE, "%s.safetensors: declared after the layout was fixed",
                         writer->stem)
               : PC_OK;
}

pc_status pc_store_writer_declare(pc_store_writer *writer, const char *name, pc_dtype dtype,
                                  int ndim, const int64_t *dim)
{
    char shown[96];
    size_t bytes = 1;
    PC_TRY(refuse_late(writer));
    pc_name_text(name, shown);
    if ((int)dtype < 0 || dtype >= PC_DTYPE_PLAIN || ndim < 0 || ndim > PC_ARRAY_MAX_DIMS) {
        return pc_fail(PC_ERR_USAGE,
                       "tensor %s: type %d or number of dimensions %d cannot be written", shown,
                       (int)dtype, ndim);
    }
    if (pc_utf8_valid_prefix(name, strlen(name)) != strlen(name) ||
        strcmp(name, "__metadata__") == 0) {
        return pc_fail(PC_ERR_USAGE, "tensor %s: this name cannot be written", shown);
    }
    entry made = {.dtype = dtype, .ndim = ndim};
    for (int i = 0; i < ndim; i++) {
        made.dim[i] = dim[i];
        if (dim[i] < 0 || !pc_mul_size(bytes, (size_t)dim[i], &bytes)) {
            return pc_fail(PC_ERR_USAGE, "tensor %s: dimension %d is negative or too large", shown,
                           i);
        }
    }
    if (!pc_mul_size(bytes, pc_dtype_size(dtype), &made.bytes) || made.bytes > INT64_MAX) {
        return pc_fail(PC_ERR_USAGE, "tensor %s: its size overflows", shown);
    }
    PC_TRY(pc_grow(&writer->entries, &writer->entry_capacity, writer->entry_count + 1, sizeof made,
                   "tensors to write"));
    made.name = pc_strdup(name);
    if (made.name == NULL) {
        return pc_fail_memory(strlen(name) + 1, "name of a tensor");
    }
    writer->entries[writer->entry_count++] = made;
    return PC_OK;
}

pc_status pc_store_writer_set_metadata(pc_store_writer *writer, const char *key, const char *value)
{
    PC_TRY(refuse_late(writer));
    return pc_json_set(writer->metadata, key, pc_json_new_text(value));
}

pc_status pc_store_writer_size(pc_store_writer *writer, uint64_t *bytes)
{
    PC_TRY(pc_store_writer_lay_out(writer));
    *bytes = 0;
    for (size_t i = 0; i < writer->shard_count; i++) {
        *bytes += writer->shards[i].data_begin + writer->shards[i].data_bytes;
    }
    return PC_OK;
}

/* Create the files and write their headers. */
static pc_status begin_files(pc_store_writer *writer)
{
    PC_TRY(pc_store_writer_lay_out(writer));
    if (writer->begun) {
        return PC_OK;
    }
    writer->broken = true; /* taken back at the end */
    PC_TRY(PC_NEW_ARRAY(writer->piece, PIECE, "conversion of a tensor"));
    for (size_t i = 0; i < writer->shard_count; i++) {
        shard *s = &writer->shards[i];
        PC_TRY(pc_durable_create(&s->fd, s->temporary, s->data_begin + s->data_bytes));
        s->created = true;
        PC_TRY(pc_durable_write(s->fd, s->header.data, s->header.length, 0, s->path));
        pc_str_clear(&s->header);
    }
    writer->begun = true;
    writer->broken = false;
    return PC_OK;
}

/* The entry to be put, and the files ready for it. */
static pc_status begin_put(entry **out, pc_store_writer *writer, const char *name)
{
    char shown[96];
    PC_TRY(begin_files(writer));
    size_t at = pc_names_find(&writer->names, writer->entries, sizeof *writer->entries, name);
    if (at == PC_NAMES_NONE || writer->entries[at].put || writer->finished) {
        return pc_fail(PC_ERR_USAGE, "tensor %s: put %s", pc_name_text(name, shown),
                       at == PC_NAMES_NONE ? "without being declared" : "twice, or after the end");
    }
    *out = &writer->entries[at];
    return PC_OK;
}

static pc_status write_at(pc_store_writer *writer, const entry *e, const void *data, size_t bytes,
                          size_t offset)
{
    const shard *s = &writer->shards[e->shard];
    pc_status status =
        pc_durable_write(s->fd, data, bytes, s->data_begin + e->begin + offset, s->path);
    writer->broken = status != PC_OK;
    return status;
}

pc_status pc_store_writer_put(pc_store_writer *writer, const char *name, const void *data,
                              size_t bytes)
{
    char shown[96];
    entry *e = NULL;
    PC_TRY(begin_put(&e, writer, name));
    if (bytes != e->bytes) {
        return pc_fail(PC_ERR_USAGE, "tensor %s: %zu bytes were put, its declaration says %zu",
                       pc_name_text(name, shown), bytes, e->bytes);
    }
    PC_TRY(write_at(writer, e, data, bytes, 0));
    e->put = true;
    return PC_OK;
}

pc_status pc_store_writer_put_f32(pc_store_writer *writer, const char *name, const float *values,
                                  int64_t count)
{
    char shown[96];
    entry *e = NULL;
    PC_TRY(begin_put(&e, writer, name));
    size_t width = pc_dtype_size(e->dtype), total = e->bytes / width;
    if (e->dtype != PC_F32 && e->dtype != PC_BF16 && e->dtype != PC_F16 && e->dtype != PC_F64) {
        return pc_fail(PC_ERR_USAGE, "tensor %s: f32 values cannot be stored as %s",
                       pc_name_text(name, shown), pc_dtype_name(e->dtype));
    }
    if (count < 0 || (uint64_t)count != total) {
        return pc_fail(PC_ERR_USAGE, "tensor %s: %lld values were put, its declaration says %zu",
                       pc_name_text(name, shown), (long long)count, total);
    }
    if (e->dtype == PC_F32) {
        PC_TRY(write_at(writer, e, values, e->bytes, 0));
    } else {
        size_t step = PIECE * sizeof(float) / width;
        for (size_t at = 0; at < total; at += step) {
            size_t here = total - at < step ? total - at : step;
            pc_convert_from_f32(writer->piece, e->dtype, values + at, here);
            PC_TRY(write_at(writer, e, writer->piece, here * width, at * width));
        }
    }
    e->put = true;
    return PC_OK;
}

static pc_status write_index(pc_store_writer *writer, const char *path)
{
    pc_json *root = pc_json_new_object(), *metadata = pc_json_new_object(),
            *map = pc_json_new_object();
    uint64_t total = 0;
    pc_status status = root != NULL && metadata != NULL && map != NULL
                           ? PC_OK
                           : pc_fail_memory(0, "index of shards");
    for (size_t i = 0; status == PC_OK && i < writer->entry_count; i++) {
        const entry *e = &writer->entries[i];
        total += e->bytes;
        status = pc_json_set(map, e->name, pc_json_new_text(writer->shards[e->shard].name));
    }
    if (status != PC_OK) {
        pc_json_free(metadata);
        pc_json_free(map);
        goto done;
    }
    status = pc_json_set(metadata, "total_size", pc_json_new_integer((int64_t)total));
    pc_status first = pc_json_set(root, "metadata", metadata);
    pc_status second = pc_json_set(root, "weight_map", map);
    status = status != PC_OK ? status : first != PC_OK ? first : second;
    if (status == PC_OK) {
        status = pc_json_write_file(path, root, 2);
    }
done:
    pc_json_free(root);
    return status;
}

/* `path`, which another save left and a reader would take for this one's, goes away. */
static pc_status remove_stale(const char *path)
{
    if (unlink(path) != 0 && errno != ENOENT) {
        return pc_fail(PC_ERR_IO, "%s: removing the older save: %s", path, strerror(errno));
    }
    return PC_OK;
}

static pc_status publish(pc_store_writer *writer)
{
    pc_str name = {0};
    char *single = NULL, *index = NULL;
    pc_status status;
    for (size_t i = 0; i < writer->shard_count; i++) {
        shard *s = &writer->shards[i];
        if (rename(s->temporary, s->path) != 0) {
            status =
                pc_fail(PC_ERR_IO, "%s: renaming the finished file: %s", s->path, strerror(errno));
            goto done;
        }
        s->created = false;
    }
    PC_GO(pc_fsync_directory(writer->folder));
    PC_GO(pc_str_printf(&name, "%s.safetensors.index.json", writer->stem));
    index = pc_path_join(writer->folder, name.data);
    pc_str_reset(&name);
    PC_GO(pc_str_printf(&name, "%s.safetensors", writer->stem));
    single = pc_path_join(writer->folder, name.data);
    if (single == NULL || index == NULL) {
        status = pc_fail_memory(name.length, "path of an index");
        goto done;
    }
    if (writer->shard_count > 1) {
        writer->index_name = pc_strdup(pc_path_base(index));
        if (writer->index_name == NULL) {
            status = pc_fail_memory(name.length, "path of an index");
            goto done;
        }
        PC_GO(write_index(writer, index));
    }
    PC_GO(remove_stale(writer->shard_count > 1 ? single : index));
    PC_GO(pc_fsync_directory(writer->folder));
done:
    pc_str_clear(&name);
    pc_free(single);
    pc_free(index);
    return status;
}

pc_status pc_store_writer_finish(pc_store_writer *writer)
{
    char shown[96];
    PC_TRY(begin_files(writer));
    if (writer->finished) {
        return pc_fail(PC_ERR_USAGE, "%s.safetensors: finished twice", writer->stem);
    }
    for (size_t i = 0; i < writer->entry_count; i++) {
        if (!writer->entries[i].put && writer->entries[i].bytes > 0) {
            return pc_fail(PC_ERR_USAGE, "tensor %s was declared but not put",
                           pc_name_text(writer->entries[i].name, shown));
        }
    }
    writer->broken = true; /* taken back at the end */
    for (size_t i = 0; i < writer->shard_count; i++) {
        PC_TRY(pc_durable_close(&writer->shards[i].fd, writer->shards[i].path));
    }
    PC_TRY(publish(writer));
    writer->broken = false;
    writer->finished = true;
    return PC_OK;
}

size_t pc_store_writer_file_count(const pc_store_writer *writer)
{
    return writer->shard_count + (writer->index_name != NULL);
}

const char *pc_store_writer_file(const pc_store_writer *writer, size_t index)
{
    return index < writer->shard_count ? writer->shards[index].name : writer->index_name;
}

void pc_store_writer_free(pc_store_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    for (size_t i = 0; i < writer->shard_count; i++) {
        shard *s = &writer->shards[i];
        if (s->fd >= 0) {
            close(s->fd);
        }
        if (s->created) {
            unlink(s->temporary);
        }
        pc_free(s->name);
        pc_free(s->path);
        pc_free(s->temporary);
        pc_str_clear(&s->header);
    }
    for (size_t i = 0; i < writer->entry_count; i++) {
        pc_free((char *)writer->entries[i].name);
    }
    pc_free(writer->shards);
    pc_free(writer->entries);
    pc_names_clear(&writer->names);
    pc_json_free(writer->metadata);
    pc_free(writer->index_name);
    pc_free(writer->piece);
    pc_free(writer->folder);
    pc_free(writer->stem);
    pc_free(writer);
}

pc_status pc_store_write(const char *path, const pc_array *arrays, size_t count)
{
    pc_store_writer *writer;
    PC_TRY(pc_store_writer_new(&writer, path, 0));
    pc_status status = PC_OK;
    for (size_t i = 0; i < count; i++) {
        PC_GO(pc_store_writer_declare(writer, arrays[i].name, arrays[i].dtype, arrays[i].ndim,
                                      arrays[i].dim));
    }
    for (size_t i = 0; i < count; i++) {
        PC_GO(pc_store_writer_put(writer, arrays[i].name, arrays[i].data, arrays[i].bytes));
    }
    PC_GO(pc_store_writer_finish(writer));
done:
    pc_store_writer_free(writer);
    return status;
}
