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

static pc_status add_replace(pc_piece_decoder *out, const char *from, const char *to, const char *where)
{
    if (!from || !from[0] || !to || out->replaces == 4) {
        return pc_fail(PC_ERR_DATA, "%s: decoder Replace is supported with a string as pattern, at most 4 times", where);
    }
    int index = out->replaces++;
    PC_TRY(set_text(&out->from[index], from));
    return set_text(&out->to[index], to);
}

static pc_status read_metaspace(pc_piece_decoder *out, const pc_json *json, const char *where)
{
    const char *mark = pc_json_get_text(json, "replacement", "\xe2\x96\x81");
    const char *scheme = pc_json_get_text(json, "prepend_scheme", "always");
    if (strcmp(scheme, "never") != 0 && pc_json_get_bool(json, "add_prefix_space", true)) {
        PC_TRY(set_text(&out->drop_first, mark));
    }
    return add_replace(out, mark, " ", where);
}

/* Strip is supported where LLaMA has it: behind Fuse, at the start of the whole text, once. */
static pc_status read_strip(pc_piece_decoder *out, const pc_json *json, bool fused, const char *where)
{
    int64_t start = pc_json_get_integer(json, "start", 0), stop = pc_json_get_integer(json, "stop", 0);
    const char *content = pc_json_get_text(json, "content", "");
    if (!fused || start < 0 || start > 1 || stop != 0 || !content[0]) {
        return pc_fail(PC_ERR_DATA, "%s: decoder Strip is supported after Fuse with start 1 and stop 0", where);
    }
    return start == 1 ? set_text(&out->strip, content) : PC_OK;
}

static pc_status read_step(pc_piece_decoder *out, const pc_json *json, const char *where, int depth, bool *fused)
{
    const char *type = pc_json_get_text(json, "type", "");
    if (strcmp(type, "Sequence") == 0 && depth < PC_TEXT_STEPS) {
        const pc_json *steps = pc_json_get(json, "decoders");
        for (size_t i = 0; i < pc_json_length(steps); i++) {
            PC_TRY(read_step(out, pc_json_at(steps, i), where, depth + 1, fused));
        }
        return PC_OK;
    }
    if (strcmp(type, "ByteLevel") == 0) {
        out->bytes = true;
        return PC_OK;
    }
    if (strcmp(type, "ByteFallback") == 0) {
        out->byte_tokens = true;
        return PC_OK;
    }
    if (strcmp(type, "Fuse") == 0) {
        *fused = true;
        return PC_OK;
    }
    if (strcmp(type, "Metaspace") == 0) {
        return read_metaspace(out, json, where);
    }
    if (strcmp(type, "Replace") == 0) {
        return add_replace(out, pc_json_get_text(pc_json_get(json, "pattern"), "String", NULL),
                           pc_json_get_text(json, "content", NULL), where);
    }
    if (strcmp(type, "Strip") == 0) {
        return read_strip(out, json, *fused, where);
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
static pc_status replace_tail(pc_str *out, size_t mark, const pc_step_text *from, const pc_step_text *to)
{
    if (!memmem(out->data + mark, out->length - mark, from->text, from->length)) {
        return PC_OK;
    }
    pc_str fixed = {0};
    pc_status status = pc_replace_all(&fixed, out->data + mark, out->length - mark, from, to);
    if (status == PC_OK) {
        out->length = mark;
        status = pc_str_add(out, fixed.data ? fixed.data : "", fixed.length);
    }
    pc_str_clear(&fixed);
    return status;
}

pc_status pc_piece_decoder_run(const pc_piece_decoder *decoder, const char *token, size_t length, bool begun, pc_str *out)
{
    static const pc_step_text nothing = {(char *)"", 0};
    if (decoder->spaced && begun) {
        PC_TRY(pc_str_putc(out, ' '));
    }
    size_t mark = out->length;
    int byte = decoder->byte_tokens ? pc_byte_token(token, length) : -1;
    if (byte >= 0) {
        PC_TRY(pc_str_putc(out, (char)byte));
    } else if (decoder->bytes) {
        return add_bytes(token, length, out);
    } else {
        PC_TRY(pc_str_add(out, token, length));
        if (!out->data || out->length == mark) {
            return PC_OK;
        }
        if (!begun && decoder->drop_first.length > 0) {
            PC_TRY(replace_tail(out, mark, &decoder->drop_first, &nothing));
        }
        for (int i = 0; i < decoder->replaces; i++) {
            PC_TRY(replace_tail(out, mark, &decoder->from[i], &decoder->to[i]));
        }
    }
    size_t strip = decoder->strip.length;
    if (!begun && strip > 0 && out->length - mark >= strip && memcmp(out->data + mark, decoder->strip.text, strip) == 0) {
        memmove(out->data + mark, out->data + mark + strip, out->length - mark - strip + 1);
        out->length -= strip;
    }
    return PC_OK;
}

void pc_piece_decoder_clear(pc_piece_decoder *decoder)
{
    for (int i = 0; i < decoder->replaces; i++) {
        pc_free(decoder->from[i].text);
        pc_free(decoder->to[i].text);
    }
    pc_free(decoder->drop_first.text);
    pc_free(decoder->strip.text);
    *decoder = (pc_piece_decoder){0};
}
