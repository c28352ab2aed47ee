/* Two scanners: one knows strings, brackets and the commas between the objects of the outer list, the other line ends. */
#include "data/json_index.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/signal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK = 256 << 10, DEPTH = 128 };

typedef enum where { START, FIRST, INSIDE, STRING, ESCAPE, BEHIND, NEXT, END } where;

typedef struct scanner {
    pc_json_index *index;
    const char *path;
    int64_t limit;
    where where;
    int depth;
    char open[DEPTH];    /* brackets that are open inside the object */
    int64_t at;          /* offset of the byte at hand */
    int64_t object;      /* offset of the open object */
    int64_t line, object_line;
    bool plain[2][256];  /* bytes that change nothing: inside an object, inside a string */
} scanner;

static pc_status expected(const scanner *s, const char *what, unsigned char found)
{
    if (found >= ' ' && found < 0x7f) {
        return pc_fail(PC_ERR_DATA, "%s: byte %" PRId64 ": expected %s, found '%c'", s->path, s->at, what, found);
    }
    return pc_fail(PC_ERR_DATA, "%s: byte %" PRId64 ": expected %s, found byte 0x%02x", s->path, s->at, what, found);
}

static pc_status open_bracket(scanner *s, char bracket)
{
    if (s->depth == DEPTH) {
        return pc_fail(PC_ERR_DATA, "%s: byte %" PRId64 ": nested deeper than %d levels", s->path, s->at, DEPTH);
    }
    s->open[s->depth++] = bracket;
    s->where = INSIDE;
    return PC_OK;
}

static pc_status begin_object(scanner *s)
{
    s->object = s->at;
    s->object_line = s->line;
    return open_bracket(s, '{');
}

static pc_status add_place(scanner *s, int64_t offset, int64_t size, int64_t line)
{
    pc_json_index *index = s->index;
    if (size > PC_JSON_OBJECT_LIMIT) {
        return pc_fail(PC_ERR_DATA, "%s: byte %" PRId64 ": a sample of %" PRId64 " bytes; at most %" PRId64 " are taken",
                       s->path, offset, size, PC_JSON_OBJECT_LIMIT);
    }
    PC_TRY(pc_grow(&index->owned, &index->capacity, index->count + 1, sizeof *index->owned, "the index of a dataset"));
    index->places = index->owned;
    index->owned[index->count++] = (pc_json_place){
        .offset = offset, .size = (uint32_t)size, .line = line < UINT32_MAX ? (uint32_t)line : UINT32_MAX};
    return PC_OK;
}

static bool is_full(const scanner *s)
{
    return s->limit > 0 && (int64_t)s->index->count == s->limit;
}

static pc_status end_object(scanner *s)
{
    PC_TRY(add_place(s, s->object, s->at + 1 - s->object, s->object_line));
    s->where = is_full(s) ? END : BEHIND;
    return PC_OK;
}

static pc_status close_bracket(scanner *s, char open, unsigned char byte)
{
    if (s->open[s->depth - 1] != open) {
        return expected(s, s->open[s->depth - 1] == '{' ? "'}'" : "']'", byte);
    }
    return --s->depth == 0 ? end_object(s) : PC_OK;
}

static pc_status inside(scanner *s, unsigned char byte)
{
    switch (byte) {
    case '"': s->where = STRING; return PC_OK;
    case '{':
    case '[': return open_bracket(s, (char)byte);
    case '}': return close_bracket(s, '{', byte);
    case ']': return close_bracket(s, '[', byte);
    default: return PC_OK;
    }
}

/* Bytes of the outer list, white space left out. */
static pc_status outside(scanner *s, unsigned char byte)
{
    switch (s->where) {
    case START:
        s->where = FIRST;
        return byte == '[' ? PC_OK : expected(s, "a list of samples", byte);
    case BEHIND:
        s->where = byte == ',' ? NEXT : END;
        return byte == ',' || byte == ']' ? PC_OK : expected(s, "',' or ']'", byte);
    case END: return expected(s, "nothing more", byte);
    default: break;
    }
    if (s->where == FIRST && byte == ']') {
        s->where = END;
        return PC_OK;
    }
    return byte == '{' ? begin_object(s) : expected(s, "an object", byte);
}

static pc_status step(scanner *s, unsigned char byte)
{
    if (s->where == STRING) {
        s->where = byte == '"' ? INSIDE : byte == '\\' ? ESCAPE : STRING;
        return byte >= ' ' ? PC_OK : expected(s, "a closed string", byte);
    }
    if (s->where == ESCAPE) {
        s->where = STRING;
        return PC_OK;
    }
    s->line += byte == '\n';
    if (byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t') {
        return PC_OK;
    }
    return s->where == INSIDE ? inside(s, byte) : outside(s, byte);
}

static void fill_plain(scanner *s)
{
    for (int byte = 0; byte < 256; byte++) {
        s->plain[0][byte] = byte != '"' && byte != '{' && byte != '[' && byte != '}' && byte != ']' && byte != '\n';
        s->plain[1][byte] = byte >= ' ' && byte != '"' && byte != '\\';
    }
}

static pc_status scan_list(scanner *s, const unsigned char *chunk, size_t size)
{
    for (size_t i = 0; i < size && !is_full(s); i++, s->at++) {
        if (s->where == INSIDE || s->where == STRING) {
            const bool *plain = s->plain[s->where == STRING];
            size_t from = i;
            while (i < size && plain[chunk[i]]) {
                i++;
            }
            s->at += (int64_t)(i - from);
            if (i == size) {
                break;
            }
        }
        PC_TRY(step(s, chunk[i]));
    }
    return PC_OK;
}

/* A line's end was reached: a row, unless only blanks were there. s->where is INSIDE once something else was. */
static pc_status end_line(scanner *s, int64_t end)
{
    if (s->where == INSIDE) {
        PC_TRY(add_place(s, s->object, end - s->object, s->line));
    }
    s->where = START;
    s->line++;
    return PC_OK;
}

static pc_status scan_lines(scanner *s, const unsigned char *chunk, size_t size)
{
    for (size_t i = 0; i < size && !is_full(s); i++) {
        if (s->where == START && (chunk[i] == ' ' || chunk[i] == '\t' || chunk[i] == '\r')) {
            continue;
        }
        if (s->where == START && chunk[i] != '\n') {
            s->where = INSIDE;
            s->object = s->at + (int64_t)i;
        }
        const unsigned char *end = memchr(chunk + i, '\n', size - i);
        if (!end) {
            break;
        }
        i = (size_t)(end - chunk);
        PC_TRY(end_line(s, s->at + (int64_t)i));
    }
    s->at += (int64_t)size;
    return PC_OK;
}

static pc_status end_of_file(scanner *s, bool lines)
{
    if (lines) {
        return end_line(s, s->at);
    }
    return s->where == END ? PC_OK : pc_fail(PC_ERR_DATA, "%s: byte %" PRId64 ": the file ends inside the list", s->path,
                                             s->at);
}

static pc_status scan(scanner *s, int fd, unsigned char *chunk, bool lines)
{
    while (!is_full(s)) {
        ssize_t got = pread(fd, chunk, CHUNK, s->at);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return pc_fail(PC_ERR_IO, "%s: cannot be read: %s", s->path, strerror(errno));
        }
        if (got == 0) {
            return end_of_file(s, lines);
        }
        if (pc_signal_pending()) {
            return pc_fail(PC_ERR_INTERRUPTED, "%s: stopped at byte %" PRId64, s->path, s->at);
        }
        PC_TRY(lines ? scan_lines(s, chunk, (size_t)got) : scan_list(s, chunk, (size_t)got));
    }
    return PC_OK;
}

static pc_status build(pc_json_index *index, int fd, const char *path, const pc_json_index_options *options)
{
    scanner s = {.index = index, .path = path, .limit = options->limit, .line = 1};
    unsigned char *chunk = NULL;
    fill_plain(&s);
    PC_TRY(PC_NEW_ARRAY(chunk, CHUNK, "reading a dataset"));
    pc_status status = scan(&s, fd, chunk, options->lines);
    pc_free(chunk);
    return status;
}

pc_status pc_json_index_build(pc_json_index *index, int fd, const char *path, const pc_json_index_options *options)
{
    bool found = false, keep = options->folder && options->limit == 0;
    pc_status status = keep ? pc_json_index_load(index, &found, fd, path, options) : PC_OK;
    if (status == PC_OK && !found) {
        status = build(index, fd, path, options);
        if (status == PC_OK && keep && pc_json_index_save(index, fd, path, options) != PC_OK) {
            pc_log(PC_LOG_WARNING, "the index of %s is not kept: %s", path, pc_error());
        }
    }
    if (status != PC_OK) {
        pc_json_index_clear(index);
    }
    return status;
}

void pc_json_index_clear(pc_json_index *index)
{
    pc_free(index->owned);
    pc_map_close(&index->map);
    *index = (pc_json_index){0};
}
