/* The JSON parser: recursive descent over RFC 8259, building jansson's tree.
 *
 * jansson's own parser is not used for two reasons. It ignores failures to grow its token buffer: when memory is short
 * it drops letters or stops the process at an assertion (2.14, lex_save and lex_unget_unsave). And it refuses integers
 * beyond 64 bits, which tokenizer configurations have ("model_max_length": 1000000000000000019884624838656); Python
 * takes them, and here they become reals.
 *
 * Easy to get wrong: leading zeros, unpaired surrogates, control characters in strings, a key used twice, bytes behind
 * the value. */
#include "base/json_internal.h"
#include "base/memory.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct parser {
    const char *text;
    size_t length;
    size_t at; /* offset of the next byte */
    int depth;
    const char *where;
    pc_str scratch; /* decoded keys of the open objects, one behind the other, and the string being read */
} parser;

static pc_status parse_value(parser *p, pc_json **out);

static pc_status fail_at(const parser *p, size_t at, const char *problem)
{
    size_t line = 1;
    size_t line_start = 0;
    for (size_t i = 0; i < at; i++) {
        if (p->text[i] == '\n') {
            line++;
            line_start = i + 1;
        }
    }
    return pc_fail(PC_ERR_DATA, "%s: line %zu, column %zu: %s", p->where, line, at - line_start + 1, problem);
}

static pc_status expected(const parser *p, const char *what)
{
    char problem[160];
    if (p->at >= p->length) {
        snprintf(problem, sizeof problem, "expected %s, found the end of the text", what);
    } else if (p->text[p->at] > 0x20 && p->text[p->at] < 0x7f) {
        snprintf(problem, sizeof problem, "expected %s, found '%c'", what, p->text[p->at]);
    } else {
        snprintf(problem, sizeof problem, "expected %s, found byte 0x%02x", what, (unsigned char)p->text[p->at]);
    }
    return fail_at(p, p->at, problem);
}

static pc_status fail_node(const parser *p)
{
    return pc_fail(PC_ERR_MEMORY, "%s: out of memory while parsing %zu bytes of JSON", p->where, p->length);
}

/* The next byte, or 0 at the end (a NUL byte is an error wherever this is asked). */
static char peek(const parser *p)
{
    return p->at < p->length ? p->text[p->at] : '\0';
}

static bool accept(parser *p, char byte)
{
    bool found = p->at < p->length && p->text[p->at] == byte;
    p->at += found;
    return found;
}

static void skip_blanks(parser *p)
{
    while (peek(p) == ' ' || peek(p) == '\t' || peek(p) == '\n' || peek(p) == '\r') {
        p->at++;
    }
}

static bool read_hex4(parser *p, unsigned *out)
{
    unsigned value = 0;
    for (int i = 0; i < 4; i++) {
        char byte = peek(p);
        int digit = byte >= '0' && byte <= '9' ? byte - '0'
                  : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10
                  : byte >= 'A' && byte <= 'F' ? byte - 'A' + 10 : -1;
        if (digit < 0) {
            return false;
        }
        value = value << 4 | (unsigned)digit;
        p->at++;
    }
    *out = value;
    return true;
}

/* Behind "\u". */
static pc_status read_unicode_escape(parser *p)
{
    unsigned code;
    unsigned low;
    char bytes[4];
    size_t start = p->at;
    if (!read_hex4(p, &code)) {
        return expected(p, "four hexadecimal digits");
    }
    if (code >= 0xd800 && code <= 0xdbff) {
        if (!accept(p, '\\') || !accept(p, 'u') || !read_hex4(p, &low) || low < 0xdc00 || low > 0xdfff) {
            return fail_at(p, start, "half of a surrogate pair");
        }
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code >= 0xdc00 && code <= 0xdfff) {
        return fail_at(p, start, "half of a surrogate pair");
    }
    return pc_str_add(&p->scratch, bytes, (size_t)pc_utf8_encode(code, bytes));
}

static pc_status read_escape(parser *p)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    const char *found = peek(p) ? strchr(from, peek(p)) : NULL;
    if (found) {
        p->at++;
        return pc_str_putc(&p->scratch, to[found - from]);
    }
    if (accept(p, 'u')) {
        return read_unicode_escape(p);
    }
    return expected(p, "an escape");
}

/* Append the decoded string at `at`, which is at the opening quote, to the scratch. */
static pc_status read_string(parser *p)
{
    if (!accept(p, '"')) {
        return expected(p, "a string");
    }
    for (;;) {
        size_t start = p->at;
        while (p->at < p->length && p->text[p->at] != '"' && p->text[p->at] != '\\' &&
               (unsigned char)p->text[p->at] >= 0x20) {
            p->at++;
        }
        size_t run = p->at - start;
        size_t valid = pc_utf8_valid_prefix(p->text + start, run);
        if (valid < run) {
            return fail_at(p, start + valid, "a string that is not UTF-8");
        }
        PC_TRY(pc_str_add(&p->scratch, p->text + start, run));
        if (accept(p, '"')) {
            return PC_OK;
        }
        if (!accept(p, '\\')) {
            return expected(p, "the rest of a string");
        }
        PC_TRY(read_escape(p));
    }
}

static void drop_scratch(parser *p, size_t length)
{
    p->scratch.length = length;
}

static pc_status parse_string(parser *p, pc_json **out)
{
    size_t start = p->scratch.length;
    PC_TRY(read_string(p));
    *out = json_stringn_nocheck(p->scratch.data + start, p->scratch.length - start);
    drop_scratch(p, start);
    return *out ? PC_OK : fail_node(p);
}

static bool skip_digits(parser *p)
{
    size_t start = p->at;
    while (peek(p) >= '0' && peek(p) <= '9') {
        p->at++;
    }
    return p->at > start;
}

static pc_status parse_number(parser *p, pc_json **out)
{
    size_t start = p->at;
    bool integer = true;
    accept(p, '-');
    if (!accept(p, '0') && !skip_digits(p)) {
        return expected(p, "a digit");
    }
    if (accept(p, '.')) {
        integer = false;
        if (!skip_digits(p)) {
            return expected(p, "a digit");
        }
    }
    if (accept(p, 'e') || accept(p, 'E')) {
        integer = false;
        if (!accept(p, '+')) {
            accept(p, '-');
        }
        if (!skip_digits(p)) {
            return expected(p, "a digit");
        }
    }
    /* A copy, because the text need not end in NUL. */
    size_t mark = p->scratch.length;
    PC_TRY(pc_str_add(&p->scratch, p->text + start, p->at - start));
    const char *digits = p->scratch.data + mark;
    errno = 0;
    long long whole = integer ? strtoll(digits, NULL, 10) : 0;
    integer = integer && errno == 0;
    double real = integer ? 0 : pc_json_strtod(digits, NULL);
    drop_scratch(p, mark);
    if (!isfinite(real)) {
        return fail_at(p, start, "a number too large for a double");
    }
    *out = integer ? json_integer(whole) : json_real(real);
    return *out ? PC_OK : fail_node(p);
}

static pc_status parse_literal(parser *p, pc_json **out)
{
    static const char *const names[] = {"true", "false", "null"};
    for (int i = 0; i < 3; i++) {
        size_t length = strlen(names[i]);
        if (p->length - p->at >= length && memcmp(p->text + p->at, names[i], length) == 0) {
            p->at += length;
            *out = i == 0 ? json_true() : i == 1 ? json_false() : json_null();
            return PC_OK;
        }
    }
    return expected(p, "a value");
}

/* One "key": value of `object`. */
static pc_status parse_member(parser *p, pc_json *object)
{
    pc_json *value;
    size_t start = p->scratch.length;
    size_t key_at = p->at;
    PC_TRY(read_string(p));
    if (strlen(p->scratch.data + start) != p->scratch.length - start) {
        return fail_at(p, key_at, "a key with a NUL byte");
    }
    if (json_object_get(object, p->scratch.data + start)) {
        return fail_at(p, key_at, "a key that the object already has");
    }
    PC_TRY(pc_str_putc(&p->scratch, '\0')); /* the key stays, with its end, while inner strings come behind it */
    skip_blanks(p);
    if (!accept(p, ':')) {
        return expected(p, "':'");
    }
    PC_TRY(parse_value(p, &value));
    int error = json_object_set_new_nocheck(object, p->scratch.data + start, value);
    drop_scratch(p, start);
    return error ? fail_node(p) : PC_OK;
}

static pc_status parse_element(parser *p, pc_json *array)
{
    pc_json *value;
    PC_TRY(parse_value(p, &value));
    return json_array_append_new(array, value) ? fail_node(p) : PC_OK;
}

static pc_status parse_container(parser *p, pc_json **out)
{
    pc_status status = PC_OK;
    bool object = p->text[p->at++] == '{';
    char close = object ? '}' : ']';
    if (++p->depth > PC_JSON_DEPTH) {
        return fail_at(p, p->at - 1, "nested deeper than 128 levels");
    }
    pc_json *node = object ? json_object() : json_array();
    if (!node) {
        return fail_node(p);
    }
    skip_blanks(p);
    bool more = !accept(p, close);
    while (more) {
        skip_blanks(p);
        PC_GO(object ? parse_member(p, node) : parse_element(p, node));
        skip_blanks(p);
        more = accept(p, ',');
        if (!more && !accept(p, close)) {
            status = expected(p, object ? "',' or '}'" : "',' or ']'");
            goto done;
        }
    }
    p->depth--;
    *out = node;
    return PC_OK;
done:
    json_decref(node);
    return status;
}

/* Blanks, then a value. */
static pc_status parse_value(parser *p, pc_json **out)
{
    *out = NULL;
    skip_blanks(p);
    char byte = peek(p);
    if (byte == '{' || byte == '[') {
        return parse_container(p, out);
    }
    if (byte == '"') {
        return parse_string(p, out);
    }
    if (byte == '-' || (byte >= '0' && byte <= '9')) {
        return parse_number(p, out);
    }
    return parse_literal(p, out);
}

pc_status pc_json_parse(pc_json **out, const char *text, size_t length, const char *where)
{
    parser p = {.text = text, .length = length, .where = where};
    *out = NULL;
    pc_json_prepare();
    pc_json *root;
    pc_status status = parse_value(&p, &root);
    if (status == PC_OK) {
        skip_blanks(&p);
        if (p.at < length) {
            status = expected(&p, "nothing more");
            json_decref(root);
        } else {
            *out = root;
        }
    }
    pc_str_clear(&p.scratch);
    return status;
}
