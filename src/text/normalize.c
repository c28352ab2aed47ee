/* Normalizer steps of tokenizer.json. */
#include "base/memory.h"
#include "text/pipeline.h"
#include "text/unicode_table.h"

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

pc_status pc_replace_matches(pc_str *out, const char *text, size_t length, const pc_regex *regex, const pc_step_text *to,
                             pc_text_work *work)
{
    pc_regex_scan scan;
    pc_regex_scan_init(&scan, regex, text, length);
    for (;;) {
        size_t start, end;
        bool match, more;
        PC_TRY(pc_regex_scan_next(&scan, work, &start, &end, &match, &more));
        if (!more) {
            return PC_OK;
        }
        PC_TRY(match ? pc_str_add(out, to->text, to->length) : pc_str_add(out, text + start, end - start));
    }
}

pc_status pc_pattern_read(pc_step_text *from, pc_regex **regex, const pc_json *json, const char *where)
{
    const pc_json *pattern = pc_json_get(json, "pattern"), *string = pc_json_get(pattern, "String");
    const char *expression = pc_json_get_text(pattern, "Regex", NULL);
    if (expression) {
        return pc_regex_new(regex, expression, where);
    }
    if (!pc_json_is_string(string) || pc_json_text_length(string) == 0) {
        return pc_fail(PC_ERR_DATA, "%s: step %.60s has no pattern", where, pc_json_get_text(json, "type", ""));
    }
    return pc_step_text_set(from, pc_json_text(string), pc_json_text_length(string));
}

static pc_status read_replace(pc_normal_step *step, const pc_json *json, const char *where)
{
    const pc_json *content = pc_json_get(json, "content");
    if (!pc_json_is_string(content)) {
        return pc_fail(PC_ERR_DATA, "%s: step Replace has no content", where);
    }
    PC_TRY(pc_pattern_read(&step->from, &step->regex, json, where));
    return pc_step_text_set(&step->to, pc_json_text(content), pc_json_text_length(content));
}

static void read_bert(pc_normal_step *step, const pc_json *json)
{
    step->clean = pc_json_get_bool(json, "clean_text", true);
    step->spread = pc_json_get_bool(json, "handle_chinese_chars", true);
    step->lower = pc_json_get_bool(json, "lowercase", true);
    step->accents = pc_json_get_bool(json, "strip_accents", step->lower); /* not said: with lower case */
}

/* Steps without properties. */
static const struct {
    const char *type;
    pc_normal_kind kind;
    pc_normal_form form;
} plain_steps[] = {
    {"NFC", PC_NORMAL_FORM, PC_NFC},       {"NFD", PC_NORMAL_FORM, PC_NFD},
    {"NFKC", PC_NORMAL_FORM, PC_NFKC},     {"NFKD", PC_NORMAL_FORM, PC_NFKD},
    {"Lowercase", PC_NORMAL_LOWER, 0},     {"StripAccents", PC_NORMAL_MARKS, 0},
    {"Nmt", PC_NORMAL_NMT, 0},             {"ByteLevel", PC_NORMAL_BYTES, 0},
};

static pc_status read_step(pc_normal_step *step, const pc_json *json, const char *type, const char *where)
{
    for (size_t i = 0; i < sizeof plain_steps / sizeof plain_steps[0]; i++) {
        if (strcmp(type, plain_steps[i].type) == 0) {
            *step = (pc_normal_step){.kind = plain_steps[i].kind, .form = plain_steps[i].form};
            return PC_OK;
        }
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
        return read_replace(step, json, where);
    }
    if (strcmp(type, "BertNormalizer") == 0) {
        step->kind = PC_NORMAL_BERT;
        read_bert(step, json);
        return PC_OK;
    }
    if (strcmp(type, "Precompiled") == 0) {
        const char *map;
        step->kind = PC_NORMAL_CHARSMAP;
        PC_TRY(pc_json_need_text(&map, json, "precompiled_charsmap", where));
        return pc_charsmap_read_base64(&step->charsmap, map, strlen(map), where);
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

/* CJK ideographs as BERT's reference lists them; one of its ranges begins at 2B920 where Unicode's begins at 2B820. */
static bool is_ideograph(unsigned c)
{
    return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x20000 && c <= 0x2a6df) ||
           (c >= 0x2a700 && c <= 0x2b81f) || (c >= 0x2b920 && c <= 0x2ceaf) || (c >= 0xf900 && c <= 0xfaff) ||
           (c >= 0x2f800 && c <= 0x2fa1f);
}

/* Step by step through characters; a malformed byte is a character of its own that no rule changes. */
typedef pc_status (*each_char)(const pc_normal_step *step, unsigned code_point, const char *text, size_t size, pc_str *out);

static pc_status map_chars(const pc_normal_step *step, const char *text, size_t length, each_char rule, pc_str *out)
{
    for (size_t at = 0; at < length;) {
        unsigned code_point;
        int size = pc_utf8_decode(text + at, length - at, &code_point);
        PC_TRY(size > 0 ? rule(step, code_point, text + at, (size_t)size, out) : pc_str_putc(out, text[at]));
        at += (size_t)(size > 0 ? size : 1);
    }
    return PC_OK;
}

static pc_status clean_char(const pc_normal_step *step, unsigned c, const char *text, size_t size, pc_str *out)
{
    bool space = pc_char_class_of(c) & PC_CHAR_SPACE;
    if (step->clean && (c < 128 ? (c < 32 && c != '\t' && c != '\n' && c != '\r') || c == 127
                                : pc_char_is(PC_CHAR_TABLE_CONTROL, c))) {
        return PC_OK;
    }
    if (step->clean && space) {
        return pc_str_putc(out, ' ');
    }
    if (step->spread && is_ideograph(c)) {
        PC_TRY(pc_str_putc(out, ' '));
        PC_TRY(pc_str_add(out, text, size));
        return pc_str_putc(out, ' ');
    }
    return pc_str_add(out, text, size);
}

static pc_status drop_accent(const pc_normal_step *step, unsigned c, const char *text, size_t size, pc_str *out)
{
    int table = step->kind == PC_NORMAL_BERT ? PC_CHAR_TABLE_ACCENT : PC_CHAR_TABLE_MARK;
    return c >= 128 && pc_char_is(table, c) ? PC_OK : pc_str_add(out, text, size);
}

/* The filter of SentencePiece's "nmt" rules. */
static pc_status nmt_char(const pc_normal_step *step, unsigned c, const char *text, size_t size, pc_str *out)
{
    (void)step;
    if ((c >= 1 && c <= 8) || c == 0x0b || (c >= 0x0e && c <= 0x1f) || c == 0x7f || c == 0x8f || c == 0x9f) {
        return PC_OK;
    }
    bool space = c == 9 || c == 0x0a || c == 0x0c || c == 0x0d || c == 0x1680 || (c >= 0x200b && c <= 0x200f) ||
                 c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xfeff || c == 0xfffd;
    return space ? pc_str_putc(out, ' ') : pc_str_add(out, text, size);
}

/* BertNormalizer: clean and spread, NFD without accents, lower case. */
static pc_status run_bert(const pc_normal_step *step, const char *text, size_t length, pc_str *out)
{
    pc_str one = {0}, two = {0};
    pc_status status;
    PC_GO(map_chars(step, text, length, clean_char, &one));
    if (step->accents) {
        PC_GO(pc_normalize(&two, one.data ? one.data : "", one.length, PC_NFD));
        pc_str_reset(&one);
        PC_GO(map_chars(step, two.data ? two.data : "", two.length, drop_accent, &one));
    }
    status = step->lower ? pc_lowercase(out, one.data ? one.data : "", one.length)
                         : pc_str_add(out, one.data ? one.data : "", one.length);
done:
    pc_str_clear(&one);
    pc_str_clear(&two);
    return status;
}

static pc_status add_byte_chars(const char *text, size_t length, pc_str *out)
{
    for (size_t i = 0; i < length; i++) {
        char bytes[4];
        PC_TRY(pc_str_add(out, bytes, (size_t)pc_utf8_encode(pc_byte_to_char((unsigned char)text[i]), bytes)));
    }
    return PC_OK;
}

static pc_status run_step(const pc_normal_step *step, const char *text, size_t length, pc_text_work *work, pc_str *out)
{
    switch (step->kind) {
    case PC_NORMAL_FORM: return pc_normalize(out, text, length, step->form);
    case PC_NORMAL_LOWER: return pc_lowercase(out, text, length);
    case PC_NORMAL_STRIP: return strip(out, text, length, step->left, step->right);
    case PC_NORMAL_REPLACE:
        return step->regex ? pc_replace_matches(out, text, length, step->regex, &step->to, work)
                           : pc_replace_all(out, text, length, &step->from, &step->to);
    case PC_NORMAL_MARKS: return map_chars(step, text, length, drop_accent, out);
    case PC_NORMAL_NMT: return map_chars(step, text, length, nmt_char, out);
    case PC_NORMAL_BERT: return run_bert(step, text, length, out);
    case PC_NORMAL_CHARSMAP: return pc_charsmap_graphemes(&step->charsmap, text, length, out);
    case PC_NORMAL_BYTES: return add_byte_chars(text, length, out);
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
        PC_TRY(run_step(&normalizer->steps[i], text, length, work, out));
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
        pc_regex_free(normalizer->steps[i].regex);
        pc_charsmap_clear(&normalizer->steps[i].charsmap);
    }
    *normalizer = (pc_normalizer){0};
}
