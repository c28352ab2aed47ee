/* A scanner that knows strings, brackets and the commas between the objects of the outer list. */
#include "data/json_index.h"

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
    return open_bracket(s, '{');
}

static pc_status end_object(scanner *s)
{
    pc_json_index *index = s->index;
    pc_json_place place = {s->object, s->at + 1 - s->object};
    if (place.size > PC_JSON_OBJECT_LIMIT) {
        return pc_fail(PC_ERR_DATA, "%s: byte %" PRId64 ": a sample of %" PRId64 " bytes; at most %" PRId64 " are taken",
                       s->path, place.offset, place.size, PC_JSON_OBJECT_LIMIT);
    }
    PC_TRY(pc_grow(&index->places, &index->capacity, index->count + 1, sizeof *index->places, "the index of a dataset"));
    index->places[index->count++] = place;
    s->where = s->limit > 0 && (int64_t)index->count == s->limit ? END : BEHIND;
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
    if (byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t') {
        return PC_OK;
    }
    return s->where == INSIDE ? inside(s, byte) : outside(s, byte);
}

static bool is_full(const scanner *s)
{
    return s->limit > 0 && (int64_t)s->index->count == s->limit;
}

static pc_status scan(scanner *s, int fd, unsigned char *chunk)
{
    for (;;) {
        ssize_t got = pread(fd, chunk, CHUNK, s->at);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return pc_fail(PC_ERR_IO, "%s: cannot be read: %s", s->path, strerror(errno));
        }
        if (got == 0) {
            return s->where == END ? PC_OK
                                   : pc_fail(PC_ERR_DATA, "%s: byte %" PRId64 ": the file ends inside the list", s->path,
                                             s->at);
        }
        if (pc_signal_pending()) {
            return pc_fail(PC_ERR_INTERRUPTED, "%s: stopped at byte %" PRId64, s->path, s->at);
        }
        for (ssize_t i = 0; i < got; i++, s->at++) {
            PC_TRY(step(s, chunk[i]));
            if (is_full(s)) {
                return PC_OK;
            }
        }
    }
}

pc_status pc_json_index_build(pc_json_index *index, int fd, const char *path, int64_t limit)
{
    scanner s = {.index = index, .path = path, .limit = limit};
    unsigned char *chunk = NULL;
    PC_TRY(PC_NEW_ARRAY(chunk, CHUNK, "reading a dataset"));
    pc_status status = scan(&s, fd, chunk);
    pc_free(chunk);
    if (status != PC_OK) {
        pc_json_index_clear(index);
    }
    return status;
}

void pc_json_index_clear(pc_json_index *index)
{
    pc_free(index->places);
    *index = (pc_json_index){0};
}
