/* The canonical form of a chat template's Jinja text, so that two texts that differ only in ways
 * that Jinja does not see compare equal. Jinja is not executed here.
 *
 * Source: Jinja 3 template designer documentation, "Whitespace Control", with trim_blocks and
 * lstrip_blocks on, as Hugging Face's chat templates are compiled:
 *   - a block tag or comment alone at the start of a line swallows the blanks before it, unless
 *     written {%+;
 *   - the first line feed behind a block tag or comment is swallowed, unless written +%};
 *   - "-" inside a tag swallows all white space on its side;
 *   - one line feed at the end of the template is dropped.
 *
 * Easy to get wrong: {{ }} takes no part in the first two rules; "line start" also means right
 * behind a swallowed line feed; a real line feed inside a quoted string is the same character as
 * the escape \n.
 */
#include "prompt/template.h"

#include "base/file.h"

#include <string.h>

typedef struct scanner {
    const char *text;
    size_t length;
    size_t at;
    bool line_start; /* what comes next stands at the start of a line */
    pc_str *out;
} scanner;

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool opens_tag(const scanner *s, size_t i)
{
    return i + 1 < s->length && s->text[i] == '{' && (s->text[i + 1] == '%' ||
                                                      s->text[i + 1] == '{' ||
                                                      s->text[i + 1] == '#');
}

/* Offset of the first byte behind a quoted string that begins at i, or `end` when it is not closed.
 */
static size_t string_end(const char *text, size_t i, size_t end)
{
    char quote = text[i];
    for (i++; i < end; i++) {
        if (text[i] == '\\') {
            i++;
        } else if (text[i] == quote) {
            return i + 1;
        }
    }
    return end;
}

/* Offset of the closing "%}", "}}" or "#}" of the tag opened at i, or length when there is none. */
static size_t tag_close(const scanner *s, size_t i)
{
    char mark = s->text[i + 1] == '{' ? '}' : s->text[i + 1];
    for (i += 2; i + 1 < s->length; i++) {
        if (mark != '#' && (s->text[i] == '\'' || s->text[i] == '"')) {
            i = string_end(s->text, i, s->length) - 1;
        } else if (s->text[i] == mark && s->text[i + 1] == '}') {
            return i;
        }
    }
    return s->length;
}

/* A quoted string in single quotes where its content allows, line feeds and tabs as escapes. */
static pc_status put_string(pc_str *out, const char *text, size_t begin, size_t end)
{
    bool to_single = text[begin] == '"' && text[end - 1] == '"';
    for (size_t i = begin + 1; i + 1 < end; i++) {
        to_single = to_single && text[i] != '\'' && !(text[i] == '\\' && text[i + 1] == '"');
    }
    for (size_t i = begin; i < end; i++) {
        bool edge = i == begin || i + 1 == end;
        if (edge && to_single) {
            PC_TRY(pc_str_putc(out, '\''));
        } else if (text[i] == '\n') {
            PC_TRY(pc_str_puts(out, "\\n"));
        } else if (text[i] == '\t') {
            PC_TRY(pc_str_puts(out, "\\t"));
        } else {
            PC_TRY(pc_str_putc(out, text[i]));
        }
    }
    return PC_OK;
}

/* For a subscript ['name'] at i: the length of name, with *name its offset and *end the offset
 * behind "]"; else 0. */
static size_t subscript(const char *text, size_t i, size_t limit, size_t *name, size_t *end)
{
    size_t at = i + 1;
    while (at < limit && is_space(text[at])) {
        at++;
    }
    if (at >= limit || (text[at] != '\'' && text[at] != '"')) {
        return 0;
    }
    size_t close = string_end(text, at, limit);
    *name = at + 1;
    size_t length = close - at >= 2 ? close - at - 2 : 0;
    for (size_t k = 0; k < length; k++) {
        if (!is_word(text[*name + k])) {
            return 0;
        }
    }
    at = close;
    while (at < limit && is_space(text[at])) {
        at++;
    }
    if (length == 0 || at >= limit || text[at] != ']' ||
        (text[*name] >= '0' && text[*name] <= '9')) {
        return 0;
    }
    *end = at + 1;
    return length;
}

/* The inside of a tag, text[i..end): one blank where two words would run together, none elsewhere.
 */
static pc_status put_code(pc_str *out, const char *text, size_t i, size_t end)
{
    char last = 0; /* last byte put in this tag */
    bool gap = false;
    while (i < end) {
        char c = text[i];
        size_t name;
        size_t behind;
        size_t name_length;
        if (is_space(c)) {
            gap = true;
            i++;
            continue;
        }
        if (c == '\'' || c == '"') {
            behind = string_end(text, i, end);
            PC_TRY(put_string(out, text, i, behind));
            last = '\'';
            i = behind;
        } else if (c == '[' && (is_word(last) || last == ']' || last == ')') && !gap &&
                   (name_length = subscript(text, i, end, &name, &behind)) > 0) {
            PC_TRY(pc_str_putc(out, '.'));
            PC_TRY(pc_str_add(out, text + name, name_length));
            last = 'x';
            i = behind;
        } else {
            if (gap && is_word(c) && is_word(last)) {
                PC_TRY(pc_str_putc(out, ' '));
            }
            PC_TRY(pc_str_putc(out, c));
            last = c;
            i++;
        }
        gap = false;
    }
    return PC_OK;
}

static bool is_generation(const char *code, size_t length)
{
    return (length == 10 && memcmp(code, "generation", 10) == 0) ||
           (length == 13 && memcmp(code, "endgeneration", 13) == 0);
}

/* Literal text up to the next tag, whose left side decides what its end loses. */
static pc_status put_literal(scanner *s, size_t tag)
{
    size_t end = tag;
    if (tag < s->length) {
        char mark = s->text[tag + 1];
        char control = tag + 2 < s->length ? s->text[tag + 2] : 0;
        if (control == '-') {
            while (end > s->at && is_space(s->text[end - 1])) {
                end--;
            }
        } else if (mark != '{' && control != '+') {
            size_t blank = end;
            while (blank > s->at && (s->text[blank - 1] == ' ' || s->text[blank - 1] == '\t')) {
                blank--;
            }
            bool at_line = blank == s->at ? s->line_start : s->text[blank - 1] == '\n';
            end = at_line ? blank : end;
        }
    } else if (end > s->at && s->text[end - 1] == '\n') {
        end--;
    }
    return pc_str_add(s->out, s->text + s->at, end - s->at);
}

/* The tag at s->at; moves behind it and behind what its right side swallows. */
static pc_status put_tag(scanner *s)
{
    size_t close = tag_close(s, s->at);
    char mark = s->text[s->at + 1];
    size_t begin = s->at + 2;
    size_t end = close;
    if (close >= s->length) { /* never closed: keep it as it is */
        begin = s->at;
        s->at = s->length;
        return pc_str_add(s->out, s->text + begin, s->length - begin);
    }
    char control = end > begin ? s->text[end - 1] : 0;
    if (begin < end && (s->text[begin] == '-' || s->text[begin] == '+')) {
        begin++;
    }
    if (end > begin && (control == '-' || control == '+')) {
        end--;
    }
    pc_str code = {0};
    pc_status status = PC_OK;
    if (mark != '#') {
        PC_GO(put_code(&code, s->text, begin, end));
        if (mark == '{' || !is_generation(code.data == NULL ? "" : code.data, code.length)) {
            PC_GO(pc_str_putc(s->out, '{'));
            PC_GO(pc_str_putc(s->out, mark));
            PC_GO(pc_str_add(s->out, code.data == NULL ? "" : code.data, code.length));
            PC_GO(pc_str_puts(s->out, mark == '{' ? "}}" : "%}"));
        }
    }
    s->at = close + 2;
    s->line_start = false;
    if (control == '-') {
        while (s->at < s->length && is_space(s->text[s->at])) {
            s->line_start = s->text[s->at] == '\n';
            s->at++;
        }
    } else if (mark != '{' && control != '+' && s->at < s->length && s->text[s->at] == '\n') {
        s->at++;
        s->line_start = true;
    }
done:
    pc_str_clear(&code);
    return status;
}

pc_status pc_jinja_normalise(const char *jinja, size_t length, pc_str *out)
{
    scanner s = {.text = jinja, .length = length, .line_start = true, .out = out};
    while (s.at < s.length) {
        size_t tag = s.at;
        while (tag < s.length && !opens_tag(&s, tag)) {
            tag++;
        }
        if (tag > s.at) {
            PC_TRY(put_literal(&s, tag));
            s.at = tag;
        }
        if (tag < s.length) {
            PC_TRY(put_tag(&s));
        }
    }
    return PC_OK;
}

pc_status pc_jinja_fingerprint(const char *jinja, size_t length, char out[33])
{
    pc_str canonical = {0};
    char hex[65];
    pc_status status = pc_jinja_normalise(jinja, length, &canonical);
    if (status == PC_OK) {
        pc_sha256(canonical.data == NULL ? "" : canonical.data, canonical.length, hex);
        memcpy(out, hex, 32);
        out[32] = 0;
    }
    pc_str_clear(&canonical);
    return status;
}
