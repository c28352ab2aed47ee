/* Decoder steps of tokenizer.json: how the strings of tokens become text, token by token. */
#include "base/memory.h"
#include "text/pipeline.h"

#include <string.h>

int pc_byte_token(const char *text, size_t length)
{
    if (length != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>') {
        return -1;
    }
    int value = 0;
    for (int i = 3; i < 5; i++) {
        char c = text[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

static pc_status set_text(pc_step_text *out, const char *text)
{
    return pc_step_text_set(out, text, strlen(text));
}

void pc_byte_token_ids(const pc_vocab *vocab, int32_t ids[256])
{
    static const char digits[] = "0123456789ABCDEF";
    for (int byte = 0; byte < 256; byte++) {
        char name[] = {'<', '0', 'x', digits[byte >> 4], digits[byte & 15], '>'};
        ids[byte] = pc_vocab_find_model(vocab, name, sizeof name);
    }
}

/* Room for a step; its strings are empty, not NULL. */
static pc_status add_step(pc_piece_decoder *out, pc_piece_kind kind, const char *from, pc_piece_step **step, const char *where)
{
    if (out->count == PC_TEXT_STEPS) {
        return pc_fail(PC_ERR_DATA, "%s: more than %d decoder steps", where, PC_TEXT_STEPS);
    }
    *step = &out->steps[out->count++];
    (*step)->kind = kind;
    PC_TRY(set_text(&(*step)->from, from));
    return set_text(&(*step)->to, "");
}

static pc_status read_metaspace(pc_piece_decoder *out, const pc_json *json, const char *where)
{
    const char *mark = pc_json_get_text(json, "replacement", "\xe2\x96\x81");
    const char *scheme = pc_json_get_text(json, "prepend_scheme", "always");
    pc_piece_step *step = NULL;
    if (!mark[0]) {
        return pc_fail(PC_ERR_DATA, "%s: decoder Metaspace without a replacement", where);
    }
    if (strcmp(scheme, "never") != 0 && pc_json_get_bool(json, "add_prefix_space", true)) {
        PC_TRY(add_step(out, PC_PIECE_DROP, mark, &step, where));
    }
    PC_TRY(add_step(out, PC_PIECE_REPLACE, mark, &step, where));
    return set_text(&step->to, " ");
}

static pc_status read_replace(pc_piece_decoder *out, const pc_json *json, bool fused, const char *where)
{
    pc_piece_step *step = NULL;
    const char *content = pc_json_get_text(json, "content", NULL);
    PC_TRY(add_step(out, PC_PIECE_REPLACE, "", &step, where));
    PC_TRY(pc_pattern_read(&step->from, &step->regex, json, where));
    bool one = step->from.length == (size_t)pc_char_size(step->from.text, step->from.length + 1, 0);
    if (!content || (fused && (step->regex || !one))) {
        return pc_fail(PC_ERR_DATA, "%s: decoder Replace is supported with a content, and behind Fuse for one character", where);
    }
    return set_text(&step->to, content);
}

/* Strip of the whole text, behind Fuse, can't know the end. */
static pc_status read_strip(pc_piece_decoder *out, const pc_json *json, bool fused, const char *where)
{
    pc_piece_step *step = NULL;
    const char *content = pc_json_get_text(json, "content", "");
    int64_t start = pc_json_get_integer(json, "start", 0), stop = pc_json_get_integer(json, "stop", 0);
    if (start < 0 || stop < 0 || !content[0] || (fused && (start > 1 || stop != 0))) {
        return pc_fail(PC_ERR_DATA, "%s: decoder Strip behind Fuse is supported with start 1 and stop 0", where);
    }
    PC_TRY(add_step(out, fused ? PC_PIECE_STRIP_TEXT : PC_PIECE_STRIP, content, &step, where));
    step->left = start;
    step->right = stop;
    return PC_OK;
}

static pc_status read_wordpiece(pc_piece_decoder *out, const pc_json *json, const char *where)
{
    pc_piece_step *step = NULL;
    PC_TRY(add_step(out, PC_PIECE_CONTINUE, pc_json_get_text(json, "prefix", "##"), &step, where));
    return pc_json_get_bool(json, "cleanup", true) ? add_step(out, PC_PIECE_CLEAN, "", &step, where) : PC_OK;
}

static pc_status read_word_end(pc_piece_decoder *out, const pc_json *json, const char *where)
{
    pc_piece_step *step = NULL;
    const char *suffix = pc_json_get_text(json, "suffix", "</w>");
    return suffix[0] ? add_step(out, PC_PIECE_WORD_END, suffix, &step, where)
                     : pc_fail(PC_ERR_DATA, "%s: BPEDecoder without a suffix", where);
}

static pc_status read_step(pc_piece_decoder *out, const pc_json *json, const char *where, int depth, bool *fused)
{
    const char *type = pc_json_get_text(json, "type", "");
    pc_piece_step *step = NULL;
    if (strcmp(type, "Sequence") == 0 && depth < PC_TEXT_STEPS) {
        const pc_json *steps = pc_json_get(json, "decoders");
        for (size_t i = 0; i < pc_json_length(steps); i++) {
            PC_TRY(read_step(out, pc_json_at(steps, i), where, depth + 1, fused));
        }
        return PC_OK;
    }
    if (strcmp(type, "Fuse") == 0) {
        *fused = true;
        return PC_OK;
    }
    if (strcmp(type, "Replace") == 0 && !out->bytes) {
        return read_replace(out, json, *fused, where);
    }
    if (strcmp(type, "Strip") == 0 && !out->bytes) {
        return read_strip(out, json, *fused, where);
    }
    /* The others look at tokens, which behind ByteLevel and Fuse are one. */
    if (*fused || out->bytes) {
        return pc_fail(PC_ERR_DATA, "%s: decoder step \"%.60s\" behind ByteLevel or Fuse is not supported", where, type);
    }
    if (strcmp(type, "ByteLevel") == 0 && out->count == 0) {
        out->bytes = true;
        return PC_OK;
    }
    if (strcmp(type, "ByteFallback") == 0) {
        return add_step(out, PC_PIECE_BYTE, "", &step, where);
    }
    if (strcmp(type, "Metaspace") == 0) {
        return read_metaspace(out, json, where);
    }
    if (strcmp(type, "WordPiece") == 0) {
        return read_wordpiece(out, json, where);
    }
    if (strcmp(type, "BPEDecoder") == 0) {
        return read_word_end(out, json, where);
    }
    return pc_fail(PC_ERR_DATA, "%s: decoder step \"%.60s\" is not supported", where, type);
}

pc_status pc_piece_decoder_read(pc_piece_decoder *out, const pc_json *json, const char *where)
{
    bool fused = false;
    if (pc_json_is_null(json)) {
        out->spaced = true;
        return PC_OK;
    }
    return read_step(out, json, where, 0, &fused);
}

/* Characters that stand for bytes -> bytes; a token with any other character is taken as it is. */
static pc_status add_bytes(const char *token, size_t length, pc_str *out)
{
    size_t mark = out->length;
    for (size_t at = 0; at < length;) {
        unsigned code_point;
        int size = pc_utf8_decode(token + at, length - at, &code_point);
        int byte = size > 0 ? pc_byte_from_char(code_point) : -1;
        if (byte < 0) {
            out->length = mark;
            return pc_str_add(out, token, length);
        }
        PC_TRY(pc_str_putc(out, (char)byte));
        at += (size_t)size;
    }
    return PC_OK;
}

/* Replace within out[mark..). */
static pc_status replace_tail(pc_str *out, size_t mark, const pc_piece_step *step)
{
    if (!step->regex && !memmem(out->data + mark, out->length - mark, step->from.text, step->from.length)) {
        return PC_OK;
    }
    pc_str fixed = {0};
    pc_text_work work = {0};
    pc_status status;
    PC_GO(step->regex ? pc_replace_matches(&fixed, out->data + mark, out->length - mark, step->regex, &step->to, &work)
                      : pc_replace_all(&fixed, out->data + mark, out->length - mark, &step->from, &step->to));
    out->length = mark;
    PC_GO(pc_str_add(out, fixed.data ? fixed.data : "", fixed.length));
done:
    pc_str_clear(&fixed);
    pc_text_work_clear(&work);
    return status;
}

static bool ends_with(const pc_step_text *text, const pc_step_text *end)
{
    return text->length >= end->length && memcmp(text->text + text->length - end->length, end->text, end->length) == 0;
}

static void remove_bytes(pc_str *out, size_t at, size_t count)
{
    memmove(out->data + at, out->data + at + count, out->length - at - count + 1);
    out->length -= count;
}

static void strip_token(pc_str *out, size_t mark, const pc_piece_step *step)
{
    const pc_step_text *what = &step->from;
    for (int64_t i = 0; i < step->left && out->length - mark >= what->length &&
                        memcmp(out->data + mark, what->text, what->length) == 0; i++) {
        remove_bytes(out, mark, what->length);
    }
    for (int64_t i = 0; i < step->right && out->length - mark >= what->length &&
                        memcmp(out->data + out->length - what->length, what->text, what->length) == 0; i++) {
        remove_bytes(out, out->length - what->length, what->length);
    }
}

/* WordPiece's clean-up of English: the spaces before these go. */
static pc_status clean(pc_str *out, size_t mark)
{
    static const char *const rules[][2] = {{" .", "."},    {" ?", "?"},    {" !", "!"},    {" ,", ","},
                                           {" ' ", "'"},   {" n't", "n't"}, {" 'm", "'m"},  {" do not", " don't"},
                                           {" 's", "'s"},  {" 've", "'ve"}, {" 're", "'re"}};
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        const pc_piece_step step = {.from = {(char *)rules[i][0], strlen(rules[i][0])},
                                    .to = {(char *)rules[i][1], strlen(rules[i][1])}};
        PC_TRY(replace_tail(out, mark, &step));
    }
    return PC_OK;
}

static pc_status run_step(const pc_piece_step *step, const pc_step_text *before, bool begun, size_t mark, pc_str *out)
{
    size_t length = out->length - mark;
    switch (step->kind) {
    case PC_PIECE_REPLACE: return replace_tail(out, mark, step);
    case PC_PIECE_DROP: return begun ? PC_OK : replace_tail(out, mark, step);
    case PC_PIECE_STRIP: strip_token(out, mark, step); return PC_OK;
    case PC_PIECE_STRIP_TEXT:
        if (!begun) {
            strip_token(out, mark, step);
        }
        return PC_OK;
    case PC_PIECE_CLEAN: return clean(out, mark);
    case PC_PIECE_CONTINUE:
        if (begun && length >= step->from.length && memcmp(out->data + mark, step->from.text, step->from.length) == 0) {
            remove_bytes(out, mark, step->from.length);
        } else if (begun) {
            PC_TRY(pc_str_putc(out, ' '));
            memmove(out->data + mark + 1, out->data + mark, length);
            out->data[mark] = ' ';
        }
        return PC_OK;
    case PC_PIECE_WORD_END:
        PC_TRY(replace_tail(out, mark, step));
        if (begun && ends_with(before, &step->from)) {
            PC_TRY(pc_str_putc(out, ' '));
            memmove(out->data + mark + 1, out->data + mark, out->length - 1 - mark);
            out->data[mark] = ' ';
        }
        return PC_OK;
    default: return PC_OK;
    }
}

/* Behind ByteLevel: what ends a word is a space before the next one. */
static pc_status run_bytes(const pc_piece_decoder *decoder, const char *token, size_t length, const pc_step_text *before,
                           bool begun, pc_str *out)
{
    const pc_step_text *end = &decoder->word_end;
    if (end->length > 0 && begun && before->length > 0 && ends_with(before, end)) {
        PC_TRY(pc_str_putc(out, ' '));
    }
    bool word = end->length > 0 && ends_with(&(pc_step_text){(char *)token, length}, end);
    return add_bytes(token, length - (word ? end->length : 0), out);
}

pc_status pc_piece_decoder_run(const pc_piece_decoder *decoder, const char *token, size_t length,
                               const pc_step_text *before, bool begun, pc_str *out)
{
    if (decoder->bytes) {
        return run_bytes(decoder, token, length, before, begun, out);
    }
    if (decoder->spaced && begun) {
        PC_TRY(pc_str_putc(out, ' '));
    }
    size_t mark = out->length;
    int byte = pc_byte_token(token, length);
    PC_TRY(pc_str_add(out, token, length));
    for (int i = 0; i < decoder->count && out->length > mark; i++) {
        const pc_piece_step *step = &decoder->steps[i];
        if (step->kind == PC_PIECE_BYTE && byte >= 0) {
            out->length = mark;
            PC_TRY(pc_str_putc(out, (char)byte));
        } else {
            PC_TRY(run_step(step, before, begun, mark, out));
        }
    }
    return PC_OK;
}

void pc_piece_decoder_clear(pc_piece_decoder *decoder)
{
    for (int i = 0; i < decoder->count; i++) {
        pc_free(decoder->steps[i].from.text);
        pc_free(decoder->steps[i].to.text);
        pc_regex_free(decoder->steps[i].regex);
    }
    pc_free(decoder->word_end.text);
    *decoder = (pc_piece_decoder){0};
}
