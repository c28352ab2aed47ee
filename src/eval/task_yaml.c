/* Task `yaml`: a benchmark that somebody described in a file (task_file.h), over records in JSON or JSONL.
 *
 * Records are the elements of an array, the values of an object, or the lines of a file. A new benchmark in such a format
 * needs no C.
 */
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/str.h"
#include "eval/metric/lines.h"
#include "eval/task.h"
#include "eval/task_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DATA_LIMIT = 1 << 30 };

typedef struct yaml_task {
    pc_task_file file;
    char *data, *images, *picture;
    pc_json *json;        /* an array or object of records, or NULL */
    pc_json_lines *lines; /* else */
    void *iterator;       /* in an object */
    size_t at;
    pc_str id, kind, name, question, answer, options;
    pc_json *choices;     /* array of texts of the present record, or NULL */
    pc_json *asked;       /* the same behind their delimiter, or NULL */
    pc_json *fields;      /* object for the sample, or NULL */
} yaml_task;

static bool matches(const char *path)
{
    return pc_ends_with(path, ".yaml") || pc_ends_with(path, ".yml");
}

static void close_yaml(void *state)
{
    yaml_task *self = state;
    pc_str *texts[] = {&self->id, &self->kind, &self->name, &self->question, &self->answer, &self->options};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        pc_str_clear(texts[i]);
    }
    pc_task_file_clear(&self->file);
    pc_json_free(self->json);
    pc_json_free(self->choices);
    pc_json_free(self->asked);
    pc_json_free(self->fields);
    pc_json_lines_free(self->lines);
    pc_free(self->data);
    pc_free(self->images);
    pc_free(self->picture);
    pc_free(self);
}

/* name below the folder of `file`, unless it is absolute. */
static char *beside(const char *file, const char *name)
{
    char *folder = pc_path_parent(file);
    char *path = name[0] == '/' ? pc_strdup(name) : folder ? pc_path_join(folder, name) : NULL;
    pc_free(folder);
    return path;
}

static pc_status find_files(yaml_task *self, const pc_task_options *options)
{
    if (!options->data && !self->file.data) {
        return pc_fail(PC_ERR_USAGE, "%s: says no data; give --data FILE", options->path);
    }
    self->data = options->data ? pc_strdup(options->data) : beside(options->path, self->file.data);
    PC_TRY(self->data ? PC_OK : pc_fail_memory(0, "a path"));
    self->images = self->file.images ? beside(options->path, self->file.images) : pc_path_parent(self->data);
    return self->images ? PC_OK : pc_fail_memory(0, "a path");
}

/* True for an array, and for an object whose values are objects; a single record is neither. */
static bool holds_records(const pc_json *json)
{
    void *first = pc_json_is_object(json) ? pc_json_first(json) : NULL;
    return pc_json_is_array(json) || (first && pc_json_is_object(pc_json_value(first)));
}

/* A .json file that is no array or object of records is read line by line, as POPE's are. */
static pc_status read_records(yaml_task *self)
{
    bool whole = !pc_ends_with(self->data, ".jsonl") && pc_json_read(&self->json, self->data, DATA_LIMIT) == PC_OK;
    if (whole && holds_records(self->json)) {
        self->iterator = pc_json_is_object(self->json) ? pc_json_first(self->json) : NULL;
        return PC_OK;
    }
    if (whole) {
        pc_json_free(self->json);
    }
    self->json = NULL;
    return pc_json_lines_read(&self->lines, self->data, false);
}

static pc_status open_yaml(void **state, const pc_task_options *options)
{
    yaml_task *self = NULL;
    pc_status status;
    PC_GO(PC_NEW(self, "a task"));
    PC_GO(pc_task_file_read(&self->file, options->path));
    PC_GO(find_files(self, options));
    PC_GO(read_records(self));
    *state = self;
    return PC_OK;
done:
    if (self) {
        close_yaml(self);
    }
    return status;
}

/* --- records --- */

static const pc_json *next_record(yaml_task *self)
{
    const pc_json *record = NULL;
    if (self->lines) {
        record = self->at < self->lines->count ? self->lines->line[self->at].json : NULL;
    } else if (pc_json_is_array(self->json)) {
        record = pc_json_at(self->json, self->at);
    } else if (self->iterator) {
        record = pc_json_value(self->iterator);
        self->iterator = pc_json_next(self->json, self->iterator);
    }
    self->at += record != NULL;
    return record;
}

static pc_status put_value(pc_str *out, const pc_json *value)
{
    return pc_json_is_string(value) ? pc_str_puts(out, pc_json_text(value)) : pc_json_write(out, value, 0);
}

/* The field "a.b" of a record. */
static const pc_json *inner(const pc_json *record, const char *key, size_t length)
{
    char part[64];
    for (size_t at = 0; record && at < length;) {
        size_t size = strcspn(key + at, ".");
        size = at + size < length ? size : length - at;
        snprintf(part, sizeof part, "%.*s", (int)size, key + at);
        record = pc_json_get(record, part);
        at += size + 1;
    }
    return record;
}

/* A template with the record's fields in its {braces}. */
static pc_status fill(yaml_task *self, pc_str *out, const char *template, const pc_json *record)
{
    pc_str_reset(out);
    PC_TRY(pc_str_puts(out, ""));
    while (template && *template) {
        const char *end = *template == '{' ? strchr(template, '}') : NULL;
        char key[64];
        if (!end || (size_t)(end - template) > sizeof key) {
            PC_TRY(pc_str_putc(out, *template++));
            continue;
        }
        snprintf(key, sizeof key, "%.*s", (int)(end - template - 1), template + 1);
        if (self->choices && strcmp(key, "options") == 0) {
            PC_TRY(pc_str_puts(out, self->options.data));
            template = end + 1;
            continue;
        }
        const pc_json *value = inner(record, key, strlen(key));
        if (!value) {
            return pc_fail(PC_ERR_DATA, "%s: record %zu: %s is missing", self->data, self->at, key);
        }
        PC_TRY(put_value(out, value));
        template = end + 1;
    }
    return PC_OK;
}

static bool is_wanted(const yaml_task *self, const pc_json *record)
{
    const char *equals = self->file.only ? strchr(self->file.only, '=') : NULL;
    char key[64], number[32];
    if (!equals || (size_t)(equals - self->file.only) >= sizeof key) {
        return true;
    }
    snprintf(key, sizeof key, "%.*s", (int)(equals - self->file.only), self->file.only);
    const pc_json *value = pc_json_get(record, key);
    snprintf(number, sizeof number, "%" PRId64, pc_json_integer(value, 0));
    const char *text = pc_json_is_string(value) ? pc_json_text(value) : pc_json_is_integer(value) ? number : "";
    return strcmp(text, equals + 1) == 0;
}

/* "0=no,1=yes": the answer "1" becomes "yes". */
static pc_status translate(pc_str *answer, const char *meanings)
{
    for (const char *at = meanings; at && *at;) {
        size_t length = strcspn(at, ","), key = strcspn(at, "=");
        if (key < length && key == answer->length && strncmp(at, answer->data, key) == 0) {
            pc_str_reset(answer);
            return pc_str_add(answer, at + key + 1, length - key - 1);
        }
        at += length + (at[length] == ',');
    }
    return PC_OK;
}

/* --- options --- */

static pc_status wrong_choices(const yaml_task *self)
{
    return pc_fail(PC_ERR_DATA, "%s: record %zu: %s: expected 2 to 26 texts", self->data, self->at, self->file.choices);
}

/* One field that is a list, or a field for each option; empty ones are none. */
static pc_status read_choices(yaml_task *self, const pc_json *record)
{
    const char *keys = self->file.choices;
    size_t length = strcspn(keys, ",");
    const pc_json *list = inner(record, keys, length);
    pc_json_free(self->choices);
    self->choices = pc_json_new_array();
    if (pc_json_is_array(list)) {
        for (size_t i = 0; i < pc_json_length(list); i++) {
            PC_TRY(pc_json_push(self->choices, pc_json_copy(pc_json_at(list, i))));
        }
    }
    for (const char *at = keys; !pc_json_is_array(list) && *at;) {
        length = strcspn(at, ",");
        const pc_json *one = inner(record, at, length);
        if (pc_json_is_string(one) && pc_json_text_length(one)) {
            PC_TRY(pc_json_push(self->choices, pc_json_copy(one)));
        }
        at += length + (at[length] == ',');
    }
    size_t count = pc_json_length(self->choices);
    for (size_t i = 0; i < count; i++) {
        count = pc_json_is_string(pc_json_at(self->choices, i)) ? count : 0;
    }
    return count < 2 || count > 26 ? wrong_choices(self) : PC_OK;
}

/* "A. one\nB. two", and the choices behind their delimiter. */
static pc_status lay_out_choices(yaml_task *self)
{
    pc_str text = {0};
    pc_status status = PC_OK;
    pc_str_reset(&self->options);
    pc_json_free(self->asked);
    self->asked = self->file.likelihood ? pc_json_new_array() : NULL;
    for (size_t i = 0; i < pc_json_length(self->choices); i++) {
        const char *one = pc_json_text(pc_json_at(self->choices, i));
        PC_GO(pc_str_printf(&self->options, "%s%c. %s", i ? "\n" : "", (char)('A' + i), one));
        pc_str_reset(&text);
        PC_GO(pc_str_printf(&text, "%s%s", self->file.delimiter ? self->file.delimiter : "", one));
        PC_GO(self->file.likelihood ? pc_json_push(self->asked, pc_json_new_text(text.data)) : PC_OK);
    }
done:
    pc_str_clear(&text);
    return status;
}

/* The answer "2" becomes the third choice's text, when likelihoods decide, else its letter. */
static pc_status name_choice(yaml_task *self)
{
    const char *kind = self->file.answer_is ? self->file.answer_is : "text", *said = self->answer.data;
    size_t count = pc_json_length(self->choices), at = count;
    char *end;
    if (strcmp(kind, "letter") == 0) {
        at = said[0] >= 'A' && !said[1] ? (size_t)(said[0] - 'A') : count;
    } else if (strcmp(kind, "index") == 0 || strcmp(kind, "number") == 0) {
        long value = strtol(said, &end, 10) - (kind[0] == 'n');
        at = *said && !*end && value >= 0 && (size_t)value < count ? (size_t)value : count;
    } else {
        for (at = 0; at < count && strcmp(pc_json_text(pc_json_at(self->choices, at)), said) != 0; at++) {
        }
    }
    if (at >= count) {
        return pc_fail(PC_ERR_DATA, "%s: record %zu: answer: '%.60s' is no %s of a choice", self->data, self->at, said, kind);
    }
    pc_str_reset(&self->answer);
    return self->file.likelihood ? pc_str_puts(&self->answer, pc_json_text(pc_json_at(self->choices, at)))
                                 : pc_str_putc(&self->answer, (char)('A' + at));
}

/* What the sample shows the metric beside. */
static pc_status gather_fields(yaml_task *self, const pc_json *record)
{
    pc_json_free(self->fields);
    self->fields = NULL;
    if (!self->choices && !self->file.fields) {
        return PC_OK;
    }
    self->fields = pc_json_new_object();
    if (self->choices) {
        PC_TRY(pc_json_set(self->fields, "choices", pc_json_copy(self->choices)));
    }
    for (const char *at = self->file.fields; at && *at;) {
        size_t length = strcspn(at, ",");
        char key[64];
        snprintf(key, sizeof key, "%.*s", (int)length, at);
        const pc_json *value = inner(record, at, length);
        if (value) {
            PC_TRY(pc_json_set(self->fields, key, pc_json_copy(value)));
        }
        at += length + (at[length] == ',');
    }
    return PC_OK;
}

static pc_status find_picture(yaml_task *self, const pc_json *record)
{
    pc_free(self->picture);
    self->picture = NULL;
    if (!self->file.image) {
        return PC_OK;
    }
    PC_TRY(fill(self, &self->name, self->file.image, record));
    self->picture = pc_path_join(self->images, self->name.data);
    return self->picture ? PC_OK : pc_fail_memory(self->name.length, "a path");
}

static pc_status next(void *state, pc_task_question *out, bool *have)
{
    yaml_task *self = state;
    const pc_json *record;
    do {
        record = next_record(self);
    } while (record && !is_wanted(self, record));
    *have = record != NULL;
    if (!record) {
        return PC_OK;
    }
    PC_TRY(self->file.choices ? read_choices(self, record) : PC_OK);
    PC_TRY(self->file.choices ? lay_out_choices(self) : PC_OK);
    PC_TRY(fill(self, &self->id, self->file.id, record));
    PC_TRY(fill(self, &self->kind, self->file.kind, record));
    PC_TRY(fill(self, &self->question, self->file.question, record));
    PC_TRY(fill(self, &self->answer, self->file.answer, record));
    PC_TRY(translate(&self->answer, self->file.answers));
    PC_TRY(self->file.choices ? name_choice(self) : PC_OK);
    PC_TRY(gather_fields(self, record));
    PC_TRY(find_picture(self, record));
    *out = (pc_task_question){.kind = self->kind.data, .question = self->question.data, .answer = self->answer.data,
                              .path = self->picture, .choices = self->asked, .fields = self->fields};
    snprintf(out->id, sizeof out->id, "%zu%s%.40s", self->at, self->id.length ? "-" : "", self->id.data);
    return PC_OK;
}

static pc_status describe(pc_task_about *out, const char *path)
{
    pc_task_file file;
    pc_status status = pc_task_file_read(&file, path);
    if (status == PC_OK) {
        snprintf(out->name, sizeof out->name, "%s", file.name);
        snprintf(out->version, sizeof out->version, "%s", file.version);
        snprintf(out->metric, sizeof out->metric, "%s", file.metric ? file.metric : "");
        out->usual_limit = file.limit;
        char *data = file.metric_data ? beside(path, file.metric_data) : NULL;
        snprintf(out->metric_data, sizeof out->metric_data, "%s", data ? data : "");
        status = file.metric_data && !data ? pc_fail_memory(0, "a path") : PC_OK;
        pc_free(data);
    }
    pc_task_file_clear(&file);
    return status;
}

const pc_task pc_task_yaml = {
    .name = "yaml",
    .help = "a benchmark described in a .yaml file",
    .version = "yaml-1",
    .matches = matches,
    .describe = describe,
    .open = open_yaml,
    .next = next,
    .close = close_yaml,
};
