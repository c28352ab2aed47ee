#include "eval/task_file.h"

#include "base/field.h"
#include "base/yaml.h"

#include <stddef.h>
#include <string.h>

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

static pc_status set_key(void *user, const pc_yaml_value *value)
{
    return pc_fields_set(&table, user, value->keys[0], value->text, value->where);
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
    *out = (pc_task_file){0};
    PC_TRY(pc_fields_default(&table, out));
    PC_TRY(pc_yaml_read(path, LIMIT, 1, set_key, out));
    return check(out, path);
}

void pc_task_file_clear(pc_task_file *file)
{
    pc_fields_clear(&table, file);
}
