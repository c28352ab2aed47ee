#include "text/base64.h"

#include <stdint.h>

static int value_of(char c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

size_t pc_base64_decode(const char *text, size_t length, unsigned char *out)
{
    size_t used = 0;
    if (length % 4 != 0) {
        return SIZE_MAX;
    }
    for (size_t at = 0; at < length; at += 4) {
        uint32_t bits = 0;
        int pads = at + 4 < length ? 0 : (text[at + 3] == '=') + (text[at + 3] == '=' && text[at + 2] == '=');
        for (int i = 0; i < 4; i++) {
            int value = i < 4 - pads ? value_of(text[at + (size_t)i]) : 0;
            if (value < 0) {
                return SIZE_MAX;
            }
            bits = bits << 6 | (uint32_t)value;
        }
        for (int i = 0; i < 3 - pads; i++) {
            out[used++] = (unsigned char)(bits >> (16 - 8 * i));
        }
    }
    return used;
}
