/* What the tokenizers need of Unicode: classes of characters, normal forms, GPT-2's alphabet for bytes. Internal to
 * text/. Text may be malformed: a malformed byte is a character of its own, of no class, and no form changes it. */
#ifndef PC_TEXT_UNICODE_H
#define PC_TEXT_UNICODE_H

#include "base/status.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PC_CHAR_LETTER = 1,  /* \p{L} */
    PC_CHAR_NUMBER = 2,  /* \p{N} */
    PC_CHAR_SPACE = 4,   /* \s: White_Space */
    PC_CHAR_NEWLINE = 8, /* \r or \n, which are PC_CHAR_SPACE too */
};

/* Class of ASCII characters; the rest goes through pc_char_class_wide. */
extern const uint8_t pc_char_ascii[128];
unsigned pc_char_class_wide(const char *text, size_t length, int *size);
unsigned pc_char_class_of(unsigned code_point);

/* Class of the character at text[at], at < length; *size = its bytes (1 when malformed). */
static inline unsigned pc_char_class(const char *text, size_t length, size_t at, int *size)
{
    unsigned char byte = (unsigned char)text[at];
    if (byte < 128) {
        *size = 1;
        return pc_char_ascii[byte];
    }
    return pc_char_class_wide(text + at, length - at, size);
}

/* Bytes of the character at text[at], at < length; 1 when malformed. */
static inline int pc_char_size(const char *text, size_t length, size_t at)
{
    unsigned code_point;
    if ((unsigned char)text[at] < 128) {
        return 1;
    }
    int size = pc_utf8_decode(text + at, length - at, &code_point);
    return size > 0 ? size : 1;
}

/* Case as o200k's pattern sees it; 0: neither letter nor mark. */
enum {
    PC_CASE_UPPER = 1, /* [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}] */
    PC_CASE_LOWER = 2, /* [\p{Ll}\p{Lm}\p{Lo}\p{M}] */
};

unsigned pc_char_case(const char *text, size_t length, size_t at, int *size); /* like pc_char_class */

/* A property of the tables (unicode_table.h), PC_CHAR_TABLE_...: as the reference library sees it. */
bool pc_char_is(int property, unsigned code_point);

typedef enum pc_normal_form { PC_NFC, PC_NFD, PC_NFKC, PC_NFKD } pc_normal_form;

/* Append the normal form. Work is O(n log n) also for long runs of combining marks. */
pc_status pc_normalize(pc_str *out, const char *text, size_t length, pc_normal_form form);
/* Append in lower case, character by character (no final sigma), as Rust's char::to_lowercase. */
pc_status pc_lowercase(pc_str *out, const char *text, size_t length);

/* GPT-2 writes each byte as a printable character: itself for '!'..'~', U+00A1..U+00AC, U+00AE..U+00FF, the others in
 * order from U+0100. Code point of a byte, and byte of a code point (-1: none). */
unsigned pc_byte_to_char(unsigned char byte);
int pc_byte_from_char(unsigned code_point);

#endif
