/* What is done to a seed, chosen by the mutant's number:
 *
 *   any bytes   flip bits, set bytes to edges, cut, grow, erase, repeat, move, splice with itself,
 * swap blocks lengths     add to, or set to an edge, an integer of 1-8 bytes, little or big endian,
 * at a place where the seed holds a small number (that is where lengths are), or anywhere text
 * replace a number by an edge or a size bomb; delete, double or exchange a token; change a key;
 * nest deeply; unbalance brackets; break UTF-8; long digits; duplicate a key with its value; for YAML
 * the edits of mutant_yaml.c
 *
 * Text edits are chosen when most of the seed, or the part of it that opens with a brace, is text.
 * One to four edits are stacked, so that a mutant often passes the first check and fails a later
 * one.
 */
#include "mutate.h"

#include "base/rng.h"
#include "mutant_gguf.h"
#include "mutant_yaml.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GROWTH = 1 << 16 }; /* bytes that a mutant may have more than its seed */

typedef struct mutant {
    unsigned char *bytes;
    size_t size;
    size_t capacity;
    pc_rng rng;
} mutant;

static size_t below(mutant *m, size_t n)
{
    return n == 0 ? 0 : (size_t)pc_rng_below(&m->rng, n);
}

/* Replace bytes[at, at+old) by text[0, length). */
static void replace(mutant *m, size_t at, size_t old, const void *text, size_t length)
{
    if (m->size - old + length > m->capacity) {
        return;
    }
    memmove(m->bytes + at + length, m->bytes + at + old, m->size - at - old);
    memcpy(m->bytes + at, text, length);
    m->size += length - old;
}

/* A range of at most `most` bytes. */
static void pick_range(mutant *m, size_t most, size_t *at, size_t *length)
{
    *at = below(m, m->size);
    size_t room = m->size - *at;
    *length = room == 0 ? 0 : 1 + below(m, room < most ? room : most);
}

static void flip_bit(mutant *m)
{
    if (m->size > 0) {
        m->bytes[below(m, m->size)] ^= (unsigned char)(1u << below(m, 8));
    }
}

static void set_byte(mutant *m)
{
    static const unsigned char edges[] = {0x00, 0x01, 0x7f, 0x80, 0xff, 0xfe, 0xd8,
                                          '"',  '\\', '{',  '0',  '-',  '\n'};
    if (m->size > 0) {
        m->bytes[below(m, m->size)] = edges[below(m, sizeof edges)];
    }
}

static void cut_end(mutant *m)
{
    /* Half of the cuts near the end, where a last field goes missing. */
    size_t most = below(m, 2) ? m->size : (m->size < 64 ? m->size : 64);
    m->size -= below(m, most + 1);
}

static void cut_front(mutant *m)
{
    replace(m, 0, below(m, m->size + 1), "", 0);
}

static void grow_end(mutant *m)
{
    unsigned char extra[256];
    size_t length = 1 + below(m, sizeof extra);
    int kind = (int)below(m, 3);
    for (size_t i = 0; i < length; i++) {
        extra[i] = kind == 0 ? 0 : kind == 1 ? ' ' : (unsigned char)pc_rng_u32(&m->rng);
    }
    replace(m, m->size, 0, extra, length);
}

static void erase(mutant *m)
{
    size_t at, length;
    pick_range(m, 64, &at, &length);
    replace(m, at, length, "", 0);
}

static void repeat(mutant *m)
{
    unsigned char copy[1024];
    size_t at, length;
    pick_range(m, sizeof copy, &at, &length);
    memcpy(copy, m->bytes + at, length);
    for (size_t times = 1 + below(m, 4); times > 0; times--) {
        replace(m, at, 0, copy, length);
    }
}

static void splice_itself(mutant *m)
{
    unsigned char copy[4096];
    size_t at, length, to = below(m, m->size + 1);
    pick_range(m, sizeof copy, &at, &length);
    memcpy(copy, m->bytes + at, length);
    size_t over = m->size - to < length ? m->size - to : length;
    replace(m, to, below(m, 2) ? over : 0, copy, length);
}

static void swap_blocks(mutant *m)
{
    size_t half = m->size / 2, length = half == 0 ? 0 : 1 + below(m, half < 256 ? half : 256);
    if (length == 0 || half < length) {
        return;
    }
    size_t a = below(m, half - length + 1), b = half + below(m, m->size - half - length + 1);
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = m->bytes[a + i];
        m->bytes[a + i] = m->bytes[b + i];
        m->bytes[b + i] = byte;
    }
}

static uint64_t edge_number(mutant *m)
{
    /* clang-format off */
    static const uint64_t edges[] = {
        0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000,
        0xffffffff, 0x100000000, 99999999, 100000000, 100000001, 0x3fffffffffffffff,
        0x7fffffffffffffff, 0x8000000000000000, 0xfffffffffffffff0, 0xfffffffffffffff8,
        0xffffffffffffffff};
    /* clang-format on */
    return edges[below(m, sizeof edges / sizeof *edges)];
}

/* A length field: where a byte is followed or preceded by zeros, or in the first 64 bytes, or
 * anywhere. */
static void edit_length(mutant *m)
{
    size_t width = (size_t)1 << below(m, 4);
    if (m->size < width) {
        return;
    }
    size_t head = m->size < 64 ? m->size : 64;
    size_t at = below(m, (below(m, 3) == 0 ? head : m->size) - width + 1);
    for (int tries = 0; tries < 32 && below(m, 2); tries++) {
        size_t candidate = below(m, m->size - width + 1);
        if (m->bytes[candidate + width - 1] == 0 || m->bytes[candidate] == 0) {
            at = candidate;
            break;
        }
    }
    bool big_endian = below(m, 2) != 0;
    uint64_t value = 0;
    for (size_t i = 0; i < width; i++) {
        value |= (uint64_t)m->bytes[at + (big_endian ? width - 1 - i : i)] << (8 * i);
    }
    switch (below(m, 4)) {
    case 0:
        value += 1 + below(m, 16);
        break;
    case 1:
        value -= 1 + below(m, 16);
        break;
    case 2:
        value = m->size - below(m, 17);
        break;
    default:
        value = edge_number(m);
        break;
    }
    for (size_t i = 0; i < width; i++) {
        m->bytes[at + (big_endian ? width - 1 - i : i)] = (unsigned char)(value >> (8 * i));
    }
}

typedef struct token {
    size_t at, length;
} token;

static bool in_number(unsigned char c)
{
    return isdigit(c) || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

/* The token that begins at or after `at`: a string with its quotes, a number, a word, or one byte
 * of punctuation. */
static token token_from(const mutant *m, size_t at)
{
    while (at < m->size && isspace(m->bytes[at])) {
        at++;
    }
    size_t end = at;
    if (at < m->size && m->bytes[at] == '"') {
        for (end = at + 1; end < m->size && m->bytes[end] != '"'; end++) {
            end += m->bytes[end] == '\\' && end + 1 < m->size;
        }
        end += end < m->size;
    } else if (at < m->size && (isdigit(m->bytes[at]) || m->bytes[at] == '-')) {
        while (end < m->size && in_number(m->bytes[end])) {
            end++;
        }
    } else if (at < m->size && isalpha(m->bytes[at])) {
        while (end < m->size && (isalnum(m->bytes[end]) || m->bytes[end] == '_')) {
            end++;
        }
    } else if (at < m->size) {
        end++;
    }
    return (token){at, end - at};
}

/* A token somewhere that fits `want` ('0' a number, '"' a string, 0 any), if one is near. */
static token pick_token(mutant *m, char want)
{
    token found = {0, 0};
    for (int tries = 0; tries < 64; tries++) {
        size_t at = below(m, m->size);
        while (at > 0 && want == '0' && in_number(m->bytes[at]) && in_number(m->bytes[at - 1])) {
            at--;
        }
        if (want == '"') {
            while (at < m->size && m->bytes[at] != '"') {
                at++;
            }
        }
        found = token_from(m, at);
        unsigned char first = found.length > 0 ? m->bytes[found.at] : 0;
        if (found.length > 0 && (want == 0 || (want == '"' && first == '"') ||
                                 (want == '0' && (isdigit(first) || first == '-')))) {
            return found;
        }
    }
    return found;
}

static void edit_number(mutant *m)
{
    static const char *const numbers[] = {"0",
                                          "-1",
                                          "-0",
                                          "1.0",
                                          "1e5",
                                          "1e308",
                                          "1e999",
                                          "0.1",
                                          "00",
                                          "01",
                                          "+1",
                                          "0x10",
                                          ".5",
                                          "1.",
                                          "NaN",
                                          "-Infinity",
                                          "9223372036854775807",
                                          "9223372036854775808",
                                          "18446744073709551615",
                                          "18446744073709551616",
                                          "4294967296",
                                          "2147483648",
                                          "1000000000000",
                                          "100000000",
                                          "65536",
                                          "null",
                                          "true",
                                          "\"1\"",
                                          "[]",
                                          "{}"};
    char text[32];
    token t = pick_token(m, '0');
    if (below(m, 3) == 0) {
        uint64_t value = (uint64_t)strtoll((const char *)m->bytes + t.at, NULL, 10);
        int length = snprintf(text, sizeof text, "%lld", (long long)(value + below(m, 9) - 4));
        replace(m, t.at, t.length, text, (size_t)length);
        return;
    }
    const char *number = numbers[below(m, sizeof numbers / sizeof *numbers)];
    replace(m, t.at, t.length, number, strlen(number));
}

static void edit_string(mutant *m)
{
    static const char *const strings[] = {"\"\"",
                                          "\"\\u0000\"",
                                          "\"\\ud800\"",
                                          "\"\\udc00\\ud800\"",
                                          "\"../../x\"",
                                          "\"/etc/passwd\"",
                                          "\"a/b\"",
                                          "\"..\"",
                                          "\"\xff\xfe\"",
                                          "\"\xc0\xaf\"",
                                          "\"\xed\xa0\x80\"",
                                          "\"\xf4\x90\x80\x80\"",
                                          "\"%s%n%s%n\"",
                                          "\"\\\"",
                                          "\"\n\"",
                                          "\"__metadata__\"",
                                          "null",
                                          "0",
                                          "[\"a\"]",
                                          "\"F8_E4M3\"",
                                          "\"\\u00e9\"",
                                          "\"C:\\\\x\"",
                                          "\"\x01\"",
                                          "\"a\\u0000b\""};
    token t = pick_token(m, '"');
    const char *string = strings[below(m, sizeof strings / sizeof *strings)];
    replace(m, t.at, t.length, string, strlen(string));
}

static void edit_token(mutant *m)
{
    unsigned char copy[1024];
    token a = pick_token(m, 0), b = pick_token(m, 0);
    size_t length = b.length < sizeof copy ? b.length : sizeof copy;
    memcpy(copy, m->bytes + b.at, length);
    switch (below(m, 3)) {
    case 0:
        replace(m, a.at, a.length, "", 0);
        break;
    case 1:
        replace(m, a.at, a.length, copy, length);
        break;
    default:
        replace(m, a.at, 0, copy, length);
        break;
    }
}

/* Insert a long run: deep nesting, many digits, a long string, many elements. */
static void insert_bomb(mutant *m)
{
    char run[20000];
    static const char fills[] = "[{9 \"a,";
    size_t length = below(m, 2) ? 200 + below(m, 400) : 5000 + below(m, 15000);
    char fill = fills[below(m, sizeof fills - 1)];
    memset(run, fill, length);
    if (fill == ',') {
        for (size_t i = 0; i < length; i += 2) {
            run[i] = '0';
        }
    } else if (fill == 'a') {
        run[0] = run[length - 1] = '"';
    }
    token t = pick_token(m, 0);
    replace(m, t.at, below(m, 2) ? t.length : 0, run, length);
}

/* Copy "key": value, (a piece from a quote to the next comma) behind itself. */
static void double_member(mutant *m)
{
    unsigned char copy[1024];
    token key = pick_token(m, '"');
    size_t end = key.at;
    while (end < m->size && m->bytes[end] != ',' && end - key.at < sizeof copy - 1) {
        end++;
    }
    if (end >= m->size || m->bytes[end] != ',') {
        return;
    }
    memcpy(copy, m->bytes + key.at, end + 1 - key.at);
    replace(m, key.at, 0, copy, end + 1 - key.at);
}

typedef struct edit {
    const char *name;
    void (*run)(mutant *m);
    bool text;
} edit;

static const edit edits[] = {
    {"flip a bit", flip_bit, false},
    {"set a byte", set_byte, false},
    {"cut the end", cut_end, false},
    {"cut the front", cut_front, false},
    {"grow the end", grow_end, false},
    {"erase", erase, false},
    {"repeat", repeat, false},
    {"splice", splice_itself, false},
    {"swap blocks", swap_blocks, false},
    {"edit a length", edit_length, false},
    {"edit a length", edit_length, false},
    {"edit a length", edit_length, false},
    {"edit a number", edit_number, true},
    {"edit a number", edit_number, true},
    {"edit a number", edit_number, true},
    {"edit a string", edit_string, true},
    {"edit a string", edit_string, true},
    {"edit a token", edit_token, true},
    {"edit a token", edit_token, true},
    {"insert a bomb", insert_bomb, true},
    {"double a member", double_member, true},
};
enum { EDITS = sizeof edits / sizeof *edits };

/* Text, or text behind a short binary head: then token edits make sense. */
static bool looks_like_text(const unsigned char *bytes, size_t size)
{
    size_t from = size > 24 ? 16 : 0, end = size < 256 ? size : 256, printable = 0;
    for (size_t i = from; i < end; i++) {
        printable += bytes[i] >= 0x20 || isspace(bytes[i]);
    }
    return end > from && printable * 10 >= (end - from) * 8;
}

/* A binary head of 8 bytes in front of text is often the text's length: half of the text edits
 * repair it, so that what is behind it is reached. */
static void repair_length(mutant *m, size_t old_size)
{
    uint64_t length = 0;
    if (m->size < 16 || m->bytes[8] != '{') {
        return;
    }
    for (int i = 7; i >= 0; i--) {
        length = length << 8 | m->bytes[i];
    }
    length += m->size - old_size;
    for (int i = 0; i < 8; i++) {
        m->bytes[i] = (unsigned char)(length >> (8 * i));
    }
}

const char *pc_mutant_make(unsigned char **out, size_t *out_size, const void *seed, size_t size,
                           uint64_t number)
{
    mutant m = {.size = size, .capacity = size + GROWTH};
    const char *name = "";
    m.bytes = calloc(1, m.capacity + 1); /* a NUL stays behind the bytes: strtoll stops there */
    if (m.bytes == NULL) {
        abort();
    }
    memcpy(m.bytes, seed, size);
    pc_rng_init(&m.rng, 20240607, number);
    bool text = looks_like_text(m.bytes, size), yaml = pc_mutant_is_yaml(m.bytes, size);
    bool gguf = pc_mutant_is_gguf(m.bytes, size);
    size_t rounds = below(&m, 3) > 0 ? 1 : 2 + below(&m, 3);
    while (rounds-- > 0 && m.size > 0) {
        if (gguf && below(&m, 4) > 0) {
            name = pc_mutant_edit_gguf(m.bytes, &m.size, m.capacity, &m.rng);
            continue;
        }
        if (yaml && below(&m, 4) > 0) {
            name = pc_mutant_edit_yaml(m.bytes, &m.size, m.capacity, &m.rng);
            continue;
        }
        const edit *e = &edits[below(&m, EDITS)];
        while (text ? below(&m, 2) == 0 && !e->text : e->text) {
            e = &edits[below(&m, EDITS)];
        }
        size_t old_size = m.size;
        e->run(&m);
        if (e->text && below(&m, 2)) {
            repair_length(&m, old_size);
        }
        name = e->name;
    }
    if (m.size == size && memcmp(m.bytes, seed, size) == 0) { /* the edits had no effect */
        flip_bit(&m);
        name = "flip a bit";
    }
    *out = m.bytes;
    *out_size = m.size;
    return name;
}
