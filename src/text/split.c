/* Scanners for the patterns that byte-level BPE models use, written as the alternatives of the expression are tried:
 *
 *   GPT-2    '(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 *   LLaMA-3  (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*
 *            |\s*[\r\n]+|\s+(?!\S)|\s+
 *   Qwen2    the same with \p{N} alone
 *   o200k    [^\r\n\p{L}\p{N}]?A*B+E?|[^\r\n\p{L}\p{N}]?A+B*E?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|...
 *            with A = [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}], B = [\p{Ll}\p{Lm}\p{Lo}\p{M}], E = (?i:'s|'t|'re|'ve|'m|'ll|'d)
 *
 * Easy to get wrong: white space before a word leaves its last character to that word; `\s*[\r\n]+` ends behind the last
 * line break of the run, not the first; in (?i:'s) the long s U+017F counts as s.
 */
#include "text/split.h"

#include "text/unicode.h"

#include <string.h>

/* End of the run of characters of class `class` (0: neither letter, number nor space) from `at`. */
static size_t run_end(const char *text, size_t length, size_t at, unsigned class)
{
    int size;
    while (at < length) {
        unsigned found = pc_char_class(text, length, at, &size);
        if (class == 0 ? found != 0 : (found & class) == 0) {
            break;
        }
        at += (size_t)size;
    }
    return at;
}

/* \s+(?!\S)|\s+ : a run of white space, without its last character when a word follows and something remains. */
static size_t space_run(const char *text, size_t length, size_t at)
{
    size_t last = at, end = at;
    int size;
    while (end < length && (pc_char_class(text, length, end, &size) & PC_CHAR_SPACE)) {
        last = end;
        end += (size_t)size;
    }
    return end < length && last > at ? last : end;
}

static char fold(char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (char)(byte + 32) : byte;
}

/* End of 's 't 'm 'd 're 've 'll at `at`, or 0. */
static size_t contraction(const char *text, size_t length, size_t at, bool ignore_case)
{
    if (text[at] != '\'' || length - at < 2) {
        return 0;
    }
    const char *rest = text + at + 1;
    size_t left = length - at - 1;
    char first = ignore_case ? fold(rest[0]) : rest[0];
    char second = left > 1 ? (ignore_case ? fold(rest[1]) : rest[1]) : '\0';
    if (first == 's' || first == 't' || first == 'm' || first == 'd') {
        return at + 2;
    }
    if ((first == 'r' && second == 'e') || (first == 'v' && second == 'e') || (first == 'l' && second == 'l')) {
        return at + 3;
    }
    return ignore_case && left > 1 && memcmp(rest, "\xc5\xbf", 2) == 0 ? at + 3 : 0;
}

size_t pc_split_gpt2(const char *text, size_t length, size_t at)
{
    size_t end = contraction(text, length, at, false);
    if (end) {
        return end;
    }
    size_t body = text[at] == ' ' && at + 1 < length ? at + 1 : at;
    int size;
    unsigned class = pc_char_class(text, length, body, &size);
    if (class & PC_CHAR_SPACE) {
        return space_run(text, length, at);
    }
    return run_end(text, length, body + (size_t)size, class);
}

static size_t split_modern(const char *text, size_t length, size_t at, int digits)
{
    size_t end = contraction(text, length, at, true);
    if (end) {
        return end;
    }
    int size, next_size = 0;
    unsigned class = pc_char_class(text, length, at, &size);
    size_t next = at + (size_t)size;
    if (class & PC_CHAR_LETTER) {
        return run_end(text, length, next, PC_CHAR_LETTER);
    }
    if (class & PC_CHAR_NUMBER) {
        while (--digits > 0 && next < length && (pc_char_class(text, length, next, &size) & PC_CHAR_NUMBER)) {
            next += (size_t)size;
        }
        return next;
    }
    unsigned next_class = next < length ? pc_char_class(text, length, next, &next_size) : PC_CHAR_SPACE;
    if (!(class & PC_CHAR_NEWLINE) && (next_class & PC_CHAR_LETTER)) {
        return run_end(text, length, next + (size_t)next_size, PC_CHAR_LETTER);
    }
    if (class == 0 || (text[at] == ' ' && next_class == 0)) {
        end = run_end(text, length, next, 0);
        return run_end(text, length, end, PC_CHAR_NEWLINE);
    }
    size_t line_end = 0;
    for (end = at; end < length && (pc_char_class(text, length, end, &size) & PC_CHAR_SPACE); end += (size_t)size) {
        line_end = text[end] == '\n' || text[end] == '\r' ? end + 1 : line_end;
    }
    return line_end ? line_end : space_run(text, length, at);
}

static size_t split_llama3(const char *text, size_t length, size_t at)
{
    return split_modern(text, length, at, 3);
}

size_t pc_split_qwen2(const char *text, size_t length, size_t at)
{
    return split_modern(text, length, at, 1);
}

/* End of the run of characters with a case bit; *last = end of the last of them that has the other bit as well (0: none). */
static size_t case_run(const char *text, size_t length, size_t at, unsigned bit, size_t *last)
{
    int size;
    while (at < length) {
        unsigned found = pc_char_case(text, length, at, &size);
        if (!(found & bit)) {
            break;
        }
        at += (size_t)size;
        *last = found & ~bit ? at : *last;
    }
    return at;
}

/* [upper]*[lower]+ from `at`, or 0; *upper = end of [upper]*. A character of both kinds may end the first run or begin the
 * second: when nothing that is lower alone follows, the last such character is the second. */
static size_t cased_word(const char *text, size_t length, size_t at, size_t *upper)
{
    size_t both = 0, unused = 0;
    *upper = case_run(text, length, at, PC_CASE_UPPER, &both);
    size_t lower = case_run(text, length, *upper, PC_CASE_LOWER, &unused);
    return lower > *upper ? lower : both;
}

/* o200k: words with one leading mark or space, cut where capitals follow small letters, contractions at their end. */
static size_t split_o200k(const char *text, size_t length, size_t at)
{
    int size;
    unsigned class = pc_char_class(text, length, at, &size);
    bool mark = !(class & (PC_CHAR_LETTER | PC_CHAR_NUMBER | PC_CHAR_NEWLINE));
    size_t next = at + (size_t)size, behind_mark = next, from_here = at, end = 0;
    end = mark ? cased_word(text, length, next, &behind_mark) : 0;
    end = end ? end : cased_word(text, length, at, &from_here);
    if (!end && mark && behind_mark > next) {
        end = behind_mark;
    }
    end = end ? end : from_here > at ? from_here : 0;
    if (end) {
        size_t more = end < length ? contraction(text, length, end, true) : 0;
        return more ? more : end;
    }
    if (class & PC_CHAR_NUMBER || class & PC_CHAR_SPACE) {
        bool word = text[at] == ' ' && next < length && pc_char_class(text, length, next, &size) == 0;
        if (!word) {
            return split_modern(text, length, at, 3);
        }
    }
    end = run_end(text, length, next, 0);
    while (end < length && (text[end] == '\r' || text[end] == '\n' || text[end] == '/')) {
        end++;
    }
    return end;
}

size_t pc_split_each_digit(const char *text, size_t length, size_t at)
{
    int size;
    if (pc_char_class(text, length, at, &size) & PC_CHAR_NUMBER) {
        return at + (size_t)size;
    }
    return pc_split_digit_runs(text, length, at);
}

size_t pc_split_digit_runs(const char *text, size_t length, size_t at)
{
    int size;
    unsigned number = pc_char_class(text, length, at, &size) & PC_CHAR_NUMBER;
    do {
        at += (size_t)size;
    } while (at < length && (pc_char_class(text, length, at, &size) & PC_CHAR_NUMBER) == number);
    return at;
}

#define REST "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|"
#define MARKS "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define ENGLISH "(?i:'s|'t|'re|'ve|'m|'ll|'d)|"

#define ENDING "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
#define O200K \
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+" ENDING \
    "|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*" ENDING \
    "|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

/* The spellings of an expression that published tokenizers use. The first of a name is the one that is written. */
static const pc_split_pattern patterns[] = {
    {"gpt2", "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", pc_split_gpt2, true},
    {"gpt2", "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", pc_split_gpt2, true},
    {"gpt2", "'(?:[sdmt]|ll|ve|re)| ?\\p{L}++| ?\\p{N}++| ?[^\\s\\p{L}\\p{N}]++|\\s++$|\\s+(?!\\S)|\\s", pc_split_gpt2,
     true},
    {"llama3", ENGLISH REST "\\p{N}{1,3}" MARKS, split_llama3, true},
    {"llama3",
     "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*"
     "|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+",
     split_llama3, true},
    {"qwen2", ENGLISH REST "\\p{N}" MARKS, pc_split_qwen2, true},
    {"o200k", O200K, split_o200k, true},
    {"each-digit", "\\p{N}", pc_split_each_digit, false},
    {"digit-runs", "\\p{N}+", pc_split_digit_runs, false},
};

enum { PATTERNS = sizeof patterns / sizeof patterns[0] };

const pc_split_pattern *pc_split_find(const char *regex)
{
    for (int i = 0; i < PATTERNS; i++) {
        if (strcmp(patterns[i].regex, regex) == 0) {
            return &patterns[i];
        }
    }
    return NULL;
}

const pc_split_pattern *pc_split_by_name(const char *name)
{
    for (int i = 0; i < PATTERNS; i++) {
        if (strcmp(patterns[i].name, name) == 0) {
            return &patterns[i];
        }
    }
    return NULL;
}
