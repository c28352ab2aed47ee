/* Recipes are read event by event: libyaml gives lines, the field table decides types ("no" can be a text, "1e-4" is a
 * number). Aliases, sections and second documents have no meaning here and are refused. */
#include "train/recipe_yaml.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>
#include <yaml.h>

enum { RECIPE_LIMIT = 1 << 20 };

typedef struct reader {
    pc_recipe *recipe;
    const char *path;
    bool *given; /* by field */
    yaml_parser_t parser;
    yaml_event_t event;
    bool have_event;
} reader;

static pc_status next_event(reader *r)
{
    if (r->have_event) {
        yaml_event_delete(&r->event);
        r->have_event = false;
    }
    if (!yaml_parser_parse(&r->parser, &r->event)) {
        if (r->parser.error == YAML_MEMORY_ERROR) {
            return pc_fail_memory(0, "a recipe");
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

static bool is_null(const char *text)
{
    return strcmp(text, "null") == 0 || strcmp(text, "~") == 0 || !*text;
}

static pc_status read_value(reader *r, const char *key, pc_str *value)
{
    PC_TRY(next_event(r));
    switch (r->event.type) {
    case YAML_SCALAR_EVENT: return add_scalar(r, value);
    case YAML_SEQUENCE_START_EVENT: return read_sequence(r, value);
    case YAML_ALIAS_EVENT: return fail_here(r, "aliases are not read in recipes");
    default:
        return pc_fail(PC_ERR_USAGE, "%s:%zu: '%s' has sections below it; recipes are flat", r->path,
                       r->event.start_mark.line + 1, key);
    }
}

static pc_status set_key(reader *r, const char *key, const char *text, const char *where)
{
    const pc_field *field = pc_fields_find(&pc_recipe_fields, key);
    if (!field) {
        return pc_fields_set(&pc_recipe_fields, r->recipe, key, text, where); /* says what is near */
    }
    bool *given = &r->given[field - pc_recipe_fields.fields];
    if (*given) {
        return pc_fail(PC_ERR_USAGE, "%s: '%s' is given twice", where, field->name);
    }
    *given = true;
    return is_null(text) ? PC_OK : pc_fields_set(&pc_recipe_fields, r->recipe, key, text, where);
}

static pc_status read_pair(reader *r)
{
    char where[512];
    pc_str key = {0}, value = {0};
    pc_status status;
    snprintf(where, sizeof where, "%s:%zu", r->path, r->event.start_mark.line + 1);
    PC_GO(add_scalar(r, &key));
    PC_GO(read_value(r, key.data, &value));
    PC_GO(set_key(r, key.data, value.data ? value.data : "", where));
done:
    pc_str_clear(&key);
    pc_str_clear(&value);
    return status;
}

static pc_status read_pairs(reader *r)
{
    for (;;) {
        PC_TRY(next_event(r));
        if (r->event.type == YAML_MAPPING_END_EVENT) {
            return PC_OK;
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
                return fail_here(r, "a second document in one recipe");
            }
            read = true;
            PC_TRY(read_pairs(r));
            break;
        default: return fail_here(r, "expected lines of the form key: value");
        }
    }
}

pc_status pc_recipe_read_yaml(pc_recipe *out, const char *path)
{
    reader r = {.recipe = out, .path = path};
    char *text = NULL;
    size_t size;
    pc_status status;
    PC_GO(PC_NEW_ARRAY(r.given, pc_recipe_fields.count, "a recipe"));
    PC_GO(pc_file_read(&text, &size, path, RECIPE_LIMIT));
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
    pc_free(r.given);
    return status;
}
