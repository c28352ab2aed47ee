/* Parquet: the footer, and rows put together from their columns.
 *
 *   "PAR1" row groups (column chunks of pages) footer, its length, "PAR1"
 *
 * Source: apache/parquet-format, README.md and parquet.thrift; Melnik et al. 2010 (Dremel), section 4.3, for the assembly;
 * LogicalTypes.md for lists, whose middle levels are left out of the result.
 */
#include "data/parquet.h"

#include "base/base64.h"
#include "base/str.h"
#include "data/tar.h"
#include "data/thrift.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FOOTER_LIMIT = 256 << 20, TAIL = 8, DEPTH = 24, MOST_NODES = 10000,
    REQUIRED = 0, OPTIONAL = 1, REPEATED = 2,       /* repetition_type */
    CONVERTED_UTF8 = 0, CONVERTED_LIST = 3, CONVERTED_ENUM = 4, CONVERTED_JSON = 19,
    LOGICAL_STRING = 1, LOGICAL_LIST = 3, LOGICAL_ENUM = 4, LOGICAL_JSON = 12,
};

/* --- the footer --- */

static void read_logical(pc_thrift *t, pc_parquet_node *node)
{
    for (int id = 0, type; pc_thrift_field(t, &id, &type);) {
        node->text = node->text || id == LOGICAL_STRING || id == LOGICAL_ENUM || id == LOGICAL_JSON;
        node->list = node->list || id == LOGICAL_LIST;
        pc_thrift_skip(t, type, 0);
    }
}

static void take_integer(pc_parquet_node *node, int id, int64_t value)
{
    switch (id) {
    case 1: node->kind = (int)value; break;
    case 2: node->fixed = (int)value; break;
    case 3: node->optional = value == OPTIONAL; node->repeated = value == REPEATED; break;
    case 5: node->children = (int)value; break;
    case 6:
        node->text = node->text || value == CONVERTED_UTF8 || value == CONVERTED_ENUM || value == CONVERTED_JSON;
        node->list = node->list || value == CONVERTED_LIST;
        break;
    default: break;
    }
}

static pc_status read_node(pc_parquet *file, pc_thrift *t)
{
    PC_TRY(pc_grow(&file->nodes, &file->node_capacity, file->node_count + 1, sizeof *file->nodes, "a schema"));
    pc_parquet_node *node = &file->nodes[file->node_count++];
    *node = (pc_parquet_node){.kind = -1};
    for (int id = 0, type; pc_thrift_field(t, &id, &type);) {
        size_t size;
        if (type == PC_THRIFT_I32) {
            take_integer(node, id, pc_thrift_integer(t));
        } else if (type == PC_THRIFT_BINARY && id == 4) {
            const uint8_t *name = pc_thrift_binary(t, &size);
            size = size < sizeof node->name ? size : sizeof node->name - 1;
            memcpy(node->name, name, size);
            node->name[pc_utf8_valid_prefix(node->name, strlen(node->name))] = 0;
        } else if (type == PC_THRIFT_STRUCT && id == 10) {
            read_logical(t, node);
        } else {
            pc_thrift_skip(t, type, 0);
        }
    }
    bool good = !t->bad && node->children >= 0 && file->node_count <= MOST_NODES &&
                (node->children > 0 || (node->kind >= 0 && node->kind <= PC_PARQUET_FIXED && node->fixed >= 0));
    return good ? PC_OK : pc_fail(PC_ERR_DATA, "element %zu of the schema is damaged", file->node_count - 1);
}

/* Levels, leaves and ends of the tree that stands in the list in pre-order. */
static pc_status walk(pc_parquet *file, size_t *at, int defined, int repeats, int depth)
{
    if (*at >= file->node_count || depth > DEPTH) {
        return pc_fail(PC_ERR_DATA, "the schema is no tree");
    }
    size_t own = (*at)++;
    pc_parquet_node *node = &file->nodes[own];
    if (own > 0) {
        defined += node->optional || node->repeated;
        repeats += node->repeated;
    }
    node->defined = defined;
    node->repeats = repeats;
    node->leaf = (int)file->leaf_count;
    if (node->children == 0) {
        PC_TRY(pc_grow(&file->leaves, &file->leaf_capacity, file->leaf_count + 1, sizeof *file->leaves, "a schema"));
        file->leaves[file->leaf_count++] = (int)own;
    }
    for (int i = 0; i < node->children; i++) {
        PC_TRY(walk(file, at, defined, repeats, depth + 1));
    }
    node->after = (int)*at;
    return PC_OK;
}

static pc_status read_schema(pc_parquet *file, pc_thrift *t)
{
    int type;
    size_t count = pc_thrift_list(t, &type), at = 0;
    if (type != PC_THRIFT_STRUCT || count == 0 || file->node_count > 0) {
        return pc_fail(PC_ERR_DATA, "there is no schema");
    }
    for (size_t i = 0; i < count; i++) {
        PC_TRY(read_node(file, t));
    }
    PC_TRY(walk(file, &at, 0, 0, 0));
    return at == count && file->leaf_count > 0 && file->nodes[0].children > 0
               ? PC_OK
               : pc_fail(PC_ERR_DATA, "the schema is no tree");
}

static void read_chunk_data(pc_thrift *t, pc_parquet_chunk *out)
{
    int64_t data = -1, dictionary = -1;
    for (int id = 0, type; pc_thrift_field(t, &id, &type);) {
        if (type == PC_THRIFT_I32 || type == PC_THRIFT_I64) {
            int64_t value = pc_thrift_integer(t);
            out->codec = id == 4 ? (int)value : out->codec;
            out->values = id == 5 ? value : out->values;
            out->bytes = id == 7 ? value : out->bytes;
            data = id == 9 ? value : data;
            dictionary = id == 11 ? value : dictionary;
        } else {
            pc_thrift_skip(t, type, 0);
        }
    }
    out->start = dictionary > 0 && dictionary < data ? dictionary : data;
}

static void read_chunk(pc_thrift *t, pc_parquet_chunk *out)
{
    *out = (pc_parquet_chunk){.start = -1};
    for (int id = 0, type; pc_thrift_field(t, &id, &type);) {
        if (type == PC_THRIFT_STRUCT && id == 3) {
            read_chunk_data(t, out);
        } else {
            pc_thrift_skip(t, type, 0);
        }
    }
}

static pc_status read_group(pc_parquet *file, pc_thrift *t)
{
    int64_t rows = -1;
    size_t first = file->group_count * file->leaf_count;
    bool chunks = false;
    PC_TRY(pc_grow(&file->chunks, &file->chunk_capacity, first + file->leaf_count, sizeof *file->chunks, "row groups"));
    for (int id = 0, type; pc_thrift_field(t, &id, &type);) {
        if (type == PC_THRIFT_LIST && id == 1) {
            int inner;
            chunks = pc_thrift_list(t, &inner) == file->leaf_count && inner == PC_THRIFT_STRUCT;
            for (size_t i = 0; chunks && i < file->leaf_count; i++) {
                pc_parquet_chunk *chunk = &file->chunks[first + i];
                read_chunk(t, chunk);
                chunks = chunk->start >= 0 && chunk->bytes >= 0 && chunk->start <= file->bytes &&
                         chunk->bytes <= file->bytes - chunk->start && chunk->values >= 0;
            }
            t->bad = t->bad || !chunks;
        } else if (type == PC_THRIFT_I64 && id == 3) {
            rows = pc_thrift_integer(t);
        } else {
            pc_thrift_skip(t, type, 0);
        }
    }
    int64_t before = file->group_rows[file->group_count];
    if (t->bad || !chunks || rows < 0 || rows > INT64_MAX / 2 - before) {
        return pc_fail(PC_ERR_DATA, "row group %zu is damaged", file->group_count);
    }
    PC_TRY(pc_grow(&file->group_rows, &file->group_capacity, file->group_count + 2, sizeof *file->group_rows, "row groups"));
    file->group_rows[++file->group_count] = before + rows;
    return PC_OK;
}

static pc_status read_groups(pc_parquet *file, pc_thrift *t)
{
    int type;
    size_t count = pc_thrift_list(t, &type);
    if (file->leaf_count == 0 || (count > 0 && type != PC_THRIFT_STRUCT) || file->group_count > 0) {
        return pc_fail(PC_ERR_DATA, "row groups stand in front of the schema");
    }
    for (size_t i = 0; i < count; i++) {
        PC_TRY(read_group(file, t));
    }
    return PC_OK;
}

static pc_status read_footer(pc_parquet *file, const uint8_t *bytes, size_t size)
{
    pc_thrift t = {bytes, bytes + size, false};
    PC_TRY(pc_grow(&file->group_rows, &file->group_capacity, 1, sizeof *file->group_rows, "row groups"));
    file->group_rows[0] = 0;
    for (int id = 0, type; pc_thrift_field(&t, &id, &type);) {
        if (type == PC_THRIFT_LIST && id == 2) {
            PC_TRY(read_schema(file, &t));
        } else if (type == PC_THRIFT_LIST && id == 4) {
            PC_TRY(read_groups(file, &t));
        } else {
            pc_thrift_skip(&t, type, 0);
        }
    }
    return !t.bad && file->leaf_count > 0 ? PC_OK : pc_fail(PC_ERR_DATA, "the footer is damaged");
}

static pc_status open_file(pc_parquet *file, const char *path)
{
    struct stat about;
    uint8_t tail[TAIL], *footer = NULL;
    uint32_t size;
    file->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (file->fd < 0 || fstat(file->fd, &about) != 0) {
        return pc_fail(PC_ERR_IO, "%s", strerror(errno));
    }
    file->bytes = about.st_size;
    if (file->bytes < 4 + TAIL || pc_read_exactly(file->fd, tail, TAIL, file->bytes - TAIL) != PC_OK ||
        memcmp(tail + 4, "PAR1", 4) != 0) {
        return pc_fail(PC_ERR_DATA, "byte %" PRId64 ": the file does not end as Parquet does; it may be cut off",
                       file->bytes > TAIL ? file->bytes - 4 : 0);
    }
    memcpy(&size, tail, sizeof size);
    if (size > FOOTER_LIMIT || (int64_t)size > file->bytes - TAIL - 4) {
        return pc_fail(PC_ERR_DATA, "byte %" PRId64 ": a footer of %u bytes is longer than the file", file->bytes - TAIL, size);
    }
    PC_TRY(PC_NEW_ARRAY(footer, (size_t)size + 1, "the footer of a Parquet file"));
    pc_status status = pc_read_exactly(file->fd, footer, size, file->bytes - TAIL - (int64_t)size);
    status = status == PC_OK ? read_footer(file, footer, size) : status;
    pc_free(footer);
    return status;
}

pc_status pc_parquet_open(pc_parquet *out, const char *path)
{
    *out = (pc_parquet){.fd = -1};
    pc_status status = open_file(out, path);
    return status == PC_OK ? status : pc_fail_prefix(status, "%s", path);
}

void pc_parquet_close(pc_parquet *file)
{
    if (file->fd >= 0) {
        close(file->fd);
    }
    pc_free(file->nodes);
    pc_free(file->leaves);
    pc_free(file->group_rows);
    pc_free(file->chunks);
    *file = (pc_parquet){.fd = -1};
}

int64_t pc_parquet_rows(const pc_parquet *file)
{
    return file->group_rows[file->group_count];
}

/* --- assembly --- */

typedef struct assembly {
    const pc_parquet *file;
    pc_parquet_values *columns; /* [leaf_count] */
    pc_status status;
} assembly;

static const pc_parquet_entry *entry_of(const assembly *a, const pc_parquet_node *node)
{
    const pc_parquet_values *column = &a->columns[node->leaf];
    return column->next < column->count ? &column->entries[column->next] : NULL;
}

/* All leaves below node `at` go on by one entry: what is not there has one in each. */
static void pass(assembly *a, size_t at)
{
    for (size_t n = at; n < (size_t)a->file->nodes[at].after; n++) {
        if (a->file->nodes[n].children == 0) {
            a->columns[a->file->nodes[n].leaf].next++;
        }
    }
}

static pc_json *give_up(assembly *a, const char *why, const pc_parquet_node *node)
{
    if (a->status == PC_OK) {
        a->status = pc_fail(PC_ERR_DATA, "column '%s': %s", node->name, why);
    }
    return NULL;
}

/* The value, or a failure for want of memory. */
static pc_json *made(assembly *a, pc_json *value)
{
    if (!value && a->status == PC_OK) {
        a->status = pc_fail_memory(sizeof(void *), "a row");
    }
    return value;
}

static pc_json *binary(assembly *a, const uint8_t *bytes, size_t size)
{
    pc_str url = {0};
    pc_json *out = NULL;
    if (pc_str_puts(&url, "data:application/octet-stream;base64,") == PC_OK && pc_base64_encode(&url, bytes, size) == PC_OK) {
        out = pc_json_new_text_n(url.data, url.length);
    }
    pc_str_clear(&url);
    return made(a, out);
}

static pc_json *leaf_value(assembly *a, const pc_parquet_node *node)
{
    pc_parquet_values *column = &a->columns[node->leaf];
    const pc_parquet_entry *entry = &column->entries[column->next++];
    pc_json *out = NULL;
    switch (node->kind) {
    case PC_PARQUET_BOOL: out = pc_json_new_bool(entry->integer != 0); break;
    case PC_PARQUET_I32:
    case PC_PARQUET_I64: out = pc_json_new_integer(entry->integer); break;
    case PC_PARQUET_FLOAT:
    case PC_PARQUET_DOUBLE: out = pc_json_new_number(isfinite(entry->real) ? entry->real : 0); break;
    default: {
        const uint8_t *bytes = column->bytes ? column->bytes + entry->offset : (const uint8_t *)"";
        if (!node->text) {
            return binary(a, bytes, entry->size);
        }
        if (pc_utf8_valid_prefix((const char *)bytes, entry->size) < entry->size) {
            return give_up(a, "a text that is not UTF-8", node);
        }
        out = pc_json_new_text_n((const char *)bytes, entry->size);
    }
    }
    return made(a, out);
}

static pc_json *build(assembly *a, size_t at, int depth);

static pc_json *group_value(assembly *a, size_t at, int depth)
{
    const pc_parquet_node *node = &a->file->nodes[at];
    pc_json *object = pc_json_new_object();
    for (size_t child = at + 1; object && child < (size_t)node->after; child = (size_t)a->file->nodes[child].after) {
        pc_json *value = build(a, child, depth + 1);
        pc_status set = value ? pc_json_set(object, a->file->nodes[child].name, value) : PC_OK;
        a->status = a->status == PC_OK ? set : a->status;
        if (a->status != PC_OK) {
            pc_json_free(object);
            return NULL;
        }
    }
    return made(a, object);
}

/* One element of a repetition; a group of one member is a list's middle level and stands for it. */
static pc_json *element(assembly *a, size_t at, bool inner, int depth)
{
    const pc_parquet_node *node = &a->file->nodes[at];
    return node->children == 0 ? leaf_value(a, node) : inner ? build(a, at + 1, depth + 1) : group_value(a, at, depth);
}

static pc_json *repetition(assembly *a, size_t at, bool inner, int depth)
{
    const pc_parquet_node *node = &a->file->nodes[at];
    const pc_parquet_entry *entry = entry_of(a, node);
    pc_json *array = entry ? made(a, pc_json_new_array()) : give_up(a, "its levels don't fit together", node);
    if (!array) {
        return NULL;
    }
    if (entry->defined < node->defined) {
        pass(a, at);
        return array;
    }
    do {
        size_t before = a->columns[node->leaf].next;
        pc_json *value = element(a, at, inner, depth);
        pc_status pushed = value ? pc_json_push(array, value) : PC_OK;
        a->status = a->status == PC_OK ? pushed : a->status;
        if (a->status != PC_OK || a->columns[node->leaf].next == before) {
            pc_json_free(array);
            return give_up(a, "its levels don't fit together", node);
        }
        entry = entry_of(a, node);
    } while (entry && entry->repeats >= node->repeats);
    return array;
}

/* NULL where nothing is, or after a failure (a->status). */
static pc_json *build(assembly *a, size_t at, int depth)
{
    const pc_parquet_node *node = &a->file->nodes[at], *child = &a->file->nodes[at + 1 < a->file->node_count ? at + 1 : at];
    const pc_parquet_entry *entry = entry_of(a, node);
    for (size_t n = at; n < (size_t)node->after; n++) { /* every column of it has something left */
        if (a->file->nodes[n].children == 0 && !entry_of(a, &a->file->nodes[n])) {
            return give_up(a, "its levels don't fit together", &a->file->nodes[n]);
        }
    }
    if (node->repeated) {
        return repetition(a, at, false, depth);
    }
    if (entry->defined < node->defined) {
        pass(a, at);
        return NULL;
    }
    if (node->children == 0) {
        return leaf_value(a, node);
    }
    if (node->list && node->children == 1 && child->repeated) {
        return repetition(a, at + 1, child->children == 1, depth);
    }
    return group_value(a, at, depth);
}

static pc_status assemble(const pc_parquet *file, pc_parquet_values *columns, size_t group, int64_t row, pc_json **out)
{
    assembly a = {.file = file, .columns = columns};
    for (size_t leaf = 0; leaf < file->leaf_count; leaf++) {
        PC_TRY(pc_parquet_read_column(file, leaf, group, row, &columns[leaf]));
    }
    pc_json *object = group_value(&a, 0, 0);
    if (a.status != PC_OK) {
        pc_json_free(object);
        return a.status;
    }
    *out = object;
    return PC_OK;
}

pc_status pc_parquet_read(const pc_parquet *file, int64_t row, pc_json **out)
{
    pc_parquet_values *columns = NULL;
    size_t group = 0;
    while (file->group_rows[group + 1] <= row) {
        group++;
    }
    PC_TRY(PC_NEW_ARRAY(columns, file->leaf_count, "a row"));
    pc_status status = assemble(file, columns, group, row - file->group_rows[group], out);
    for (size_t leaf = 0; leaf < file->leaf_count; leaf++) {
        pc_free(columns[leaf].entries);
        pc_free(columns[leaf].bytes);
    }
    pc_free(columns);
    return status;
}
