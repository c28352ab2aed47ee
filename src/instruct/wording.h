/* Texts as words that can be counted: lower case, without punctuation, East Asian characters each a word of its own.
 *
 * Chinese and Japanese write no blanks between words; cutting them by a dictionary would make every figure depend on it. */
#ifndef PC_INSTRUCT_WORDING_H
#define PC_INSTRUCT_WORDING_H

#include "base/str.h"

/* Append the words of text[0..length), valid UTF-8, with one blank between them; *count (or NULL) = how many. Bytes that are not
 * UTF-8 are passed over. */
pc_status pc_wording(pc_str *out, const char *text, size_t length, size_t *count);

#endif
