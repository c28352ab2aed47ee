#include "eval/task_file.h"

#include "base/field.h"
#include "base/file.h"
#include "base/memory.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

enum { LIMIT = 1 << 20 };

#define TEXT(key, text) {.name = #key, .type = PC_FIELD_TEXT, .offset = offsetof(pc_task_file, key), .help = text}
static const pc_field fields[] = {
    TEXT(name, "of the task, in results and file names"),
    TEXT(version, "equal versions ask and score the same"),
    TEXT(data, "JSON or JSONL file of records, relative to this file; --data takes its place"),
    TEXT(images, "folder of pictures; unset = the folder of the data"),
    TEXT(only, "key=value: other records are passed over"),
    TEXT(id, "template; unset = the record's number"),
    TEXT(kind, "template of the kind, for which accuracy is told"),
    TEXT(image, "template of the picture's name; unset = no pictures"),
    TEXT(question, "template of what is asked"),
    TEXT(answer, "template of the truth"),
    TEXT(answers, "what values of the answer mean: 0=no,1=yes"),
    TEXT(answer_is, "what the answer gives: text, index (from 0), number (from 1) or letter of the choice"),
    TEXT(choices, "field of the options (inner ones: a.b), or several fields: A,B,C; {options} in the question lists them"),
    TEXT(delimiter, "what stands before each choice when likelihoods decide"),
    TEXT(fields, "fields of the record that the metric asks for: subject,grade"),
    TEXT(metric, "whose values stand beside the accuracy"),
    TEXT(metric_data, "file or folder that the metric reads, relative to this file"),
    {.name = "likelihood", .type = PC_FIELD_BOOL, .offset = offsetof(pc_task_file, likelihood), .fallback = "false",
     .help = "the answer is the choice that the model finds likeliest"},
    {.name = "limit", .type = PC_FIELD_INT, .offset = offsetof(pc_task_file, limit), .fallback = "0", .high = 9e15,
     .help = "questions when nobody says how many; 0 = all"},
};
#undef TEXT
static const pc_field_table table = {fields, sizeof fields / sizeof fields[0]};

typedef struct reader {
    const char *path;
    yaml_parser_t parser;
    yaml_event_t event;
    bool have_event;
} reader;

static pc_status next_event(reader *r, yaml_event_type_t wanted)
{
    if (r->have_event) {
        yaml_event_delete(&r->event);
        r->have_event = false;
    }
    if (!yaml_parser_parse(&r->parser, &r->event)) {
        return r->parser.error == YAML_MEMORY_ERROR
                   ? pc_fail_memory(0, "a task file")
                   : pc_fail(PC_ERR_USAGE, "%s:%zu: %s", r->path, r->parser.problem_mark.line + 1,
                             r->parser.problem ? r->parser.problem : "not YAML");
    }
    r->have_event = true;
    if (wanted != YAML_NO_EVENT && r->event.type != wanted) {
        return pc_fail(PC_ERR_USAGE, "%s:%zu: expected one mapping of keys to texts", r->path, r->event.start_mark.line + 1);
    }
    return PC_OK;
}

static pc_status read_pair(reader *r, pc_task_file *out)
{
    char where[320];
    snprintf(where, sizeof where, "%.280s:%zu", r->path, r->event.start_mark.line + 1);
    char *key = pc_strdup((const char *)r->event.data.scalar.value);
    pc_status status = key ? next_event(r, YAML_SCALAR_EVENT) : pc_fail_memory(0, "a key");
    if (status == PC_OK) {
        status = pc_fields_set(&table, out, key, (const char *)r->event.data.scalar.value, where);
    }
    pc_free(key);
    return status;
}

static pc_status read_mapping(reader *r, pc_task_file *out)
{
    PC_TRY(next_event(r, YAML_STREAM_START_EVENT));
    PC_TRY(next_event(r, YAML_DOCUMENT_START_EVENT));
    PC_TRY(next_event(r, YAML_MAPPING_START_EVENT));
    for (;;) {
        PC_TRY(next_event(r, YAML_NO_EVENT));
        if (r->event.type == YAML_MAPPING_END_EVENT) {
            return PC_OK;
        }
        if (r->event.type != YAML_SCALAR_EVENT) {
            return pc_fail(PC_ERR_USAGE, "%s:%zu: expected a key", r->path, r->event.start_mark.line + 1);
        }
        PC_TRY(read_pair(r, out));
    }
}

static pc_status check(const pc_task_file *file, const char *path)
{
    const char *missing = !file->name ? "name" : !file->version ? "version" : !file->question ? "question" : !file->answer ? "answer" : NULL;
    static const char *const kinds[] = {"text", "index", "number", "letter"};
    bool known = !file->answer_is;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        known = known || strcmp(file->answer_is, kinds[i]) == 0;
    }
    if (!known) {
        return pc_fail(PC_ERR_USAGE, "%s: answer_is: expected text, index, number or letter, found '%.40s'", path, file->answer_is);
    }
    missing = !missing && file->likelihood && !file->choices ? "choices (with likelihood)" : missing;
    return missing ? pc_fail(PC_ERR_USAGE, "%s: %s is missing", path, missing) : PC_OK;
}

pc_status pc_task_file_read(pc_task_file *out, const char *path)
{
    reader r = {.path = path};
    char *text = NULL;
    size_t size;
    pc_status status;
    *out = (pc_task_file){0};
    PC_TRY(pc_file_read(&text, &size, path, LIMIT));
    if (!yaml_parser_initialize(&r.parser)) {
        pc_free(text);
        return pc_fail_memory(0, "a YAML parser");
    }
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, size);
    PC_GO(pc_fields_default(&table, out));
    PC_GO(read_mapping(&r, out));
    PC_GO(check(out, path));
done:
    if (r.have_event) {
        yaml_event_delete(&r.event);
    }
    yaml_parser_delete(&r.parser);
    pc_free(text);
    return status;
}

void pc_task_file_clear(pc_task_file *file)
{
    pc_fields_clear(&table, file);
}
