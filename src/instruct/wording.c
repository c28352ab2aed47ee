#include "instruct/wording.h"

#include <utf8proc.h>

/* Characters that are words by themselves: CJK ideographs and their extensions, kana. Korean writes blanks. */
static bool stands_alone(unsigned c)
{
    return (c >= 0x2E80 && c <= 0x2FDF) || (c >= 0x3040 && c <= 0x30FF) || (c >= 0x3400 && c <= 0x4DBF) ||
           (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x20000 && c <= 0x3FFFF);
}

static bool in_word(unsigned c)
{
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return true;
    default:
        return c == '\''; /* don't, dog's */
    }
}

pc_status pc_wording(pc_str *out, const char *text, size_t length, size_t *count)
{
    size_t words = 0;
    bool open = false; /* a word that further characters belong to */
    for (size_t i = 0; i < length;) {
        unsigned c;
        char bytes[4];
        int used = pc_utf8_decode(text + i, length - i, &c);
        i += used > 0 ? (size_t)used : 1;
        if (used == 0 || !in_word(c) || (c == '\'' && !open)) {
            open = false;
            continue;
        }
        if (!open || stands_alone(c)) {
            PC_TRY(out->length ? pc_str_putc(out, ' ') : PC_OK);
            words++;
        }
        open = !stands_alone(c);
        int wide = pc_utf8_encode((unsigned)utf8proc_tolower((utf8proc_int32_t)c), bytes);
        PC_TRY(pc_str_add(out, bytes, (size_t)wide));
    }
    if (count) {
        *count = words;
    }
    return PC_OK;
}
