/* PCRE2 under limits. The pattern is rewritten into PCRE2's syntax:
 *
 *   \s \S \w \d \h \v  -> what Oniguruma means by them for Unicode text
 *   \p{L}              -> with the characters that are newer than PCRE2's tables
 *   \p{Han}            -> \p{sc:Han}: the script, not the extended one
 *
 * Refused, since the engines differ: \b \B \K \R \X \G \Z, back references, nested and POSIX classes, &&, {,n}, {n,m}+,
 * flags but i and x, flags in the middle, and under i letters that fold with several others (ss, st, ff, fi, fl).
 * ^ and $ match at each line, as in Ruby.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/regex.h"

#include "base/memory.h"
#include "text/unicode.h"
#include "text/unicode_table.h"

#include <ctype.h>
#include <pcre2.h>
#include <stdio.h>
#include <string.h>

enum { MATCH_LIMIT = 2000000, HEAP_LIMIT = 65536 /* KiB */, LONGEST_PATTERN = 16384 };

struct pc_regex {
    pcre2_code *code;
    pcre2_match_context *limits;
};

struct pc_regex_work {
    pcre2_match_data *match;
};

static void *allocate(PCRE2_SIZE size, void *context)
{
    (void)context;
    return pc_calloc(1, size);
}

static void release(void *block, void *context)
{
    (void)context;
    pc_free(block);
}

/* ---- the pattern in PCRE2's syntax ---- */

typedef struct rewriting {
    const char *pattern;
    size_t at;
    pc_str out;
    bool in_class;
    const char *where;
} rewriting;

static pc_status refuse(const rewriting *r, const char *what)
{
    return pc_fail(PC_ERR_DATA, "%s: in the pattern %.200s %s is not supported", r->where, r->pattern, what);
}

#define SPACES "\\t-\\r\\x20\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
#define WORD "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}\\x{24b6}-\\x{24e9}\\x{1f130}-\\x{1f149}" \
             "\\x{1f150}-\\x{1f169}\\x{1f170}-\\x{1f189}"

/* Append the characters of a category that are newer than PCRE2's tables. */
static pc_status add_newer(rewriting *r, const char *category)
{
    for (const pc_char_newer *newer = pc_char_newer_tables; newer->category; newer++) {
        for (size_t i = 0; strcmp(newer->category, category) == 0 && i < newer->count; i++) {
            PC_TRY(pc_str_printf(&r->out, "\\x{%x}-\\x{%x}", newer->ranges[i].first, newer->ranges[i].last));
        }
    }
    return PC_OK;
}

/* Items of a class: in brackets unless there are some. newer: categories whose newer characters belong to it. */
static pc_status add_items(rewriting *r, const char *items, bool negative, const char *const *newer)
{
    if (negative && r->in_class) {
        return refuse(r, "a negated class within a class");
    }
    PC_TRY(pc_str_puts(&r->out, r->in_class ? "" : negative ? "[^" : "["));
    PC_TRY(pc_str_puts(&r->out, items));
    for (; newer && *newer; newer++) {
        PC_TRY(add_newer(r, *newer));
    }
    return pc_str_puts(&r->out, r->in_class ? "" : "]");
}

/* \p{...} at r->at, which is behind the p. */
static pc_status add_property(rewriting *r, bool negative)
{
    char name[32], item[40];
    const char *text = r->pattern + r->at;
    size_t length = text[0] == '{' ? strcspn(text, "}") : 0;
    if (length < 2 || text[length] != '}' || length > sizeof name) {
        return refuse(r, "\\p without a name in braces");
    }
    bool inverted = text[1] == '^';
    snprintf(name, sizeof name, "%.*s", (int)(length - 1 - inverted), text + 1 + inverted);
    r->at += length + 1;
    if (strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_") != strlen(name) || !name[0]) {
        return refuse(r, "a property by this name");
    }
    bool category = strlen(name) <= 2 && strchr("LMNPSZC", name[0]);
    const char *const newer[] = {name, NULL};
    snprintf(item, sizeof item, "\\p{%s%s}", category ? "" : "sc:", name);
    return add_items(r, item, negative != inverted, newer);
}

/* \x41, \x{1f600}, \u4e00 */
static pc_status add_code(rewriting *r, char kind)
{
    const char *text = r->pattern + r->at;
    bool braces = kind == 'x' && text[0] == '{';
    size_t digits = 0, most = braces ? 6 : kind == 'x' ? 2 : 4;
    while (digits < most && isxdigit((unsigned char)text[braces + digits])) {
        digits++;
    }
    bool whole = digits > 0 && (braces ? text[1 + digits] == '}' : digits == most);
    if (!whole || (kind == 'x' && !braces && text[0] > '7')) {
        return refuse(r, "this way to write a code point");
    }
    r->at += digits + 2 * (size_t)braces;
    return pc_str_printf(&r->out, "\\x{%.*s}", (int)digits, text + braces);
}

static pc_status add_escape(rewriting *r)
{
    char c = r->pattern[++r->at];
    char what[] = {'\\', c, '\0'};
    static const char *const words[] = {"L", "M", "Nd", NULL}, *const digits[] = {"Nd", NULL};
    r->at += c != '\0';
    switch (c) {
    case 's':
    case 'S': return add_items(r, SPACES, c == 'S', NULL);
    case 'w':
    case 'W': return add_items(r, WORD, c == 'W', words);
    case 'd':
    case 'D': return add_items(r, "\\p{Nd}", c == 'D', digits);
    case 'h':
    case 'H': return add_items(r, "0-9a-fA-F", c == 'H', NULL);
    case 'v': return pc_str_puts(&r->out, "\\x0b");
    case 'p':
    case 'P': return add_property(r, c == 'P');
    case 'x':
    case 'u': return add_code(r, c);
    case 't':
    case 'n':
    case 'r':
    case 'f':
    case 'a':
    case 'e': return pc_str_add(&r->out, what, 2);
    case 'A':
    case 'z': return r->in_class ? refuse(r, what) : pc_str_add(&r->out, what, 2);
    default:
        if (c == '\0' || isalnum((unsigned char)c) || (unsigned char)c >= 128) {
            return refuse(r, c ? what : "a backslash at the end");
        }
        return pc_str_add(&r->out, what, 2);
    }
}

/* {n}, {n,}, {n,m}; other braces are themselves. */
static pc_status add_brace(rewriting *r)
{
    const char *text = r->pattern + r->at;
    size_t low = strspn(text + 1, "0123456789"), end = 1 + low;
    if (text[1] == ',' ) {
        return refuse(r, "{,n}");
    }
    end += low > 0 && text[end] == ',' ? 1 + strspn(text + end + 1, "0123456789") : 0;
    if (low == 0 || text[end] != '}') {
        r->at++;
        return pc_str_puts(&r->out, "\\{");
    }
    if (text[end + 1] == '+') {
        return refuse(r, "a possessive {n,m}+");
    }
    r->at += end + 1;
    return pc_str_add(&r->out, text, end + 1);
}

/* Letters that fold with several characters; conservative: anywhere behind the flag. */
static bool folds_together(const char *text)
{
    static const char *const pairs[] = {"ss", "st", "ff", "fi", "fl"};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        if (strcasestr(text, pairs[i])) {
            return true;
        }
    }
    return false;
}

static pc_status add_group(rewriting *r)
{
    const char *text = r->pattern + r->at;
    static const char *const plain[] = {"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>"};
    if (text[1] == '*') {
        return refuse(r, "(*");
    }
    for (size_t i = 0; text[1] == '?' && i < sizeof plain / sizeof plain[0]; i++) {
        if (pc_starts_with(text, plain[i])) {
            r->at += strlen(plain[i]);
            return pc_str_puts(&r->out, plain[i]);
        }
    }
    if (text[1] == '?') {
        size_t flags = strspn(text + 2, "ix-"), end = 2 + flags;
        if ((text[end] != ':' && !(text[end] == ')' && r->at == 0)) || flags == 0) {
            return refuse(r, "a group that begins with (?");
        }
        if (memchr(text + 2, 'i', flags) && folds_together(text)) {
            return refuse(r, "(?i) with ss, st, ff, fi or fl");
        }
        r->at += end + 1;
        return pc_str_add(&r->out, text, end + 1);
    }
    r->at++;
    return pc_str_putc(&r->out, '(');
}

static pc_status add_in_class(rewriting *r)
{
    const char *text = r->pattern + r->at;
    if (text[0] == '[') {
        return refuse(r, "a class within a class");
    }
    if (text[0] == '&' && text[1] == '&') {
        return refuse(r, "&&");
    }
    r->in_class = text[0] != ']';
    r->at++;
    return pc_str_putc(&r->out, text[0]);
}

static pc_status begin_class(rewriting *r)
{
    const char *text = r->pattern + r->at;
    size_t size = text[1] == '^' ? 2 : 1;
    if (text[size] == ']') {
        return refuse(r, "a class that begins with ]");
    }
    r->in_class = true;
    r->at += size;
    return pc_str_add(&r->out, text, size);
}

static pc_status rewrite(rewriting *r)
{
    while (r->pattern[r->at]) {
        char c = r->pattern[r->at];
        if (c == '\\') {
            PC_TRY(add_escape(r));
        } else if (r->in_class) {
            PC_TRY(add_in_class(r));
        } else if (c == '[') {
            PC_TRY(begin_class(r));
        } else if (c == '(') {
            PC_TRY(add_group(r));
        } else if (c == '{') {
            PC_TRY(add_brace(r));
        } else {
            PC_TRY(pc_str_putc(&r->out, c));
            r->at++;
        }
    }
    return r->in_class ? refuse(r, "a class without an end") : PC_OK;
}

/* ---- compiling and matching ---- */

static pc_status compile(pc_regex *regex, const pc_str *pattern, const char *where)
{
    int error = 0;
    PCRE2_SIZE offset = 0;
    pcre2_general_context *general = pcre2_general_context_create(allocate, release, NULL);
    pcre2_compile_context *context = general ? pcre2_compile_context_create(general) : NULL;
    regex->limits = general ? pcre2_match_context_create(general) : NULL;
    if (context && regex->limits) {
        pcre2_set_newline(context, PCRE2_NEWLINE_LF);
        pcre2_set_parens_nest_limit(context, 100);
        pcre2_set_match_limit(regex->limits, MATCH_LIMIT);
        pcre2_set_heap_limit(regex->limits, HEAP_LIMIT);
        regex->code = pcre2_compile((PCRE2_SPTR)(pattern->data ? pattern->data : ""), pattern->length,
                                    PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error, &offset,
                                    context);
    } else {
        error = PCRE2_ERROR_HEAP_FAILED;
    }
    pcre2_compile_context_free(context);
    pcre2_general_context_free(general);
    if (regex->code) {
        (void)pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE); /* without it the interpreter matches */
        return PC_OK;
    }
    if (error == PCRE2_ERROR_HEAP_FAILED) {
        return pc_fail_memory(pattern->length, "pattern");
    }
    char message[128] = "";
    pcre2_get_error_message(error, (PCRE2_UCHAR *)message, sizeof message);
    return pc_fail(PC_ERR_DATA, "%s: the pattern %.200s is not supported: %s at byte %zu of its PCRE2 form", where,
                   pattern->data ? pattern->data : "", message, offset);
}

pc_status pc_regex_new(pc_regex **out, const char *pattern, const char *where)
{
    rewriting r = {.pattern = pattern, .where = where};
    pc_regex *regex = NULL;
    pc_status status;
    *out = NULL;
    if (strlen(pattern) > LONGEST_PATTERN) {
        return pc_fail(PC_ERR_DATA, "%s: a pattern of %zu bytes is too long", where, strlen(pattern));
    }
    PC_GO(rewrite(&r));
    PC_GO(PC_NEW(regex, "pattern"));
    PC_GO(compile(regex, &r.out, where));
    *out = regex;
    regex = NULL;
done:
    pc_str_clear(&r.out);
    pc_regex_free(regex);
    return status;
}

void pc_regex_free(pc_regex *regex)
{
    if (regex) {
        pcre2_code_free(regex->code);
        pcre2_match_context_free(regex->limits);
        pc_free(regex);
    }
}

static pc_status prepare(pc_text_work *work)
{
    if (work->regex) {
        return PC_OK;
    }
    struct pc_regex_work *fresh = NULL;
    PC_TRY(PC_NEW(fresh, "pattern matching"));
    pcre2_general_context *general = pcre2_general_context_create(allocate, release, NULL);
    fresh->match = general ? pcre2_match_data_create(1, general) : NULL;
    pcre2_general_context_free(general);
    if (!fresh->match) {
        pc_free(fresh);
        return pc_fail_memory(sizeof *fresh, "pattern matching");
    }
    work->regex = fresh;
    return PC_OK;
}

void pc_regex_work_free(struct pc_regex_work *work)
{
    if (work) {
        pcre2_match_data_free(work->match);
        pc_free(work);
    }
}

pc_status pc_regex_find(const pc_regex *regex, const char *text, size_t length, size_t from, pc_text_work *work,
                        size_t *start, size_t *end, bool *found)
{
    PC_TRY(prepare(work));
    int count = pcre2_match(regex->code, (PCRE2_SPTR)text, length, from, PCRE2_NO_UTF_CHECK, work->regex->match,
                            regex->limits);
    *found = count >= 0;
    if (count == PCRE2_ERROR_NOMATCH) {
        return PC_OK;
    }
    if (count == PCRE2_ERROR_NOMEMORY) {
        return pc_fail_memory(length, "pattern matching");
    }
    if (count < 0) {
        return pc_fail(PC_ERR_DATA, "the tokenizer's pattern takes too many steps at byte %zu of the text", from);
    }
    const PCRE2_SIZE *bounds = pcre2_get_ovector_pointer(work->regex->match);
    *start = bounds[0];
    *end = bounds[1] < bounds[0] ? bounds[0] : bounds[1];
    return PC_OK;
}

/* ---- cutting ---- */

void pc_regex_scan_init(pc_regex_scan *scan, const pc_regex *regex, const char *text, size_t length)
{
    *scan = (pc_regex_scan){.regex = regex, .text = text, .length = length, .last_match = SIZE_MAX,
                            .valid_end = pc_utf8_valid_prefix(text, length)};
}

/* The next match of the stretch; `exhausted` when there is none. An empty match right behind another one doesn't count. */
static pc_status search(pc_regex_scan *scan, pc_text_work *work)
{
    const char *text = scan->text + scan->valid_start;
    size_t length = scan->valid_end - scan->valid_start;
    while (!scan->pending && !scan->exhausted) {
        size_t from = scan->search - scan->valid_start, start = 0, end = 0;
        bool found = from <= length;
        if (found) {
            PC_TRY(pc_regex_find(scan->regex, text, length, from, work, &start, &end, &found));
        }
        scan->exhausted = !found;
        if (found && start == end && scan->last_match == scan->valid_start + end) {
            scan->search += from < length ? (size_t)pc_char_size(text, length, from) : 1;
        } else if (found) {
            scan->pending = true;
            scan->start = scan->valid_start + start;
            scan->end = scan->last_match = scan->search = scan->valid_start + end;
        }
    }
    return PC_OK;
}

pc_status pc_regex_scan_next(pc_regex_scan *scan, pc_text_work *work, size_t *start, size_t *end, bool *match, bool *more)
{
    PC_TRY(search(scan, work));
    *more = true;
    *match = false;
    *start = scan->at;
    if (scan->pending) {
        *match = scan->start == scan->at;
        *end = *match ? scan->end : scan->start;
        scan->pending = !*match;
    } else if (scan->at < scan->valid_end) {
        *end = scan->valid_end;
    } else if (scan->at < scan->length) {
        *end = scan->at + 1; /* a malformed byte; behind it another stretch begins */
        scan->valid_start = scan->search = *end;
        scan->valid_end = *end + pc_utf8_valid_prefix(scan->text + *end, scan->length - *end);
        scan->last_match = SIZE_MAX;
        scan->exhausted = false;
    } else {
        *end = scan->at;
        *more = false;
    }
    scan->at = *end;
    return PC_OK;
}
