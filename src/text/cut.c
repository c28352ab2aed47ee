/* Pre-tokenizer steps of tokenizer.json. Each cuts (and may rewrite) the pieces that the step before gives; the words
 * that come out at the end go to the sink one by one. */
#include "base/memory.h"
#include "text/pipeline.h"
#include "text/unicode_table.h"

#include <string.h>

static pc_status set_text(pc_step_text *out, const char *text)
{
    return pc_step_text_set(out, text, strlen(text));
}

static pc_status read_byte_level(pc_cutter *out, const pc_json *json)
{
    pc_cut_step *step = &out->steps[out->count++];
    out->bytes = true;
    if (pc_json_get_bool(json, "use_regex", true)) {
        step->source = PC_CUT_SCANNER;
        step->next = pc_split_gpt2;
    }
    if (pc_json_get_bool(json, "add_prefix_space", true)) {
        step->rewrites = true;
        step->prefix = PC_PREFIX_ALWAYS;
        return set_text(&step->prefix_text, " ");
    }
    return PC_OK;
}

static pc_status read_metaspace(pc_cutter *out, const pc_json *json, const char *where)
{
    pc_cut_step *step = &out->steps[out->count++];
    const char *mark = pc_json_get_text(json, "replacement", "\xe2\x96\x81");
    const char *scheme = pc_json_get_text(json, "prepend_scheme", NULL);
    if (!scheme) {
        scheme = pc_json_get_bool(json, "add_prefix_space", true) ? "always" : "never";
    }
    step->rewrites = true;
    PC_TRY(set_text(&step->mark, mark));
    PC_TRY(set_text(&step->prefix_text, mark));
    if (pc_json_get_bool(json, "split", true)) {
        PC_TRY(set_text(&step->delimiter, mark));
        step->source = PC_CUT_STRING;
        step->behavior = PC_SPLIT_WITH_NEXT;
    }
    if (strcmp(scheme, "always") == 0) {
        step->prefix = PC_PREFIX_ALWAYS;
    } else if (strcmp(scheme, "first") == 0) {
        step->prefix = PC_PREFIX_FIRST;
    } else if (strcmp(scheme, "never") != 0) {
        return pc_fail(PC_ERR_DATA, "%s: Metaspace prepend_scheme \"%.40s\" is not first, always or never", where, scheme);
    }
    return PC_OK;
}

static pc_status read_behavior(pc_cut_step *step, const pc_json *json, const char *key_default, const char *where)
{
    static const char *const names[] = {[PC_SPLIT_ISOLATED] = "Isolated", [PC_SPLIT_REMOVED] = "Removed",
                                        [PC_SPLIT_WITH_PREVIOUS] = "MergedWithPrevious",
                                        [PC_SPLIT_WITH_NEXT] = "MergedWithNext", [PC_SPLIT_CONTIGUOUS] = "Contiguous"};
    const char *behavior = pc_json_get_text(json, "behavior", key_default);
    for (int i = 0; i <= PC_SPLIT_CONTIGUOUS; i++) {
        if (strcmp(names[i], behavior) == 0) {
            step->behavior = (pc_split_behavior)i;
            return PC_OK;
        }
    }
    return pc_fail(PC_ERR_DATA, "%s: pre-tokenizer with behavior \"%.30s\" is not supported", where, behavior);
}

static pc_status read_split(pc_cutter *out, const pc_json *json, const char *where)
{
    pc_cut_step *step = &out->steps[out->count++];
    const char *regex = pc_json_get_text(pc_json_get(json, "pattern"), "Regex", NULL);
    const pc_split_pattern *known = regex ? pc_split_find(regex) : NULL;
    PC_TRY(read_behavior(step, json, "", where));
    step->invert = pc_json_get_bool(json, "invert", false);
    /* A scanner without gaps gives matches alone; one with gaps serves where they are words as well. */
    if (known && (known->covers || (step->behavior == PC_SPLIT_ISOLATED && !step->invert))) {
        step->source = PC_CUT_SCANNER;
        step->next = known->next;
        return PC_OK;
    }
    PC_TRY(pc_pattern_read(&step->delimiter, &step->regex, json, where));
    step->source = step->regex ? PC_CUT_REGEX : PC_CUT_STRING;
    return PC_OK;
}

/* Punctuation, Whitespace, WhitespaceSplit, Digits, CharDelimiterSplit, FixedLength: *known = false for other types. */
static pc_status read_simple(pc_cutter *out, const pc_json *json, const char *type, const char *where, bool *known)
{
    pc_cut_step step = {.behavior = PC_SPLIT_REMOVED};
    *known = true;
    if (strcmp(type, "Whitespace") == 0) {
        step.source = PC_CUT_WORDS;
        step.invert = true;
    } else if (strcmp(type, "WhitespaceSplit") == 0) {
        step.source = PC_CUT_SPACES;
    } else if (strcmp(type, "Punctuation") == 0) {
        step.source = PC_CUT_MARKS;
        PC_TRY(read_behavior(&step, json, "Isolated", where));
    } else if (strcmp(type, "Digits") == 0) {
        step.source = PC_CUT_NUMBERS;
        step.behavior = pc_json_get_bool(json, "individual_digits", false) ? PC_SPLIT_ISOLATED : PC_SPLIT_CONTIGUOUS;
    } else if (strcmp(type, "CharDelimiterSplit") == 0) {
        const char *delimiter;
        PC_TRY(pc_json_need_text(&delimiter, json, "delimiter", where));
        step.source = PC_CUT_STRING;
        PC_TRY(set_text(&step.delimiter, delimiter));
    } else if (strcmp(type, "FixedLength") == 0) {
        int64_t length;
        PC_TRY(pc_json_need_integer(&length, json, "length", 1, INT32_MAX, where));
        step.source = PC_CUT_LENGTH;
        step.behavior = PC_SPLIT_ISOLATED;
        step.characters = (size_t)length;
    } else {
        *known = false;
        return PC_OK;
    }
    out->steps[out->count++] = step;
    return PC_OK;
}

static void add_bert(pc_cutter *out)
{
    out->steps[out->count++] = (pc_cut_step){.source = PC_CUT_SPACES, .behavior = PC_SPLIT_REMOVED};
    out->steps[out->count++] = (pc_cut_step){.source = PC_CUT_MARKS, .behavior = PC_SPLIT_ISOLATED};
}

static pc_status read_step(pc_cutter *out, const pc_json *json, const char *where, int depth)
{
    const char *type = pc_json_get_text(json, "type", NULL);
    if (!type) {
        return pc_fail(PC_ERR_DATA, "%s: pre-tokenizer without a \"type\"", where);
    }
    if (strcmp(type, "Sequence") == 0) {
        const pc_json *steps = pc_json_get(json, "pretokenizers");
        if (!pc_json_is_array(steps) || depth > PC_TEXT_STEPS) {
            return pc_fail(PC_ERR_DATA, "%s: pre-tokenizer Sequence without \"pretokenizers\", or too deep", where);
        }
        for (size_t i = 0; i < pc_json_length(steps); i++) {
            PC_TRY(read_step(out, pc_json_at(steps, i), where, depth + 1));
        }
        return PC_OK;
    }
    if (out->count >= PC_TEXT_STEPS - 1 || out->bytes) { /* BertPreTokenizer is two */
        return pc_fail(PC_ERR_DATA, "%s: pre-tokenizer step %.60s comes after ByteLevel or is one of more than %d", where, type,
                       PC_TEXT_STEPS - 1);
    }
    if (strcmp(type, "ByteLevel") == 0) {
        return read_byte_level(out, json);
    }
    if (strcmp(type, "Metaspace") == 0) {
        return read_metaspace(out, json, where);
    }
    if (strcmp(type, "Split") == 0) {
        return read_split(out, json, where);
    }
    if (strcmp(type, "BertPreTokenizer") == 0) {
        add_bert(out);
        return PC_OK;
    }
    bool known;
    PC_TRY(read_simple(out, json, type, where, &known));
    if (known) {
        return PC_OK;
    }
    return pc_fail(PC_ERR_DATA, "%s: pre-tokenizer step %.60s is not supported", where, type);
}

pc_status pc_cutter_read(pc_cutter *out, const pc_json *json, const char *where)
{
    if (!pc_json_is_null(json)) {
        PC_TRY(read_step(out, json, where, 0));
    }
    out->stable = true;
    for (int i = 1; i < out->count; i++) {
        out->stable = out->stable && !out->steps[i].rewrites; /* a later step uses its buffer once for each piece */
    }
    return PC_OK;
}

static bool begins_with(const char *text, size_t length, const pc_step_text *prefix)
{
    return length >= prefix->length && memcmp(text, prefix->text, prefix->length) == 0;
}

static pc_status rewrite(const pc_cut_step *step, const char *text, size_t length, bool start, pc_str *out)
{
    static const pc_step_text space = {(char *)" ", 1};
    pc_str_reset(out);
    /* A text that begins with a space gets its mark from that space. */
    bool marked = begins_with(text, length, &step->prefix_text) ||
                  (step->mark.length > 0 && length > 0 && text[0] == ' ');
    if (!marked && (step->prefix == PC_PREFIX_ALWAYS || (step->prefix == PC_PREFIX_FIRST && start))) {
        PC_TRY(pc_str_add(out, step->prefix_text.text, step->prefix_text.length));
    }
    return step->mark.length > 0 ? pc_replace_all(out, text, length, &space, &step->mark)
                                 : pc_str_add(out, text, length);
}

/* A part of a piece: a match, or what lies between two. */
typedef struct part {
    size_t start, end;
    bool match;
} part;

typedef struct cursor {
    const pc_cut_step *step;
    const char *text;
    size_t length, at;
    pc_regex_scan scan;
} cursor;

static bool is_cutting(pc_cut_source source, const char *text, size_t length, size_t at, int *size)
{
    unsigned class = pc_char_class(text, length, at, size);
    unsigned code_point = (unsigned char)text[at];
    if (source == PC_CUT_SPACES) {
        return class & PC_CHAR_SPACE;
    }
    if (code_point < 128) {
        return source == PC_CUT_NUMBERS ? (class & PC_CHAR_NUMBER) != 0
                                        : class == 0 && code_point > ' ' && code_point != 0x7f;
    }
    return pc_utf8_decode(text + at, length - at, &code_point) > 0 &&
           pc_char_is(source == PC_CUT_NUMBERS ? PC_CHAR_TABLE_NUMERIC : PC_CHAR_TABLE_PUNCTUATION, code_point);
}

static part next_by_char(const cursor *c)
{
    int size;
    part found = {c->at, c->at, is_cutting(c->step->source, c->text, c->length, c->at, &size)};
    do {
        found.end += (size_t)size;
    } while (!found.match && found.end < c->length && !is_cutting(c->step->source, c->text, c->length, found.end, &size));
    return found;
}

enum { BETWEEN, WORD, OTHER };

static int kind_of_char(const char *text, size_t length, size_t at, int *size)
{
    unsigned code_point = (unsigned char)text[at], class = pc_char_class(text, length, at, size);
    if (class & PC_CHAR_SPACE) {
        return BETWEEN;
    }
    if (code_point < 128) {
        return class || code_point == '_' ? WORD : OTHER;
    }
    return pc_utf8_decode(text + at, length - at, &code_point) > 0 && pc_char_is(PC_CHAR_TABLE_WORD, code_point) ? WORD : OTHER;
}

static part next_word(const cursor *c)
{
    int size, kind = kind_of_char(c->text, c->length, c->at, &size);
    part found = {c->at, c->at, kind != BETWEEN};
    do {
        found.end += (size_t)size;
    } while (found.end < c->length && kind_of_char(c->text, c->length, found.end, &size) == kind);
    return found;
}

static part next_by_string(const cursor *c)
{
    const pc_step_text *cut = &c->step->delimiter;
    if (begins_with(c->text + c->at, c->length - c->at, cut)) {
        return (part){c->at, c->at + cut->length, true};
    }
    const char *found = memmem(c->text + c->at, c->length - c->at, cut->text, cut->length);
    return (part){c->at, found ? (size_t)(found - c->text) : c->length, false};
}

static part next_by_length(const cursor *c)
{
    part found = {c->at, c->at, true};
    for (size_t i = 0; i < c->step->characters && found.end < c->length; i++) {
        found.end += (size_t)pc_char_size(c->text, c->length, found.end);
    }
    return found;
}

static pc_status next_part(cursor *c, pc_text_work *work, part *out, bool *more)
{
    const pc_cut_step *step = c->step;
    *more = c->at < c->length;
    if (step->source == PC_CUT_REGEX) {
        PC_TRY(pc_regex_scan_next(&c->scan, work, &out->start, &out->end, &out->match, more));
    } else if (*more) {
        switch (step->source) {
        case PC_CUT_SCANNER: *out = (part){c->at, step->next(c->text, c->length, c->at), true}; break;
        case PC_CUT_STRING: *out = next_by_string(c); break;
        case PC_CUT_WORDS: *out = next_word(c); break;
        case PC_CUT_LENGTH: *out = next_by_length(c); break;
        case PC_CUT_NOT: *out = (part){c->at, c->length, true}; break;
        default: *out = next_by_char(c);
        }
    }
    out->match = out->match != step->invert;
    c->at = *more ? out->end : c->at;
    return PC_OK;
}

/* Does a part join the one before it into one piece? */
static bool joins(pc_split_behavior behavior, const part *before, const part *after)
{
    switch (behavior) {
    case PC_SPLIT_WITH_PREVIOUS: return !before->match && after->match;
    case PC_SPLIT_WITH_NEXT: return before->match && !after->match;
    case PC_SPLIT_CONTIGUOUS: return before->match == after->match;
    default: return false;
    }
}

typedef struct cutting {
    const pc_cutter *cutter;
    pc_text_work *work;
    pc_word_sink sink;
    void *context;
} cutting;

static pc_status cut(const cutting *run, int index, const char *text, size_t length, bool start);

/* Hand on the pieces of a text that a step cuts. */
static pc_status cut_parts(const cutting *run, int index, const char *text, size_t length, bool start)
{
    const pc_cut_step *step = &run->cutter->steps[index];
    cursor c = {.step = step, .text = text, .length = length};
    part piece, after;
    bool more;
    if (step->source == PC_CUT_REGEX) {
        pc_regex_scan_init(&c.scan, step->regex, text, length);
    }
    PC_TRY(next_part(&c, run->work, &after, &more));
    while (more) {
        piece = after;
        PC_TRY(next_part(&c, run->work, &after, &more));
        while (more && joins(step->behavior, &piece, &after)) {
            bool one = step->behavior != PC_SPLIT_CONTIGUOUS;
            piece.end = after.end;
            PC_TRY(next_part(&c, run->work, &after, &more));
            if (one) {
                break;
            }
        }
        if (piece.end > piece.start && !(step->behavior == PC_SPLIT_REMOVED && piece.match)) {
            PC_TRY(cut(run, index + 1, text + piece.start, piece.end - piece.start, start && piece.start == 0));
        }
    }
    return PC_OK;
}

/* Depth is at most PC_TEXT_STEPS. */
static pc_status cut(const cutting *run, int index, const char *text, size_t length, bool start)
{
    if (index == run->cutter->count) {
        return length > 0 ? run->sink(run->context, text, length) : PC_OK;
    }
    const pc_cut_step *step = &run->cutter->steps[index];
    if (step->rewrites) {
        pc_str *out = &run->work->pieces[index];
        PC_TRY(rewrite(step, text, length, start, out));
        text = out->data;
        length = out->length;
    }
    bool every = step->source == PC_CUT_SCANNER && (step->behavior == PC_SPLIT_ISOLATED ||
                                                    (step->behavior == PC_SPLIT_REMOVED && step->invert));
    if (!every) {
        return cut_parts(run, index, text, length, start);
    }
    for (size_t at = 0, end; at < length; at = end) {
        end = step->next(text, length, at);
        PC_TRY(cut(run, index + 1, text + at, end - at, start && at == 0));
    }
    return PC_OK;
}

pc_status pc_cutter_run(const pc_cutter *cutter, const char *text, size_t length, bool start, pc_text_work *work,
                        pc_word_sink sink, void *context)
{
    cutting run = {cutter, work, sink, context};
    return length > 0 ? cut(&run, 0, text, length, start) : PC_OK;
}

void pc_cutter_clear(pc_cutter *cutter)
{
    for (int i = 0; i < cutter->count; i++) {
        pc_free(cutter->steps[i].prefix_text.text);
        pc_free(cutter->steps[i].mark.text);
        pc_free(cutter->steps[i].delimiter.text);
        pc_regex_free(cutter->steps[i].regex);
    }
    *cutter = (pc_cutter){0};
}
