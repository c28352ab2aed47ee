/* Which array goes where: shards, offsets and the text of each header.
 *
 * Order inside a file: as the reference implementation sorts, by its list of types from wide to
 * narrow, then by name. Widths only fall, so every array starts at a multiple of its element size.
 */
#include "store/writer_internal.h"

#include "base/file.h"
#include "base/memory.h"
#include "store/durable.h"

#include <stdlib.h>
#include <string.h>

enum { HEADER_LIMIT = 100000000 }; /* bytes that readers accept */

typedef pc_writer_entry entry;
typedef pc_writer_shard shard;

/* Position in the reference's list of types. */
static int rank_of(pc_dtype dtype)
{
    static const int ranks[PC_DTYPE_PLAIN] = {[PC_BOOL] = 0, [PC_U8] = 1,  [PC_F16] = 2,
                                              [PC_BF16] = 3, [PC_I32] = 4, [PC_F32] = 5,
                                              [PC_F64] = 6,  [PC_I64] = 7};
    return ranks[dtype];
}

static int by_place(const void *left, const void *right)
{
    const entry *a = *(const entry *const *)left, *b = *(const entry *const *)right;
    if (a->shard != b->shard) {
        return a->shard < b->shard ? -1 : 1;
    }
    int ranks = rank_of(b->dtype) - rank_of(a->dtype);
    return ranks != 0 ? ranks : strcmp(a->name, b->name);
}

/* Greedy, in declared order, as huggingface_hub splits; returns the number of shards. */
static size_t assign_shards(pc_store_writer *writer)
{
    size_t at = 0;
    uint64_t filled = 0;
    for (size_t i = 0; i < writer->entry_count; i++) {
        entry *e = &writer->entries[i];
        if (writer->max_shard_bytes > 0 && filled > 0 &&
            filled + e->bytes > writer->max_shard_bytes) {
            at++;
            filled = 0;
        }
        e->shard = at;
        filled += e->bytes;
    }
    return at + 1;
}

static pc_status name_shard(pc_store_writer *writer, size_t at)
{
    pc_str name = {0}, hidden = {0};
    char nonce[17];
    shard *s = &writer->shards[at];
    pc_status status;
    s->fd = -1;
    if (writer->shard_count == 1) {
        PC_GO(pc_str_printf(&name, "%s.safetensors", writer->stem));
    } else {
        PC_GO(pc_str_printf(&name, "%s-%05zu-of-%05zu.safetensors", writer->stem, at + 1,
                            writer->shard_count));
    }
    pc_nonce(nonce);
    PC_GO(pc_str_printf(&hidden, ".%s.tmp-%s", name.data, nonce));
    s->name = pc_strdup(name.data);
    s->path = pc_path_join(writer->folder, name.data);
    s->temporary = pc_path_join(writer->folder, hidden.data);
    if (s->name == NULL || s->path == NULL || s->temporary == NULL) {
        status = pc_fail_memory(name.length, "name of a shard");
    }
done:
    pc_str_clear(&name);
    pc_str_clear(&hidden);
    return status;
}

static pc_status add_json_text(pc_str *out, const char *text)
{
    pc_json *node = pc_json_new_text(text);
    if (node == NULL) {
        return pc_fail_memory(strlen(text), "name of a tensor");
    }
    pc_status status = pc_json_write(out, node, 0);
    pc_json_free(node);
    return status;
}

/* {"__metadata__":{"format":"pt"} : opened here, closed by end_header. */
static pc_status begin_header(pc_store_writer *writer, pc_str *out)
{
    const char *separator = "";
    PC_TRY(pc_str_add(out, "\0\0\0\0\0\0\0", 8)); /* place of the length field */
    PC_TRY(pc_str_puts(out, "{\"__metadata__\":{"));
    for (void *it = pc_json_first(writer->metadata); it != NULL;
         it = pc_json_next(writer->metadata, it)) {
        PC_TRY(pc_str_puts(out, separator));
        PC_TRY(add_json_text(out, pc_json_key(it)));
        PC_TRY(pc_str_putc(out, ':'));
        PC_TRY(add_json_text(out, pc_json_text(pc_json_value(it))));
        separator = ",";
    }
    return pc_str_putc(out, '}');
}

static pc_status add_entry(pc_str *out, const entry *e)
{
    PC_TRY(pc_str_putc(out, ','));
    PC_TRY(add_json_text(out, e->name));
    PC_TRY(
        pc_str_printf(out, ":{\"dtype\":\"%s\",\"shape\":[", pc_dtype_safetensors_name(e->dtype)));
    for (int i = 0; i < e->ndim; i++) {
        PC_TRY(pc_str_printf(out, "%s%lld", i > 0 ? "," : "", (long long)e->dim[i]));
    }
    return pc_str_printf(out, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)e->begin,
                         (unsigned long long)(e->begin + e->bytes));
}

static pc_status end_header(shard *s)
{
    PC_TRY(pc_str_putc(&s->header, '}'));
    while (s->header.length % 8 != 0) {
        PC_TRY(pc_str_putc(&s->header, ' '));
    }
    uint64_t length = s->header.length - 8;
    if (length > HEADER_LIMIT) {
        return pc_fail(PC_ERR_USAGE, "%s: header of %llu bytes is longer than readers accept",
                       s->name, (unsigned long long)length);
    }
    for (int i = 0; i < 8; i++) {
        s->header.data[i] = (char)(length >> (8 * i));
    }
    s->data_begin = s->header.length;
    return PC_OK;
}

static pc_status place_entries(pc_store_writer *writer)
{
    entry **order;
    PC_TRY(PC_NEW_ARRAY(order, writer->entry_count, "order of tensors"));
    pc_status status = PC_OK;
    for (size_t i = 0; i < writer->entry_count; i++) {
        order[i] = &writer->entries[i];
    }
    qsort(order, writer->entry_count, sizeof *order, by_place);
    for (size_t i = 0; i < writer->shard_count; i++) {
        PC_GO(begin_header(writer, &writer->shards[i].header));
    }
    for (size_t i = 0; i < writer->entry_count; i++) {
        shard *s = &writer->shards[order[i]->shard];
        order[i]->begin = s->data_bytes;
        s->data_bytes += order[i]->bytes;
        if (s->data_bytes > INT64_MAX / 2) {
            status = pc_fail(PC_ERR_USAGE, "%s: the tensors together are too large", s->name);
            goto done;
        }
        PC_GO(add_entry(&s->header, order[i]));
    }
    for (size_t i = 0; i < writer->shard_count; i++) {
        PC_GO(end_header(&writer->shards[i]));
    }
done:
    pc_free(order);
    return status;
}

pc_status pc_store_writer_lay_out(pc_store_writer *writer)
{
    char shown[96];
    if (writer->broken) {
        return pc_fail(PC_ERR_USAGE, "%s.safetensors: writing goes on after a failure",
                       writer->stem);
    }
    if (writer->laid_out) {
        return PC_OK;
    }
    writer->laid_out = writer->broken = true; /* broken is taken back at the end */
    PC_TRY(pc_names_init(&writer->names, writer->entry_count, "tensors to write"));
    for (size_t i = 0; i < writer->entry_count; i++) {
        if (pc_names_add(&writer->names, writer->entries, sizeof *writer->entries, i) !=
            PC_NAMES_NONE) {
            return pc_fail(PC_ERR_USAGE, "tensor %s is declared twice",
                           pc_name_text(writer->entries[i].name, shown));
        }
    }
    size_t shards = assign_shards(writer);
    PC_TRY(PC_NEW_ARRAY(writer->shards, shards, "shards to write"));
    writer->shard_count = shards;
    for (size_t i = 0; i < shards; i++) {
        writer->shards[i].fd = -1;
    }
    for (size_t i = 0; i < shards; i++) {
        PC_TRY(name_shard(writer, i));
    }
    PC_TRY(place_entries(writer));
    writer->broken = false;
    return PC_OK;
}
