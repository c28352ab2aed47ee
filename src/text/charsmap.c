#include "text/charsmap.h"

#include "base/base64.h"
#include "base/memory.h"
#include "text/unicode.h"
#include "text/unicode_table.h"

#include <string.h>
#include <utf8proc.h>

enum {
    LONGEST_GRAPHEME = 6, /* bytes from which a grapheme is taken character by character */
    LONGEST_KEY = 256,    /* bytes of a string of the table: a bad array may go in circles */
};

static uint32_t read_u32(const unsigned char *b)
{
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

pc_status pc_charsmap_read(pc_charsmap *out, const void *data, size_t size, const char *where)
{
    const unsigned char *bytes = data;
    size_t array = size >= 4 ? read_u32(bytes) : 0;
    if (size < 4 || array > size - 4 || array % 4 != 0 || array == 0) {
        return pc_fail(PC_ERR_DATA, "%s: a charsmap of %zu bytes whose array should have %zu", where, size, array);
    }
    pc_charsmap_clear(out);
    PC_TRY(PC_NEW_ARRAY(out->units, array / 4, "charsmap"));
    out->unit_count = array / 4;
    for (size_t i = 0; i < out->unit_count; i++) {
        out->units[i] = read_u32(bytes + 4 + 4 * i);
    }
    out->result_size = size - 4 - array;
    out->results = pc_strndup((const char *)bytes + 4 + array, out->result_size);
    return out->results ? PC_OK : pc_fail_memory(out->result_size, "charsmap");
}

pc_status pc_charsmap_read_base64(pc_charsmap *out, const char *text, size_t length, const char *where)
{
    uint8_t *bytes = NULL;
    size_t size;
    pc_status status = pc_base64_decode(&bytes, &size, text, length);
    if (status == PC_ERR_DATA) {
        return pc_fail(PC_ERR_DATA, "%s: precompiled_charsmap is not base64", where);
    }
    status = status == PC_OK ? pc_charsmap_read(out, bytes, size, where) : status;
    pc_free(bytes);
    return status;
}

void pc_charsmap_clear(pc_charsmap *map)
{
    pc_free(map->units);
    pc_free(map->results);
    *map = (pc_charsmap){0};
}

/* A unit: bits 0-7 label, 8 has a leaf, 9 the offset is shifted by 8, 10-30 offset; a leaf: bit 31 and the value. */
static size_t offset_of(uint32_t unit)
{
    return (size_t)(unit >> 10) << ((unit & (1u << 9)) >> 6);
}

size_t pc_charsmap_find(const pc_charsmap *map, const char *text, size_t length, bool shortest, const char **result,
                        size_t *result_length)
{
    size_t found = 0, node = map->unit_count > 0 ? offset_of(map->units[0]) : 0;
    for (size_t i = 0; i < length && i < LONGEST_KEY; i++) {
        node ^= (unsigned char)text[i];
        if (node >= map->unit_count || (map->units[node] & (1u << 31 | 0xff)) != (unsigned char)text[i]) {
            break;
        }
        uint32_t unit = map->units[node];
        node ^= offset_of(unit);
        if (unit & 1u << 8 && node < map->unit_count) {
            size_t value = map->units[node] & 0x7fffffff;
            if (value < map->result_size) {
                found = i + 1;
                *result = map->results + value;
                *result_length = strnlen(*result, map->result_size - value);
            }
            if (shortest && found) {
                break;
            }
        }
    }
    return found;
}

static pc_status add_characters(const pc_charsmap *map, const char *text, size_t length, pc_str *out)
{
    for (size_t at = 0; at < length;) {
        size_t size = (size_t)pc_char_size(text, length, at), result_length;
        const char *result;
        if (pc_charsmap_find(map, text + at, size, true, &result, &result_length)) {
            PC_TRY(pc_str_add(out, result, result_length));
        } else {
            PC_TRY(pc_str_add(out, text + at, size));
        }
        at += size;
    }
    return PC_OK;
}

static bool is_among(unsigned c, const pc_char_range *ranges, size_t count)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (ranges[middle].last < c) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < count && ranges[low].first <= c;
}

/* How far a conjunct has come: consonant, linker, and between them what extends (not U+200C). The next consonant goes on with
 * the grapheme (rule GB9c), which utf8proc before Unicode 15.1 does not know. */
typedef enum conjunct { NO_CONJUNCT, CONSONANT, LINKED } conjunct;

static conjunct conjunct_behind(conjunct before, unsigned c)
{
    enum { NON_JOINER = 0x200c, JOINER = 0x200d };
    if (c < 0x300) {
        return NO_CONJUNCT;
    }
    if (is_among(c, pc_conjunct_consonants, pc_conjunct_consonants_count)) {
        return CONSONANT;
    }
    if (before != NO_CONJUNCT && is_among(c, pc_conjunct_linkers, pc_conjunct_linkers_count)) {
        return LINKED;
    }
    bool extends = utf8proc_get_property((utf8proc_int32_t)c)->boundclass == UTF8PROC_BOUNDCLASS_EXTEND;
    return (extends && c != NON_JOINER) || c == JOINER ? before : NO_CONJUNCT;
}

/* End of the grapheme at `at`. */
static size_t grapheme_end(const char *text, size_t length, size_t at)
{
    unsigned before, after;
    utf8proc_int32_t state = 0;
    int size = pc_utf8_decode(text + at, length - at, &before);
    size_t end = at + (size_t)(size > 0 ? size : 1);
    conjunct come = size > 0 ? conjunct_behind(NO_CONJUNCT, before) : NO_CONJUNCT;
    while (size > 0 && end < length) {
        size = pc_utf8_decode(text + end, length - end, &after);
        conjunct next = size > 0 ? conjunct_behind(come, after) : NO_CONJUNCT;
        bool goes_on = come == LINKED && next == CONSONANT;
        if (size <= 0 ||
            (utf8proc_grapheme_break_stateful((utf8proc_int32_t)before, (utf8proc_int32_t)after, &state) && !goes_on)) {
            break;
        }
        come = next;
        before = after;
        end += (size_t)size;
    }
    return end;
}

pc_status pc_charsmap_graphemes(const pc_charsmap *map, const char *text, size_t length, pc_str *out)
{
    for (size_t at = 0; at < length;) {
        /* Between two ASCII characters there is always a border, but for \r\n. */
        bool plain = (unsigned char)text[at] < 128 && text[at] != '\r' &&
                     (at + 1 == length || (unsigned char)text[at + 1] < 128);
        size_t end = plain ? at + 1 : grapheme_end(text, length, at), result_length;
        const char *result;
        if (end - at < LONGEST_GRAPHEME && pc_charsmap_find(map, text + at, end - at, true, &result, &result_length)) {
            PC_TRY(pc_str_add(out, result, result_length));
        } else {
            PC_TRY(add_characters(map, text + at, end - at, out));
        }
        at = end;
    }
    return PC_OK;
}
