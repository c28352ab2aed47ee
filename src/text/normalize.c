/* Normalizer steps of tokenizer.json. */
#include "base/memory.h"
#include "text/pipeline.h"

#include <string.h>

pc_status pc_step_text_set(pc_step_text *out, const char *text, size_t length)
{
    char *copy = pc_strndup(text, length);
    if (!copy) {
        return pc_fail_memory(length, "tokenizer step");
    }
    pc_free(out->text);
    *out = (pc_step_text){copy, length};
    return PC_OK;
}

pc_status pc_replace_all(pc_str *out, const char *text, size_t length, const pc_step_text *from, const pc_step_text *to)
{
    const char *end = text + length;
    while (text < end) {
        const char *found = memmem(text, (size_t)(end - text), from->text, from->length);
        if (!found) {
            break;
        }
        PC_TRY(pc_str_add(out, text, (size_t)(found - text)));
        PC_TRY(pc_str_add(out, to->text, to->length));
        text = found + from->length;
    }
    return pc_str_add(out, text, (size_t)(end - text));
}

/* {"pattern": {"String": ...}, "content": ...} */
static pc_status read_replace(pc_step_text *from, pc_step_text *to, const pc_json *json, const char *where)
{
    const pc_json *pattern = pc_json_get(pc_json_get(json, "pattern"), "String");
    const pc_json *content = pc_json_get(json, "content");
    if (!pc_json_is_string(pattern) || !pc_json_is_string(content) || pc_json_text_length(pattern) == 0) {
        return pc_fail(PC_ERR_DATA, "%s: step Replace is supported with a string as pattern, not with a regular expression",
                       where);
    }
    PC_TRY(pc_step_text_set(from, pc_json_text(pattern), pc_json_text_length(pattern)));
    return pc_step_text_set(to, pc_json_text(content), pc_json_text_length(content));
}

static pc_status read_step(pc_normal_step *step, const pc_json *json, const char *type, const char *where)
{
    static const char *const forms[] = {[PC_NFC] = "NFC", [PC_NFD] = "NFD", [PC_NFKC] = "NFKC", [PC_NFKD] = "NFKD"};
    for (int form = 0; form < 4; form++) {
        if (strcmp(type, forms[form]) == 0) {
            *step = (pc_normal_step){.kind = PC_NORMAL_FORM, .form = (pc_normal_form)form};
            return PC_OK;
        }
    }
    if (strcmp(type, "Lowercase") == 0) {
        step->kind = PC_NORMAL_LOWER;
        return PC_OK;
    }
    if (strcmp(type, "Strip") == 0) {
        step->kind = PC_NORMAL_STRIP;
        step->left = pc_json_get_bool(json, "strip_left", true);
        step->right = pc_json_get_bool(json, "strip_right", true);
        return PC_OK;
    }
    if (strcmp(type, "Prepend") == 0) {
        const char *text;
        step->kind = PC_NORMAL_PREPEND;
        PC_TRY(pc_json_need_text(&text, json, "prepend", where));
        return pc_step_text_set(&step->to, text, strlen(text));
    }
    if (strcmp(type, "Replace") == 0) {
        step->kind = PC_NORMAL_REPLACE;
        return read_replace(&step->from, &step->to, json, where);
    }
    return pc_fail(PC_ERR_DATA, "%s: normalizer step %.60s is not supported", where, type);
}

static pc_status read_steps(pc_normalizer *out, const pc_json *json, const char *where, int depth)
{
    const char *type = pc_json_get_text(json, "type", NULL);
    if (!type) {
        return pc_fail(PC_ERR_DATA, "%s: normalizer without a \"type\"", where);
    }
    if (strcmp(type, "Sequence") == 0) {
        const pc_json *steps = pc_json_get(json, "normalizers");
        if (!pc_json_is_array(steps) || depth > PC_TEXT_STEPS) {
            return pc_fail(PC_ERR_DATA, "%s: normalizer Sequence without \"normalizers\", or too deep", where);
        }
        for (size_t i = 0; i < pc_json_length(steps); i++) {
            PC_TRY(read_steps(out, pc_json_at(steps, i), where, depth + 1));
        }
        return PC_OK;
    }
    if (out->count == PC_TEXT_STEPS) {
        return pc_fail(PC_ERR_DATA, "%s: more than %d normalizer steps", where, PC_TEXT_STEPS);
    }
    return read_step(&out->steps[out->count++], json, type, where);
}

pc_status pc_normalizer_read(pc_normalizer *out, const pc_json *json, const char *where)
{
    return pc_json_is_null(json) ? PC_OK : read_steps(out, json, where, 0);
}

static pc_status strip(pc_str *out, const char *text, size_t length, bool left, bool right)
{
    int size;
    size_t start = 0, end = 0;
    while (left && start < length && (pc_char_class(text, length, start, &size) & PC_CHAR_SPACE)) {
        start += (size_t)size;
    }
    for (size_t at = end = start; at < length;) {
        bool space = pc_char_class(text, length, at, &size) & PC_CHAR_SPACE;
        at += (size_t)size;
        end = space && right ? end : at;
    }
    return pc_str_add(out, text + start, end - start);
}

static pc_status run_step(const pc_normal_step *step, const char *text, size_t length, pc_str *out)
{
    switch (step->kind) {
    case PC_NORMAL_FORM: return pc_normalize(out, text, length, step->form);
    case PC_NORMAL_LOWER: return pc_lowercase(out, text, length);
    case PC_NORMAL_STRIP: return strip(out, text, length, step->left, step->right);
    case PC_NORMAL_REPLACE: return pc_replace_all(out, text, length, &step->from, &step->to);
    case PC_NORMAL_PREPEND:
        if (length > 0) {
            PC_TRY(pc_str_add(out, step->to.text, step->to.length));
        }
        return pc_str_add(out, text, length);
    }
    return PC_OK;
}

pc_status pc_normalizer_run(const pc_normalizer *normalizer, const char *text, size_t length, pc_text_work *work,
                            const char **result, size_t *result_length)
{
    for (int i = 0; i < normalizer->count; i++) {
        pc_str *out = &work->normal[i & 1]; /* the step before wrote the other one */
        pc_str_reset(out);
        PC_TRY(run_step(&normalizer->steps[i], text, length, out));
        text = out->data ? out->data : "";
        length = out->length;
    }
    *result = text;
    *result_length = length;
    return PC_OK;
}

void pc_normalizer_clear(pc_normalizer *normalizer)
{
    for (int i = 0; i < normalizer->count; i++) {
        pc_free(normalizer->steps[i].from.text);
        pc_free(normalizer->steps[i].to.text);
    }
    *normalizer = (pc_normalizer){0};
}
