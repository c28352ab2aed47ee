#include "eval/metric/lines.h"

#include "base/file.h"
#include "base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WHERE = 320 };

static void name_line(char where[WHERE], const char *path, int64_t line)
{
    snprintf(where, WHERE, "%.280s:%" PRId64, path, line);
}

static pc_status take_id(pc_json_line *line, const char *where)
{
    const pc_json *id = pc_json_get(line->json, "id");
    if (pc_json_is_string(id)) {
        line->id = pc_strdup(pc_json_text(id));
    } else if (pc_json_is_integer(id)) {
        char text[32];
        snprintf(text, sizeof text, "%" PRId64, pc_json_integer(id, 0));
        line->id = pc_strdup(text);
    } else {
        return pc_fail(PC_ERR_DATA, "%s: id must be a text or an integer", where);
    }
    return line->id ? PC_OK : pc_fail_memory(32, "an id");
}

static pc_status add_line(pc_json_lines *lines, const char *text, size_t length, int64_t number, bool ids)
{
    char where[WHERE];
    name_line(where, lines->path, number);
    PC_TRY(pc_grow(&lines->line, &lines->capacity, lines->count + 1, sizeof *lines->line, "lines of JSON"));
    pc_json_line *line = &lines->line[lines->count];
    *line = (pc_json_line){.line = number};
    PC_TRY(pc_json_parse(&line->json, text, length, where));
    lines->count++;
    if (!pc_json_is_object(line->json)) {
        return pc_fail(PC_ERR_DATA, "%s: expected an object", where);
    }
    return ids ? take_id(line, where) : PC_OK;
}

static bool is_blank(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (!strchr(" \t\r", text[i])) {
            return false;
        }
    }
    return true;
}

static pc_status read_lines(pc_json_lines *lines, bool ids)
{
    pc_map map = {0};
    pc_status status;
    int64_t number = 0;
    PC_GO(pc_map_open(&map, lines->path));
    const char *text = (const char *)map.data;
    for (size_t at = 0; at < map.size;) {
        const char *end = memchr(text + at, '\n', map.size - at);
        size_t length = end ? (size_t)(end - text) - at : map.size - at;
        number++;
        if (!is_blank(text + at, length)) {
            PC_GO(add_line(lines, text + at, length, number, ids));
        }
        at += length + 1;
    }
done:
    pc_map_close(&map);
    return status;
}

static int compare_ids(const void *a, const void *b, void *user)
{
    const pc_json_line *line = user;
    return strcmp(line[*(const size_t *)a].id, line[*(const size_t *)b].id);
}

static pc_status sort_ids(pc_json_lines *lines)
{
    PC_TRY(PC_NEW_ARRAY(lines->by_id, lines->count, "ids"));
    for (size_t i = 0; i < lines->count; i++) {
        lines->by_id[i] = i;
    }
    if (lines->count) {
        qsort_r(lines->by_id, lines->count, sizeof *lines->by_id, compare_ids, lines->line);
    }
    for (size_t i = 1; i < lines->count; i++) {
        const pc_json_line *a = &lines->line[lines->by_id[i - 1]], *b = &lines->line[lines->by_id[i]];
        if (strcmp(a->id, b->id) == 0) {
            return pc_fail(PC_ERR_DATA, "%s:%" PRId64 ": id '%.80s' is also that of line %" PRId64, lines->path,
                           a->line > b->line ? a->line : b->line, a->id, a->line > b->line ? b->line : a->line);
        }
    }
    return PC_OK;
}

pc_status pc_json_lines_read(pc_json_lines **out, const char *path, bool ids)
{
    pc_json_lines *lines = NULL;
    pc_status status;
    *out = NULL;
    PC_GO(PC_NEW(lines, "lines of JSON"));
    lines->path = pc_strdup(path);
    PC_GO(lines->path ? PC_OK : pc_fail_memory(strlen(path), "a path"));
    PC_GO(read_lines(lines, ids));
    PC_GO(ids ? sort_ids(lines) : PC_OK);
    *out = lines;
    return PC_OK;
done:
    pc_json_lines_free(lines);
    return status;
}

void pc_json_lines_free(pc_json_lines *lines)
{
    if (!lines) {
        return;
    }
    for (size_t i = 0; i < lines->count; i++) {
        pc_json_free(lines->line[i].json);
        pc_free(lines->line[i].id);
    }
    pc_free(lines->line);
    pc_free(lines->by_id);
    pc_free(lines->path);
    pc_free(lines);
}

const pc_json_line *pc_json_lines_find(const pc_json_lines *lines, const char *id)
{
    size_t low = 0, high = lines->by_id ? lines->count : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const pc_json_line *line = &lines->line[lines->by_id[middle]];
        int order = strcmp(line->id, id);
        if (order == 0) {
            return line;
        }
        *(order < 0 ? &low : &high) = order < 0 ? middle + 1 : middle;
    }
    return NULL;
}
