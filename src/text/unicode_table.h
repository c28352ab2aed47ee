/* Where the classes of the reference library differ from those of utf8proc: the library takes them from several places of
 * several Unicode versions, and ids follow. Internal to text/. */
#ifndef PC_TEXT_UNICODE_TABLE_H
#define PC_TEXT_UNICODE_TABLE_H

#include <stddef.h>
#include <stdint.h>

typedef struct pc_char_range {
    uint32_t first, last;
} pc_char_range;

/* Ranges, sorted: characters that have the property, and that haven't, whatever utf8proc says. */
typedef struct pc_char_table {
    const pc_char_range *more;
    size_t more_count;
    const pc_char_range *less;
    size_t less_count;
} pc_char_table;

enum {
    PC_CHAR_TABLE_LETTER,      /* \p{L} of regular expressions */
    PC_CHAR_TABLE_NUMBER,      /* \p{N} */
    PC_CHAR_TABLE_NUMERIC,     /* the pre-tokenizer Digits */
    PC_CHAR_TABLE_WORD,        /* \w of the pre-tokenizer Whitespace and of added tokens */
    PC_CHAR_TABLE_PUNCTUATION, /* the pre-tokenizers Punctuation and BertPreTokenizer */
    PC_CHAR_TABLE_CONTROL,     /* what BertNormalizer removes */
    PC_CHAR_TABLE_ACCENT,      /* the same when it strips accents */
    PC_CHAR_TABLE_MARK,        /* what StripAccents removes */
    PC_CHAR_TABLE_ORDERED,     /* has a combining class */
    PC_CHAR_TABLE_FORMED,      /* its normal form is known */
    PC_CHAR_TABLES
};

extern const pc_char_table pc_char_tables[PC_CHAR_TABLES];

/* Sorted: Indic consonants, and what links two of them to one grapheme (Unicode's annex 29, rule GB9c). */
extern const pc_char_range pc_conjunct_consonants[], pc_conjunct_linkers[];
extern const size_t pc_conjunct_consonants_count, pc_conjunct_linkers_count;

/* Characters of a general category that PCRE2's tables may be too old for; ends with a NULL name. */
typedef struct pc_char_newer {
    const char *category; /* "Lu" */
    const pc_char_range *ranges;
    size_t count;
} pc_char_newer;

extern const pc_char_newer pc_char_newer_tables[];

/* Lower case = the character + shift. */
typedef struct pc_char_shift {
    uint32_t first, last;
    int32_t shift;
} pc_char_shift;

extern const pc_char_shift pc_char_lower[];
extern const size_t pc_char_lower_count;

#endif
