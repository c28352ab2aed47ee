/* Exact match: the strictest way to compare an answer with the truth. */
#ifndef PC_PROMPT_MATCH_H
#define PC_PROMPT_MATCH_H

#include "base/str.h"

/* Append text[0..length) as it is compared: ASCII letters in lower case, white space trimmed at
 * both ends, one period at the end dropped (and white space before it). */
pc_status pc_match_normalise(pc_str *out, const char *text, size_t length);

/* *same = both texts are equal when normalised. NULL counts as "". */
pc_status pc_match_exact(const char *answer, const char *truth, bool *same);

#endif
