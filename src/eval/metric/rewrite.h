/* Texts rewritten by tables of regular expressions: how scorers normalise words. */
#ifndef PC_EVAL_METRIC_REWRITE_H
#define PC_EVAL_METRIC_REWRITE_H

#include "base/str.h"

#include <stdbool.h>

/* PCRE2's syntax over UTF-8; $1 in the replacement is the first group, a group that took no part is empty. */
typedef struct pc_rewrite {
    const char *pattern, *replacement;
} pc_rewrite;

typedef struct pc_rewriter pc_rewriter;

/* The rules are constants of the program. */
pc_status pc_rewriter_new(pc_rewriter **out, const pc_rewrite *rules, size_t count);
void pc_rewriter_free(pc_rewriter *rewriter); /* NULL is fine */

/* Apply every rule, each wherever it fits, in order. PC_ERR_DATA for a text that is no UTF-8. */
pc_status pc_rewrite_all(const pc_rewriter *rewriter, pc_str *text);
/* Apply the first rule that fits, and no other. */
pc_status pc_rewrite_first(const pc_rewriter *rewriter, pc_str *text);

/* The first place in text[from..length) where a rule's pattern fits: [*start, *end). *found = false when there is none. */
pc_status pc_rewrite_find(const pc_rewriter *rewriter, size_t rule, const pc_str *text, size_t from, size_t *start, size_t *end,
                          bool *found);

#endif
