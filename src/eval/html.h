/* Text in pages. */
#ifndef PC_EVAL_HTML_H
#define PC_EVAL_HTML_H

#include "base/str.h"

/* Append a text with the characters that HTML gives a meaning to escaped. */
pc_status pc_html_text(pc_str *out, const char *text);

#endif
