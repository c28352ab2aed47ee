/* One row of one column: the pages of its chunk one after the other, until the row is there.
 *
 * Source: apache/parquet-format, README.md ("Data Pages"), Encodings.md and parquet.thrift (numbers of fields).
 */
#include "data/parquet.h"
#include "data/tar.h"
#include "data/thrift.h"

#include <inttypes.h>
#include <string.h>

enum {
    HEAD_BYTES = 1 << 16,          /* of a page's header, statistics included */
    PAGE_LIMIT = 512 << 20,        /* unpacked */
    PLAIN = 0, PLAIN_DICTIONARY = 2, RLE = 3, RLE_DICTIONARY = 8,
    DATA = 0, DICTIONARY = 2, DATA_V2 = 3,
};

typedef struct page {
    int type, encoding;
    int64_t size, packed; /* bytes */
    int64_t values, rows; /* rows -1 = not said */
    int64_t defined_bytes, repeats_bytes; /* version 2 */
    bool plain;           /* version 2: values are not packed */
    int64_t start;        /* of what follows the header, in the file */
} page;

typedef struct column {
    const pc_parquet *file;
    const pc_parquet_node *node;
    const pc_parquet_chunk *chunk;
    uint8_t *dictionary; /* unpacked */
    size_t dictionary_size, dictionary_count;
    size_t *places;      /* [dictionary_count] of byte arrays */
    int64_t row, wanted; /* row of the last entry; the row that is asked for */
} column;

/* --- pages --- */

static void read_data_header(pc_thrift *t, page *out, bool second)
{
    for (int id = 0, type; pc_thrift_field(t, &id, &type);) {
        if (type == PC_THRIFT_TRUE || type == PC_THRIFT_FALSE) {
            out->plain = second && id == 7 ? type == PC_THRIFT_FALSE : out->plain;
        } else if (type == PC_THRIFT_I32) {
            int64_t value = pc_thrift_integer(t);
            switch (id + 100 * second) {
            case 1: case 101: out->values = value; break;
            case 2: case 104: out->encoding = (int)value; break;
            case 103: out->rows = value; break;
            case 105: out->defined_bytes = value; break;
            case 106: out->repeats_bytes = value; break;
            default: break;
            }
        } else {
            pc_thrift_skip(t, type, 0);
        }
    }
}

static bool parse_header(pc_thrift *t, page *out)
{
    *out = (page){.rows = -1};
    for (int id = 0, type; pc_thrift_field(t, &id, &type);) {
        if (type == PC_THRIFT_I32 && id <= 3) {
            int64_t value = pc_thrift_integer(t);
            out->type = id == 1 ? (int)value : out->type;
            out->size = id == 2 ? value : out->size;
            out->packed = id == 3 ? value : out->packed;
        } else if (type == PC_THRIFT_STRUCT && (id == 5 || id == 7 || id == 8)) {
            read_data_header(t, out, id == 8);
        } else {
            pc_thrift_skip(t, type, 0);
        }
    }
    return !t->bad && out->size >= 0 && out->size <= PAGE_LIMIT && out->packed >= 0 && out->values >= 0 &&
           out->values <= INT32_MAX && out->defined_bytes >= 0 && out->repeats_bytes >= 0;
}

static pc_status read_header(const column *c, int64_t at, page *out)
{
    uint8_t *bytes = NULL;
    int64_t end = c->chunk->start + c->chunk->bytes, size = end - at < HEAD_BYTES ? end - at : HEAD_BYTES;
    PC_TRY(PC_NEW_ARRAY(bytes, HEAD_BYTES, "the header of a page"));
    pc_status status = pc_read_exactly(c->file->fd, bytes, (size_t)size, at);
    pc_thrift t = {bytes, bytes + size, false};
    if (status == PC_OK && !parse_header(&t, out)) {
        status = pc_fail(PC_ERR_DATA, "the header of a page at byte %" PRId64 " is damaged", at);
    }
    out->start = at + (t.at - bytes);
    if (status == PC_OK && out->packed > end - out->start) {
        status = pc_fail(PC_ERR_DATA, "the page at byte %" PRId64 " is longer than its column", at);
    }
    pc_free(bytes);
    return status;
}

/* Levels of version 2 stand unpacked in front of the values. */
static pc_status load_page(const column *c, const page *p, uint8_t **out)
{
    uint8_t *packed = NULL, *values = NULL;
    int64_t levels = p->type == DATA_V2 ? p->defined_bytes + p->repeats_bytes : 0;
    if (levels > p->packed || levels > p->size) {
        return pc_fail(PC_ERR_DATA, "the levels of a page are longer than the page");
    }
    PC_TRY(PC_NEW_ARRAY(packed, (size_t)p->packed + 1, "a page"));
    pc_status status = pc_read_exactly(c->file->fd, packed, (size_t)p->packed, p->start);
    if (status == PC_OK) {
        status = pc_parquet_unpack(&values, (size_t)(p->size - levels), p->plain ? 0 : c->chunk->codec, packed + levels,
                                   (size_t)(p->packed - levels));
    }
    if (status == PC_OK && levels > 0) {
        status = PC_NEW_ARRAY(*out, (size_t)p->size + 1, "a page");
        if (status == PC_OK) {
            memcpy(*out, packed, (size_t)levels);
            memcpy(*out + levels, values, (size_t)(p->size - levels));
        }
        pc_free(values);
    } else if (status == PC_OK) {
        *out = values;
    }
    pc_free(packed);
    return status;
}

/* --- values --- */

static size_t value_size(const pc_parquet_node *node)
{
    static const size_t sizes[] = {1, 4, 8, 12, 4, 8, 0, 0};
    return node->kind == PC_PARQUET_FIXED ? (size_t)node->fixed : sizes[node->kind];
}

/* The value at *at of bytes[size], into the entry; *at moves behind it. Booleans are elsewhere. */
static bool take_plain(const pc_parquet_node *node, const uint8_t *bytes, size_t size, size_t *at, pc_parquet_values *out,
                       pc_parquet_entry *entry)
{
    size_t length = value_size(node);
    if (node->kind == PC_PARQUET_BYTES) {
        uint32_t said;
        if (size - *at < sizeof said) {
            return false;
        }
        memcpy(&said, bytes + *at, sizeof said);
        *at += sizeof said;
        length = said;
    }
    if (length > size - *at) {
        return false;
    }
    const uint8_t *from = bytes + *at;
    *at += length;
    if (!entry) {
        return true;
    }
    int32_t small = 0;
    float single = 0;
    switch (node->kind) {
    case PC_PARQUET_I32: memcpy(&small, from, sizeof small); entry->integer = small; break;
    case PC_PARQUET_I64: memcpy(&entry->integer, from, sizeof entry->integer); break;
    case PC_PARQUET_FLOAT: memcpy(&single, from, sizeof single); entry->real = single; break;
    case PC_PARQUET_DOUBLE: memcpy(&entry->real, from, sizeof entry->real); break;
    default:
        entry->offset = out->byte_count;
        entry->size = length;
        if (pc_grow(&out->bytes, &out->byte_capacity, out->byte_count + length + 1, 1, "a value") != PC_OK) {
            out->memory = true;
            return false;
        }
        memcpy(out->bytes + out->byte_count, from, length);
        out->byte_count += length;
    }
    return true;
}

static pc_status read_dictionary(column *c, const page *p)
{
    size_t at = 0, size = (size_t)p->size;
    if (c->dictionary) {
        return pc_fail(PC_ERR_DATA, "a column has two dictionaries");
    }
    PC_TRY(load_page(c, p, &c->dictionary));
    c->dictionary_size = size;
    if ((size_t)p->values > size) {
        return pc_fail(PC_ERR_DATA, "a dictionary is shorter than it says");
    }
    PC_TRY(PC_NEW_ARRAY(c->places, (size_t)p->values + 1, "a dictionary"));
    for (int64_t i = 0; i < p->values; i++) {
        c->places[c->dictionary_count++] = at;
        if (!take_plain(c->node, c->dictionary, size, &at, NULL, NULL)) {
            return pc_fail(PC_ERR_DATA, "a dictionary is shorter than it says");
        }
    }
    return PC_OK;
}

/* --- a data page --- */

typedef struct levels {
    int32_t *repeats, *defined; /* [values] */
    int32_t *indices;           /* of the dictionary, or booleans; NULL = plain values */
    size_t at;                  /* of the values, in the page */
    size_t there;               /* values that are there */
} levels;

static int bits_of(int most)
{
    int bits = 0;
    while (most >> bits) {
        bits++;
    }
    return bits;
}

/* `length` < 0: four bytes in front of the levels say it. */
static bool read_levels(int32_t *out, size_t count, int most, const uint8_t *bytes, size_t size, size_t *at, int64_t length)
{
    uint32_t said = 0;
    memset(out, 0, count * sizeof *out);
    if (most > 0) {
        if (length < 0) {
            if (size - *at < sizeof said) {
                return false;
            }
            memcpy(&said, bytes + *at, sizeof said);
            *at += sizeof said;
            length = said;
        }
        if ((uint64_t)length > size - *at || pc_parquet_runs(out, count, bits_of(most), bytes + *at, (size_t)length) < 0) {
            return false;
        }
    }
    *at += length > 0 ? (size_t)length : 0;
    for (size_t i = 0; i < count; i++) {
        if (out[i] > most) {
            return false;
        }
    }
    return *at <= size;
}

static bool read_indices(const column *c, const page *p, const uint8_t *bytes, size_t size, levels *l)
{
    size_t at = l->at;
    if (c->node->kind == PC_PARQUET_BOOL && p->encoding == PLAIN) {
        for (size_t i = 0; i < l->there; i++) {
            if (at + i / 8 >= size) {
                return false;
            }
            l->indices[i] = bytes[at + i / 8] >> (i % 8) & 1;
        }
        return true;
    }
    if (c->node->kind == PC_PARQUET_BOOL) { /* RLE, behind its length */
        return size - at >= 4 && pc_parquet_runs(l->indices, l->there, 1, bytes + at + 4, size - at - 4) >= 0;
    }
    return l->there == 0 || (at < size && bytes[at] <= 32 &&
                             pc_parquet_runs(l->indices, l->there, bytes[at], bytes + at + 1, size - at - 1) >= 0);
}

static bool read_all_levels(const column *c, const page *p, const uint8_t *bytes, levels *l)
{
    size_t size = (size_t)p->size, count = (size_t)p->values;
    bool second = p->type == DATA_V2;
    if (!read_levels(l->repeats, count, c->node->repeats, bytes, size, &l->at, second ? p->repeats_bytes : -1) ||
        !read_levels(l->defined, count, c->node->defined, bytes, size, &l->at, second ? p->defined_bytes : -1)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        l->there += l->defined[i] == c->node->defined;
    }
    return true;
}

static pc_status take_entry(column *c, const levels *l, size_t i, size_t value, const uint8_t *bytes, size_t size,
                            size_t *at, pc_parquet_values *out)
{
    PC_TRY(pc_grow(&out->entries, &out->capacity, out->count + 1, sizeof *out->entries, "a row"));
    pc_parquet_entry *entry = &out->entries[out->count++];
    *entry = (pc_parquet_entry){.repeats = l->repeats[i], .defined = l->defined[i]};
    if (entry->defined < c->node->defined) {
        return PC_OK;
    }
    bool good = true;
    if (!l->indices) {
        good = take_plain(c->node, bytes, size, at, out, entry);
    } else if (c->node->kind == PC_PARQUET_BOOL) {
        entry->integer = l->indices[value];
    } else {
        size_t index = (uint32_t)l->indices[value];
        size_t place = index < c->dictionary_count ? c->places[index] : 0;
        good = index < c->dictionary_count && take_plain(c->node, c->dictionary, c->dictionary_size, &place, out, entry);
    }
    if (out->memory) {
        return PC_ERR_MEMORY;
    }
    return good ? PC_OK : pc_fail(PC_ERR_DATA, "a page is shorter than its values, or one is not in the dictionary");
}

static pc_status take_values(column *c, const page *p, const levels *l, const uint8_t *bytes, pc_parquet_values *out)
{
    size_t value = 0, at = l->at, size = (size_t)p->size;
    for (size_t i = 0; i < (size_t)p->values; i++) {
        bool there = l->defined[i] == c->node->defined;
        c->row += l->repeats[i] == 0;
        if (c->row > c->wanted) {
            return PC_OK;
        }
        if (c->row == c->wanted) {
            PC_TRY(take_entry(c, l, i, value, bytes, size, &at, out));
        } else if (there && !l->indices && !take_plain(c->node, bytes, size, &at, NULL, NULL)) {
            return pc_fail(PC_ERR_DATA, "a page is shorter than its values");
        }
        value += there;
    }
    return PC_OK;
}

static pc_status read_data(column *c, const page *p, pc_parquet_values *out)
{
    uint8_t *bytes = NULL;
    levels l = {0};
    bool coded = p->encoding == RLE_DICTIONARY || p->encoding == PLAIN_DICTIONARY;
    bool boolean = c->node->kind == PC_PARQUET_BOOL;
    pc_status status;
    if (!(coded && !boolean) && p->encoding != PLAIN && !(boolean && p->encoding == RLE)) {
        return pc_fail(PC_ERR_DATA, "encoding %d is not read; PLAIN, RLE and dictionaries are", p->encoding);
    }
    PC_GO(load_page(c, p, &bytes));
    PC_GO(PC_NEW_ARRAY(l.repeats, (size_t)p->values + 1, "levels"));
    PC_GO(PC_NEW_ARRAY(l.defined, (size_t)p->values + 1, "levels"));
    bool good = read_all_levels(c, p, bytes, &l);
    if (good && (coded || boolean)) {
        PC_GO(PC_NEW_ARRAY(l.indices, l.there + 1, "indices"));
        good = read_indices(c, p, bytes, (size_t)p->size, &l);
    }
    PC_GO(good ? PC_OK : pc_fail(PC_ERR_DATA, "the levels or indices of a page are damaged"));
    status = take_values(c, p, &l, bytes, out);
done:
    pc_free(l.repeats);
    pc_free(l.defined);
    pc_free(l.indices);
    pc_free(bytes);
    return status;
}

static pc_status read_pages(column *c, pc_parquet_values *out)
{
    int64_t end = c->chunk->start + c->chunk->bytes, seen = 0;
    for (int64_t at = c->chunk->start; at < end && seen < c->chunk->values && c->row <= c->wanted;) {
        page p = {0};
        PC_TRY(read_header(c, at, &p));
        int64_t rows = p.rows >= 0 ? p.rows : c->node->repeats == 0 ? p.values : -1;
        bool data = p.type == DATA || p.type == DATA_V2;
        pc_status status = PC_OK;
        if (p.type == DICTIONARY) {
            status = read_dictionary(c, &p);
        } else if (data && rows >= 0 && c->row + rows < c->wanted) {
            c->row += rows;
        } else if (data) {
            status = read_data(c, &p, out);
        }
        if (status == PC_ERR_DATA) {
            pc_fail_prefix(status, "byte %" PRId64, at);
        }
        PC_TRY(status);
        seen += data ? p.values : 0;
        at = p.start + p.packed;
        if (c->node->repeats == 0 && out->count > 0) {
            break; /* a row without repetition is one entry */
        }
    }
    return out->count > 0 ? PC_OK : pc_fail(PC_ERR_DATA, "the row is not in its column");
}

pc_status pc_parquet_read_column(const pc_parquet *file, size_t leaf, size_t group, int64_t row, pc_parquet_values *out)
{
    column c = {
        .file = file,
        .node = &file->nodes[file->leaves[leaf]],
        .chunk = &file->chunks[group * file->leaf_count + leaf],
        .row = -1,
        .wanted = row,
    };
    pc_status status = read_pages(&c, out);
    pc_free(c.dictionary);
    pc_free(c.places);
    return status == PC_OK ? PC_OK
                           : pc_fail_prefix(status == PC_ERR_IO ? PC_ERR_DATA : status, "column '%s'", c.node->name);
}
