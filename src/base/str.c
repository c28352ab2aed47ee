/* Byte strings, nearest names, UTF-8. */
#include "base/str.h"

#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static pc_status reserve(pc_str *string, size_t more)
{
    size_t need;
    if (!pc_add_size(string->length, more, &need) || !pc_add_size(need, 1, &need)) {
        return pc_fail_memory(~0ull, "a string");
    }
    return pc_grow(&string->data, &string->capacity, need, 1, "a string");
}

pc_status pc_str_add(pc_str *string, const char *bytes, size_t length)
{
    PC_TRY(reserve(string, length));
    if (length) {
        memcpy(string->data + string->length, bytes, length);
    }
    string->length += length;
    string->data[string->length] = '\0';
    return PC_OK;
}

pc_status pc_str_puts(pc_str *string, const char *text)
{
    return pc_str_add(string, text, strlen(text));
}

pc_status pc_str_putc(pc_str *string, char byte)
{
    return pc_str_add(string, &byte, 1);
}

pc_status pc_str_printf(pc_str *string, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0) {
        return pc_fail(PC_ERR_DATA, "a text cannot be formatted by '%s'", format);
    }
    PC_TRY(reserve(string, (size_t)length));
    va_start(arguments, format);
    vsnprintf(string->data + string->length, (size_t)length + 1, format, arguments);
    va_end(arguments);
    string->length += (size_t)length;
    return PC_OK;
}

void pc_str_reset(pc_str *string)
{
    string->length = 0;
    if (string->data) {
        string->data[0] = '\0';
    }
}

void pc_str_clear(pc_str *string)
{
    pc_free(string->data);
    *string = (pc_str){0};
}

bool pc_starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool pc_ends_with(const char *text, const char *suffix)
{
    size_t length = strlen(text);
    size_t tail = strlen(suffix);
    return length >= tail && memcmp(text + length - tail, suffix, tail) == 0;
}

enum { NAME_LONGEST = 63 }; /* longer names are not compared */

static char fold(char byte)
{
    return byte == '_' ? '-' : byte >= 'A' && byte <= 'Z' ? (char)(byte + 32) : byte;
}

/* Optimal string alignment distance: insertions, deletions, changes, swaps of neighbours. Both at most NAME_LONGEST. */
static int edit_distance(const char *a, const char *b)
{
    int rows[3][NAME_LONGEST + 1];
    int n = (int)strlen(b);
    int *before = rows[0], *last = rows[1], *row = rows[2];
    for (int j = 0; j <= n; j++) {
        before[j] = last[j] = j;
    }
    for (int i = 1; a[i - 1]; i++) {
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            int best = last[j - 1] + (fold(a[i - 1]) != fold(b[j - 1]));
            best = last[j] + 1 < best ? last[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) && fold(a[i - 2]) == fold(b[j - 1]) &&
                before[j - 2] + 1 < best) {
                best = before[j - 2] + 1;
            }
            row[j] = best;
        }
        int *oldest = before;
        before = last;
        last = row;
        row = oldest;
    }
    return last[n];
}

const char *pc_nearest_name(const char *name, const void *names, size_t count, size_t stride)
{
    size_t length = strlen(name);
    if (length == 0 || length > NAME_LONGEST) {
        return NULL;
    }
    /* A third of the letters may be wrong. */
    int best = (int)(length + 2) / 3 + 1;
    const char *nearest = NULL;
    for (size_t i = 0; i < count; i++) {
        const char *candidate;
        memcpy(&candidate, (const char *)names + i * stride, sizeof candidate);
        if (!candidate || strlen(candidate) > NAME_LONGEST) {
            continue;
        }
        int distance = edit_distance(name, candidate);
        if (distance < best && distance < (int)strlen(candidate)) {
            best = distance;
            nearest = candidate;
        }
    }
    return nearest;
}

int pc_utf8_decode(const char *text, size_t length, unsigned *code_point)
{
    const unsigned char *s = (const unsigned char *)text;
    if (length == 0) {
        return 0;
    }
    if (s[0] < 0x80) {
        *code_point = s[0];
        return 1;
    }
    int bytes = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || length < (size_t)bytes) {
        return 0; /* a stray continuation, an overlong pair, beyond U+10FFFF, or cut off */
    }
    unsigned value = s[0] & (0x7fu >> bytes);
    for (int i = 1; i < bytes; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
        value = value << 6 | (s[i] & 0x3fu);
    }
    static const unsigned lowest[5] = {0, 0, 0x80, 0x800, 0x10000};
    if (value < lowest[bytes] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) {
        return 0;
    }
    *code_point = value;
    return bytes;
}

int pc_utf8_encode(unsigned code_point, char out[4])
{
    if (code_point < 0x80) {
        out[0] = (char)code_point;
        return 1;
    }
    int bytes = code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    for (int i = bytes - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code_point & 0x3f));
        code_point >>= 6;
    }
    static const unsigned lead[5] = {0, 0, 0xc0, 0xe0, 0xf0};
    out[0] = (char)(lead[bytes] | code_point);
    return bytes;
}

size_t pc_utf8_valid_prefix(const char *text, size_t length)
{
    size_t at = 0;
    unsigned ignored;
    while (at < length) {
        int used = pc_utf8_decode(text + at, length - at, &ignored);
        if (used == 0) {
            break;
        }
        at += (size_t)used;
    }
    return at;
}
