#include "base/yaml.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

typedef struct reader {
    const char *path;
    pc_yaml_set set;
    void *user;
    int most; /* levels of keys */
    yaml_parser_t parser;
    yaml_event_t event;
    bool have_event;
    const char *keys[PC_YAML_DEPTH];
    int depth;
} reader;

static pc_status next_event(reader *r)
{
    if (r->have_event) {
        yaml_event_delete(&r->event);
        r->have_event = false;
    }
    if (!yaml_parser_parse(&r->parser, &r->event)) {
        if (r->parser.error == YAML_MEMORY_ERROR) {
            return pc_fail_memory(0, r->path);
        }
        return pc_fail(PC_ERR_USAGE, "%s:%zu: %s", r->path, r->parser.problem_mark.line + 1,
                       r->parser.problem ? r->parser.problem : "not YAML");
    }
    r->have_event = true;
    return PC_OK;
}

static pc_status fail_here(const reader *r, const char *what)
{
    return pc_fail(PC_ERR_USAGE, "%s:%zu: %s", r->path, r->event.start_mark.line + 1, what);
}

static pc_status add_scalar(const reader *r, pc_str *out)
{
    const char *text = (const char *)r->event.data.scalar.value;
    size_t length = r->event.data.scalar.length;
    return strlen(text) == length ? pc_str_add(out, text, length) : fail_here(r, "a text with a NUL character");
}

/* [a, b] becomes "a,b". */
static pc_status read_sequence(reader *r, pc_str *out)
{
    for (bool first = true;; first = false) {
        PC_TRY(next_event(r));
        if (r->event.type == YAML_SEQUENCE_END_EVENT) {
            return PC_OK;
        }
        if (r->event.type != YAML_SCALAR_EVENT) {
            return fail_here(r, "expected plain values in a list");
        }
        PC_TRY(first ? PC_OK : pc_str_putc(out, ','));
        PC_TRY(add_scalar(r, out));
    }
}

static pc_status give(reader *r, const char *text, const char *where)
{
    return r->set(r->user, &(pc_yaml_value){.keys = r->keys, .depth = r->depth, .text = text ? text : "", .where = where});
}

static pc_status read_mapping(reader *r, const char *where);

/* What stands behind r->keys[depth - 1]. */
static pc_status read_value(reader *r, const char *where)
{
    pc_str value = {0};
    pc_status status;
    PC_GO(next_event(r));
    switch (r->event.type) {
    case YAML_SCALAR_EVENT:
        PC_GO(add_scalar(r, &value));
        PC_GO(give(r, value.data, where));
        break;
    case YAML_SEQUENCE_START_EVENT:
        PC_GO(read_sequence(r, &value));
        PC_GO(give(r, value.data, where));
        break;
    case YAML_MAPPING_START_EVENT:
        if (r->depth == r->most) {
            status = pc_fail(PC_ERR_USAGE, "%s:%zu: '%s' has sections below it; this file has %d level%s of keys", r->path,
                             r->event.start_mark.line + 1, r->keys[r->depth - 1], r->most, r->most == 1 ? "" : "s");
            goto done;
        }
        PC_GO(read_mapping(r, where));
        break;
    default: status = fail_here(r, "aliases are not read here"); break;
    }
done:
    pc_str_clear(&value);
    return status;
}

static pc_status read_pair(reader *r)
{
    char where[512];
    pc_str key = {0};
    pc_status status;
    snprintf(where, sizeof where, "%s:%zu", r->path, r->event.start_mark.line + 1);
    PC_GO(add_scalar(r, &key));
    r->keys[r->depth++] = key.data ? key.data : "";
    status = read_value(r, where);
    r->depth--;
done:
    pc_str_clear(&key);
    return status;
}

/* Up to the mapping's end; where: of the key before it, NULL for the outermost. */
static pc_status read_mapping(reader *r, const char *where)
{
    for (bool empty = true;; empty = false) {
        PC_TRY(next_event(r));
        if (r->event.type == YAML_MAPPING_END_EVENT) {
            return empty && where ? give(r, "", where) : PC_OK;
        }
        if (r->event.type != YAML_SCALAR_EVENT) {
            return fail_here(r, "expected a key");
        }
        PC_TRY(read_pair(r));
    }
}

static pc_status read_stream(reader *r)
{
    bool read = false;
    for (;;) {
        PC_TRY(next_event(r));
        switch (r->event.type) {
        case YAML_STREAM_START_EVENT:
        case YAML_DOCUMENT_START_EVENT:
        case YAML_DOCUMENT_END_EVENT: break;
        case YAML_STREAM_END_EVENT: return PC_OK;
        case YAML_MAPPING_START_EVENT:
            if (read) {
                return fail_here(r, "a second document in one file");
            }
            read = true;
            PC_TRY(read_mapping(r, NULL));
            break;
        default: return fail_here(r, "expected lines of the form key: value");
        }
    }
}

pc_status pc_yaml_read(const char *path, size_t limit, int depth, pc_yaml_set set, void *user)
{
    reader r = {.path = path, .set = set, .user = user, .most = depth};
    char *text = NULL;
    size_t size;
    pc_status status;
    PC_TRY(pc_file_read(&text, &size, path, limit));
    if (!yaml_parser_initialize(&r.parser)) {
        status = pc_fail_memory(sizeof r.parser, "a YAML parser");
        goto done;
    }
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, size);
    status = read_stream(&r);
    if (r.have_event) {
        yaml_event_delete(&r.event);
    }
    yaml_parser_delete(&r.parser);
done:
    pc_free(text);
    return status;
}
