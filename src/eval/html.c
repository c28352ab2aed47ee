#include "eval/html.h"

pc_status pc_html_text(pc_str *out, const char *text)
{
    for (; *text; text++) {
        const char *name = *text == '&' ? "&amp;" : *text == '<' ? "&lt;" : *text == '>' ? "&gt;" : *text == '"' ? "&quot;" : NULL;
        PC_TRY(name ? pc_str_puts(out, name) : pc_str_putc(out, *text));
    }
    return PC_OK;
}
