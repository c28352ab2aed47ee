/* Pre-tokenizer steps of tokenizer.json. Each cuts (and may rewrite) the pieces that the step before gives; the words
 * that come out at the end go to the sink one by one. */
#include "base/memory.h"
#include "text/pipeline.h"

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

static pc_status read_split(pc_cutter *out, const pc_json *json, const char *where)
{
    pc_cut_step *step = &out->steps[out->count++];
    const pc_json *pattern = pc_json_get(json, "pattern");
    const char *regex = pc_json_get_text(pattern, "Regex", NULL);
    const char *string = pc_json_get_text(pattern, "String", NULL);
    const char *behavior = pc_json_get_text(json, "behavior", "");
    bool invert = pc_json_get_bool(json, "invert", false);
    if (regex) {
        const pc_split_pattern *known = pc_split_find(regex);
        /* The scanners cut without gaps, so that removing what lies between matches is the same as isolating. */
        bool isolated = !invert && strcmp(behavior, "Isolated") == 0;
        bool gapless = known && known->covers && invert && strcmp(behavior, "Removed") == 0;
        if (!known || !(isolated || gapless)) {
            return pc_fail(PC_ERR_DATA, "%s: pre-tokenizer Split with behavior %.30s and the pattern %.300s is not supported",
                           where, behavior, regex);
        }
        step->next = known->next;
        return PC_OK;
    }
    static const char *const names[] = {[PC_SPLIT_ISOLATED] = "Isolated", [PC_SPLIT_REMOVED] = "Removed",
                                        [PC_SPLIT_WITH_PREVIOUS] = "MergedWithPrevious",
                                        [PC_SPLIT_WITH_NEXT] = "MergedWithNext"};
    for (int i = 0; string && string[0] && !invert && i < 4; i++) {
        if (strcmp(names[i], behavior) == 0) {
            step->behavior = (pc_string_split)i;
            return set_text(&step->delimiter, string);
        }
    }
    return pc_fail(PC_ERR_DATA, "%s: pre-tokenizer Split with behavior %.30s is not supported", where, behavior);
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
    if (out->count == PC_TEXT_STEPS || out->bytes) {
        return pc_fail(PC_ERR_DATA, "%s: pre-tokenizer step %.60s comes after ByteLevel or is one of more than %d", where, type,
                       PC_TEXT_STEPS);
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
    if (strcmp(type, "Digits") == 0) {
        bool each = pc_json_get_bool(json, "individual_digits", false);
        out->steps[out->count++].next = each ? pc_split_each_digit : pc_split_digit_runs;
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

/* The piece that begins at `at` when a string cuts; *keep: false when the string itself is removed. */
static size_t next_by_string(const pc_cut_step *step, const char *text, size_t length, size_t at, bool *keep)
{
    const pc_step_text *cut = &step->delimiter;
    *keep = true;
    if (cut->length == 0) {
        return length;
    }
    bool here = begins_with(text + at, length - at, cut);
    if (here && (step->behavior == PC_SPLIT_ISOLATED || step->behavior == PC_SPLIT_REMOVED)) {
        *keep = step->behavior == PC_SPLIT_ISOLATED;
        return at + cut->length;
    }
    size_t from = at + (here && step->behavior == PC_SPLIT_WITH_NEXT ? cut->length : 0);
    const char *found = memmem(text + from, length - from, cut->text, cut->length);
    if (!found) {
        return length;
    }
    return (size_t)(found - text) + (step->behavior == PC_SPLIT_WITH_PREVIOUS ? cut->length : 0);
}

typedef struct cutting {
    const pc_cutter *cutter;
    pc_text_work *work;
    pc_word_sink sink;
    void *context;
} cutting;

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
    for (size_t at = 0; at < length;) {
        bool keep = true;
        size_t end = step->next ? step->next(text, length, at) : next_by_string(step, text, length, at, &keep);
        if (keep) {
            PC_TRY(cut(run, index + 1, text + at, end - at, start && at == 0));
        }
        at = end;
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
    }
    *cutter = (pc_cutter){0};
}
