/* The pass reads a mapping of the file and lets go of what is behind it, so that a large file doesn't stay in memory. */
#include "data/json_lists.h"

#include "base/memory.h"
#include "base/signal.h"
#include "data/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { DEPTH = 128, BEHIND = 16 << 20, BEGINNING = 32 << 10 };

typedef struct cursor {
    const char *path;
    const pc_map *map;
    size_t at, released; /* bytes */
} cursor;

static pc_status expected(const cursor *c, const char *what)
{
    return c->at < c->map->size
               ? pc_fail(PC_ERR_DATA, "%s: byte %zu: expected %s", c->path, c->at, what)
               : pc_fail(PC_ERR_DATA, "%s: byte %zu: the file ends where %s is expected", c->path, c->at, what);
}

/* The next byte that is no blank, without going past it; 0 at the end. */
static uint8_t peek(cursor *c)
{
    const uint8_t *bytes = c->map->data;
    while (c->at < c->map->size && (bytes[c->at] == ' ' || bytes[c->at] == '\n' || bytes[c->at] == '\r' || bytes[c->at] == '\t')) {
        c->at++;
    }
    return c->at < c->map->size ? bytes[c->at] : 0;
}

static pc_status take(cursor *c, uint8_t byte, const char *what)
{
    if (peek(c) != byte) {
        return expected(c, what);
    }
    c->at++;
    return PC_OK;
}

/* Past the string that begins at the cursor. */
static pc_status skip_string(cursor *c)
{
    const uint8_t *bytes = c->map->data;
    for (c->at++; c->at < c->map->size && bytes[c->at] != '"'; c->at++) {
        c->at += bytes[c->at] == '\\';
    }
    if (c->at >= c->map->size) {
        c->at = c->map->size;
        return expected(c, "the end of a text");
    }
    c->at++;
    return PC_OK;
}

/* Past the value that begins at the cursor: its brackets are matched here, the rest is for who parses it. */
static pc_status skip_value(cursor *c)
{
    char open[DEPTH];
    int depth = 0;
    do {
        uint8_t byte = peek(c);
        if (byte == 0) {
            return expected(c, "the end of a value");
        }
        if (byte == '"') {
            PC_TRY(skip_string(c));
            continue;
        }
        if (byte == '{' || byte == '[') {
            if (depth == DEPTH) {
                return pc_fail(PC_ERR_DATA, "%s: byte %zu: nested deeper than %d levels", c->path, c->at, DEPTH);
            }
            open[depth++] = byte == '{' ? '}' : ']';
        } else if (byte == '}' || byte == ']') {
            if (depth == 0 || open[--depth] != (char)byte) {
                return expected(c, "a value");
            }
        } else if (depth == 0) { /* a number, true, false, null */
            static const char letters[] = "+-.0123456789Eaeflnrstu";
            size_t from = c->at;
            while (c->at < c->map->size && c->map->data[c->at] && strchr(letters, c->map->data[c->at])) {
                c->at++;
            }
            return c->at > from ? PC_OK : expected(c, "a value");
        }
        c->at++;
    } while (depth > 0);
    return PC_OK;
}

static pc_status add_place(pc_json_list *list, const cursor *c, size_t from)
{
    size_t size = c->at - from;
    if (size > (size_t)PC_JSON_OBJECT_LIMIT) {
        return pc_fail(PC_ERR_DATA, "%s: byte %zu: an element of %zu bytes; at most %" PRId64 " are taken", c->path, from, size,
                       PC_JSON_OBJECT_LIMIT);
    }
    PC_TRY(pc_grow(&list->places, &list->capacity, list->count + 1, sizeof *list->places, "the index of a dataset"));
    list->places[list->count++] = (pc_json_place){.offset = (int64_t)from, .size = (uint32_t)size};
    return PC_OK;
}

static pc_status let_go(cursor *c)
{
    if (c->at - c->released < BEHIND) {
        return PC_OK;
    }
    pc_map_release(c->map, c->map->data + c->released, c->at - c->released);
    c->released = c->at;
    return pc_signal_pending() ? pc_fail(PC_ERR_INTERRUPTED, "%s: stopped at byte %zu", c->path, c->at) : PC_OK;
}

static pc_status scan_list(cursor *c, pc_json_list *list)
{
    c->at++;
    list->found = true;
    if (peek(c) == ']') {
        c->at++;
        return PC_OK;
    }
    for (;;) {
        peek(c);
        size_t from = c->at;
        PC_TRY(skip_value(c));
        PC_TRY(add_place(list, c, from));
        PC_TRY(let_go(c));
        if (peek(c) == ']') {
            c->at++;
            return PC_OK;
        }
        PC_TRY(take(c, ',', "',' or ']'"));
    }
}

/* One member of the object: a list that is wanted, or kept in `head` when it is short. */
static pc_status scan_member(cursor *c, pc_json_lists *out, const char *const *names, size_t count, pc_str *head)
{
    const char *bytes = (const char *)c->map->data;
    size_t key = c->at;
    PC_TRY(peek(c) == '"' ? skip_string(c) : expected(c, "a key"));
    size_t length = c->at - key - 2;
    PC_TRY(take(c, ':', "':'"));
    uint8_t byte = peek(c);
    for (size_t i = 0; i < count; i++) {
        if (byte != '[' || strlen(names[i]) != length || memcmp(names[i], bytes + key + 1, length) != 0) {
            continue;
        }
        return out->lists[i].found ? pc_fail(PC_ERR_DATA, "%s: byte %zu: a second \"%s\"", c->path, key, names[i])
                                   : scan_list(c, &out->lists[i]);
    }
    PC_TRY(skip_value(c));
    return c->at - key > PC_JSON_HEAD
               ? PC_OK
               : pc_str_printf(head, "%s%.*s", head->length > 1 ? "," : "", (int)(c->at - key), bytes + key);
}

static pc_status scan(cursor *c, pc_json_lists *out, const char *const *names, size_t count, pc_str *head)
{
    PC_TRY(take(c, '{', "an object"));
    PC_TRY(pc_str_putc(head, '{'));
    for (bool more = peek(c) != '}'; more; c->at += more) {
        peek(c);
        PC_TRY(scan_member(c, out, names, count, head));
        PC_TRY(let_go(c));
        more = peek(c) == ',';
    }
    PC_TRY(take(c, '}', "',' or '}'"));
    PC_TRY(peek(c) == 0 && c->at >= c->map->size ? PC_OK : expected(c, "nothing more"));
    PC_TRY(pc_str_putc(head, '}'));
    return pc_json_parse(&out->head, head->data, head->length, c->path);
}

pc_status pc_json_lists_open(pc_json_lists *out, const char *path, const char *const *names, size_t count)
{
    pc_map map = {0};
    pc_str head = {0};
    pc_status status;
    *out = (pc_json_lists){.fd = open(path, O_RDONLY | O_CLOEXEC)};
    PC_GO(out->fd >= 0 ? PC_OK : pc_fail(PC_ERR_IO, "%s: cannot be opened: %s", path, strerror(errno)));
    PC_GO(pc_map_open(&map, path));
    cursor c = {.path = path, .map = &map};
    status = scan(&c, out, names, count, &head);
done:
    pc_map_close(&map);
    pc_str_clear(&head);
    return status;
}

void pc_json_lists_close(pc_json_lists *lists)
{
    if (lists->fd >= 0) {
        close(lists->fd);
    }
    for (int i = 0; i < PC_JSON_LISTS; i++) {
        pc_free(lists->lists[i].places);
    }
    pc_json_free(lists->head);
    *lists = (pc_json_lists){.fd = -1};
}

pc_status pc_json_lists_read(const pc_json_lists *lists, int list, int64_t index, pc_json **out)
{
    const pc_json_place *place = &lists->lists[list].places[index];
    char *bytes = NULL, where[48];
    pc_status status;
    *out = NULL;
    snprintf(where, sizeof where, "the element at byte %" PRId64, place->offset);
    PC_GO(PC_NEW_ARRAY(bytes, (size_t)place->size + 1, "an element"));
    PC_GO(pc_read_exactly(lists->fd, bytes, place->size, place->offset));
    status = pc_json_parse(out, bytes, place->size, where);
done:
    pc_free(bytes);
    return status;
}

/* --- recognising a file --- */

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " \t\r\n");
}

/* Behind `"name" :`, or NULL. */
static const char *behind_key(const char *text, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = strchr(text, '"'); at; at = strchr(at + 1, '"')) {
        if (strncmp(at + 1, name, length) == 0 && at[length + 1] == '"') {
            const char *colon = skip_blanks(at + length + 2);
            if (*colon == ':') {
                return skip_blanks(colon + 1);
            }
        }
    }
    return NULL;
}

static bool has_list(const char *text, const char *list, const char *key)
{
    char quoted[64];
    const char *at = *skip_blanks(text) == '{' ? behind_key(text, list) : NULL;
    if (!at || *at != '[') {
        return false;
    }
    if (!key) {
        return true;
    }
    at = skip_blanks(at + 1);
    const char *end = *at == '{' ? strchr(at, '}') : NULL;
    snprintf(quoted, sizeof quoted, "\"%s\"", key);
    const char *found = end ? strstr(at, quoted) : NULL;
    return found && found < end;
}

/* No memory is asked for: a kind that can't tell for lack of it would be taken for another one. */
bool pc_json_begins_with_list(const char *path, const char *list, const char *key)
{
    char text[BEGINNING + 1];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t got = fd >= 0 ? read(fd, text, BEGINNING) : 0;
    if (fd >= 0) {
        close(fd);
    }
    text[got > 0 ? got : 0] = 0;
    return has_list(text, list, key);
}
