/* Regular expressions of tokenizer.json that have no scanner: Oniguruma's syntax, as far as it means the same to PCRE2.
 * Internal to text/. */
#ifndef PC_TEXT_REGEX_H
#define PC_TEXT_REGEX_H

#include "text/kind.h"

typedef struct pc_regex pc_regex;

/* PC_ERR_DATA names what isn't supported in the pattern: constructs that the two engines read differently. */
pc_status pc_regex_new(pc_regex **out, const char *pattern, const char *where);
void pc_regex_free(pc_regex *regex); /* NULL is fine */

/* The first match in text[from..length), which is well-formed UTF-8; *found = false when there is none. PC_ERR_DATA when
 * it takes too many steps. */
pc_status pc_regex_find(const pc_regex *regex, const char *text, size_t length, size_t from, pc_text_work *work,
                        size_t *start, size_t *end, bool *found);
void pc_regex_work_free(struct pc_regex_work *work); /* NULL is fine */

/* A text cut at the matches, in order: what lies between them and they themselves. An empty match cuts too. Malformed
 * bytes lie between matches, and no match sees past them. */
typedef struct pc_regex_scan {
    const pc_regex *regex;
    const char *text;
    size_t length, at;
    size_t valid_end;          /* of the well-formed stretch that is searched */
    size_t valid_start;
    size_t start, end;         /* the match that comes next, when `pending` */
    size_t last_match;         /* end of the match before; SIZE_MAX: none */
    size_t search;             /* where the search goes on */
    bool pending, exhausted;
} pc_regex_scan;

void pc_regex_scan_init(pc_regex_scan *scan, const pc_regex *regex, const char *text, size_t length);
/* The next part, text[*start..*end), perhaps empty when it is a match; *more = false at the end. */
pc_status pc_regex_scan_next(pc_regex_scan *scan, pc_text_work *work, size_t *start, size_t *end, bool *match, bool *more);

#endif
