#include "mutant_yaml.h"

#include <ctype.h>
#include <string.h>

typedef struct text {
    unsigned char *bytes;
    size_t size, capacity;
    pc_rng *rng;
} text;

/* A line [begin, end), its value [value, end) behind ": "; value == end when there is none. */
typedef struct line {
    size_t begin, end, value;
} line;

static size_t below(text *t, size_t n)
{
    return n == 0 ? 0 : (size_t)pc_rng_below(t->rng, n);
}

static void replace(text *t, size_t at, size_t old, const void *by, size_t length)
{
    if (t->size - old + length > t->capacity) {
        return;
    }
    memmove(t->bytes + at + length, t->bytes + at + old, t->size - at - old);
    memcpy(t->bytes + at, by, length);
    t->size += length - old;
}

static line line_at(const text *t, size_t at)
{
    line l = {at, at, 0};
    while (l.begin > 0 && t->bytes[l.begin - 1] != '\n') {
        l.begin--;
    }
    while (l.end < t->size && t->bytes[l.end] != '\n') {
        l.end++;
    }
    l.value = l.end;
    for (size_t i = l.begin; i + 1 < l.end; i++) {
        if (t->bytes[i] == ':' && t->bytes[i + 1] == ' ') {
            l.value = i + 2;
            break;
        }
    }
    return l;
}

/* Any line, with a value when one is near. */
static line pick_line(text *t)
{
    line l = line_at(t, below(t, t->size));
    for (int tries = 0; tries < 16 && l.value == l.end; tries++) {
        l = line_at(t, below(t, t->size));
    }
    return l;
}

static void double_line(text *t)
{
    unsigned char copy[512];
    line l = pick_line(t);
    size_t length = l.end - l.begin < sizeof copy - 1 ? l.end - l.begin : sizeof copy - 1;
    memcpy(copy, t->bytes + l.begin, length);
    copy[length] = '\n';
    replace(t, line_at(t, below(t, t->size)).begin, 0, copy, length + 1);
}

static void drop_line(text *t)
{
    line l = pick_line(t);
    replace(t, l.begin, l.end - l.begin + (l.end < t->size), "", 0);
}

static void indent_line(text *t)
{
    static const char *const indents[] = {" ", "  ", "\t", "- ", "? ", "    ", ": ", "\xc2\xa0"};
    const char *indent = indents[below(t, sizeof indents / sizeof *indents)];
    replace(t, pick_line(t).begin, 0, indent, strlen(indent));
}

/* The value of one line becomes the value of another. */
static void exchange_value(text *t)
{
    unsigned char copy[512];
    line from = pick_line(t), to = pick_line(t);
    size_t length = from.end - from.value < sizeof copy ? from.end - from.value : sizeof copy;
    memcpy(copy, t->bytes + from.value, length);
    replace(t, to.value, to.end - to.value, copy, length);
}

static void odd_value(text *t)
{
    static const char *const values[] = {
        "", "~", "null", "\"\"", "''", "-1", "0", "-0", "1e5", "1e999", ".inf", ".nan", "0x10", "0o17", "1_000",
        "9223372036854775807", "9223372036854775808", "1e-400", "0.5", "yes", "No", "2024-01-01", "=", "[", "]", "{",
        "{a: 1}", "[a, b]", "[a, [b]]", "[]", "[a,", "\"open", "'open", "\"a\\0b\"", "\"a\\nb\"", "\"\\ud800\"",
        "\"\\x\"", "|", ">", "|9", "|\n  several\n  lines", ">-\n  folded\n  text", "&a 1", "*a", "*missing", "&a *a",
        "!!int seven", "!!python/object/apply:os.system x", "!<tag:x> y", "!", "@x", "`x`", "%x", "# only a comment",
        "a: b", "a: b: c", "\n  below: 1", "\n  - item", "a #b", "../../..", "/dev/null", "/proc/self/mem", "\t", "\xff",
        "\xc0\xaf", "\xed\xa0\x80", "\x01", "\xef\xbb\xbf", "%s%n", ",", ",,,", "a,b", "?", "scenes?n=-1", "scenes?", "1e",
    };
    line l = pick_line(t);
    const char *value = values[below(t, sizeof values / sizeof *values)];
    replace(t, l.value, l.end - l.value, value, strlen(value));
}

static void odd_key(text *t)
{
    static const char *const keys[] = {
        "", "?", "<<", "[a]", "{a: b}", "\"quoted\"", "'", "&a key", "*a", "!!str key", "a b", "Stage", "stages", "-",
        "\"a\\0b\"", "\"a\\nb\"", "\"", "1", "null", "seed ", "LEARNING_RATE", "learning-rate", "\xff", "\t", "...", "---",
    };
    line l = pick_line(t);
    const char *key = keys[below(t, sizeof keys / sizeof *keys)];
    size_t end = l.value > l.begin + 1 && l.value < l.end ? l.value - 2 : l.end;
    replace(t, l.begin, end - l.begin, key, strlen(key));
}

static void odd_line(text *t)
{
    static const char *const lines[] = {
        "---\n", "...\n", "--- again\n", "%YAML 1.1\n", "%YAML 9.9\n", "%TAG ! x\n", "- item\n", "key\n", ": value\n",
        "? complex\n: value\n", "<<: *a\n", "a: &a [*a]\n", "}\n", "]\n", "...\nseed: 1\n", "\n\n", "# \xff\n", "\xef\xbb\xbf\n",
        "x: !!binary aGk=\n", "\r\n", "\x00\n", "\xe2\x80\xa8\n", "&a\n", "'\n", "\"\n", "|\n",
    };
    static const size_t nul = 20; /* the one that strlen cannot measure */
    size_t which = below(t, sizeof lines / sizeof *lines);
    size_t length = which == nul ? 2 : strlen(lines[which]);
    replace(t, line_at(t, below(t, t->size)).begin, 0, lines[which], length);
}

static void nest_deep(text *t)
{
    static const char opens[] = "[{-?&*!\"a";
    char run[12000];
    size_t length = below(t, 2) ? 50 + below(t, 400) : 2000 + below(t, 10000);
    char open = opens[below(t, sizeof opens - 1)];
    for (size_t i = 0; i < length; i++) {
        run[i] = open == '-' || open == '?' ? (i % 2 ? ' ' : open) : open;
    }
    line l = pick_line(t);
    replace(t, below(t, 2) ? l.value : l.begin, 0, run, length);
}

static void other_line_ends(text *t)
{
    bool both = below(t, 2);
    for (size_t i = 0; i < t->size; i++) {
        if (t->bytes[i] == '\n' && below(t, 4) > 0) {
            replace(t, i, 1, both ? "\r\n" : "\r", both ? 2 : 1);
            i += both;
        }
    }
}

/* Every second byte a NUL, as UTF-16 has it, with or without a mark in front. */
static void widen(text *t)
{
    size_t size = t->size;
    if (2 * size + 2 > t->capacity) {
        return;
    }
    for (size_t i = size; i-- > 0;) {
        t->bytes[2 * i] = t->bytes[i];
        t->bytes[2 * i + 1] = 0;
    }
    t->size = 2 * size;
    if (below(t, 2)) {
        replace(t, 0, 0, "\xff\xfe", 2);
    }
}

bool pc_mutant_is_yaml(const unsigned char *bytes, size_t size)
{
    size_t at = 0;
    while (at < size && (bytes[at] == '#' || bytes[at] == '\n')) {
        while (at < size && bytes[at] != '\n') {
            at++;
        }
        at += at < size;
    }
    size_t begin = at;
    while (at < size && (isalnum(bytes[at]) || bytes[at] == '_')) {
        at++;
    }
    return at > begin && at + 1 < size && bytes[at] == ':' && bytes[at + 1] == ' ';
}

typedef struct edit {
    const char *name;
    void (*run)(text *t);
    int share;
} edit;

static const edit edits[] = {
    {"double a line", double_line, 3}, {"drop a line", drop_line, 2},   {"indent a line", indent_line, 2},
    {"exchange a value", exchange_value, 3}, {"odd value", odd_value, 8}, {"odd key", odd_key, 4},
    {"odd line", odd_line, 4}, {"nest deep", nest_deep, 2}, {"other line ends", other_line_ends, 1}, {"widen", widen, 1},
};
enum { SHARES = 30 };

const char *pc_mutant_edit_yaml(unsigned char *bytes, size_t *size, size_t capacity, pc_rng *rng)
{
    text t = {.bytes = bytes, .size = *size, .capacity = capacity, .rng = rng};
    size_t left = below(&t, SHARES), e = 0;
    while (left >= (size_t)edits[e].share) {
        left -= (size_t)edits[e++].share;
    }
    edits[e].run(&t);
    *size = t.size;
    return edits[e].name;
}
