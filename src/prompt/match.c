#include "prompt/match.h"

#include <string.h>

static bool is_space(char byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

static size_t trim_end(const char *text, size_t length)
{
    while (length && is_space(text[length - 1])) {
        length--;
    }
    return length;
}

pc_status pc_match_normalise(pc_str *out, const char *text, size_t length)
{
    length = trim_end(text, length);
    if (length && text[length - 1] == '.') {
        length = trim_end(text, length - 1);
    }
    while (length && is_space(*text)) {
        text++;
        length--;
    }
    for (size_t i = 0; i < length; i++) {
        bool upper = text[i] >= 'A' && text[i] <= 'Z';
        PC_TRY(pc_str_putc(out, (char)(upper ? text[i] - 'A' + 'a' : text[i])));
    }
    return PC_OK;
}

pc_status pc_match_exact(const char *answer, const char *truth, bool *same)
{
    pc_str a = {0}, b = {0};
    pc_status status;
    *same = false;
    PC_GO(pc_match_normalise(&a, answer ? answer : "", answer ? strlen(answer) : 0));
    PC_GO(pc_match_normalise(&b, truth ? truth : "", truth ? strlen(truth) : 0));
    *same = a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
done:
    pc_str_clear(&a);
    pc_str_clear(&b);
    return status;
}
