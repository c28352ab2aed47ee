#include "base/base64.h"

#include "base/memory.h"

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static pc_status decode(uint8_t *out, const char *text, size_t digits)
{
    uint32_t bits = 0;
    int held = 0;
    for (size_t i = 0; i < digits; i++) {
        int value = value_of(text[i]);
        if (value < 0) {
            return pc_fail(PC_ERR_DATA, "byte 0x%02x at offset %zu is no base64", (unsigned char)text[i], i);
        }
        bits = bits << 6 | (uint32_t)value;
        held += 6;
        if (held >= 8) {
            held -= 8;
            *out++ = (uint8_t)(bits >> held);
        }
    }
    return bits & ((1u << held) - 1) ? pc_fail(PC_ERR_DATA, "base64 with bits behind its end") : PC_OK;
}

pc_status pc_base64_decode(uint8_t **out, size_t *size, const char *text, size_t length)
{
    size_t digits = length;
    *out = NULL;
    *size = 0;
    while (digits > 0 && length - digits < 2 && text[digits - 1] == '=') {
        digits--;
    }
    if (length % 4 || digits % 4 == 1) {
        return pc_fail(PC_ERR_DATA, "base64 of %zu characters is not whole", length);
    }
    PC_TRY(pc_new_array(out, digits / 4 * 3 + 3, 1, "base64"));
    pc_status status = decode(*out, text, digits);
    if (status != PC_OK) {
        pc_free(*out);
        *out = NULL;
        return status;
    }
    *size = digits * 3 / 4;
    return PC_OK;
}

pc_status pc_base64_encode(pc_str *out, const void *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *at = bytes;
    for (size_t i = 0; i < size; i += 3) {
        size_t here = size - i < 3 ? size - i : 3;
        uint32_t bits = (uint32_t)at[i] << 16 | (here > 1 ? (uint32_t)at[i + 1] << 8 : 0) | (here > 2 ? at[i + 2] : 0);
        char four[4];
        for (size_t d = 0; d < 4; d++) {
            four[d] = d <= here ? digits[bits >> (18 - 6 * d) & 63] : '=';
        }
        PC_TRY(pc_str_add(out, four, 4));
    }
    return PC_OK;
}
