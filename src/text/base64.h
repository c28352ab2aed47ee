/* Base64 (RFC 4648, section 4), strict. Internal to text/. */
#ifndef PC_TEXT_BASE64_H
#define PC_TEXT_BASE64_H

#include <stddef.h>

/* Decode text[0..length) to out, which has room for length / 4 * 3 bytes; the bytes written, or SIZE_MAX when malformed. */
size_t pc_base64_decode(const char *text, size_t length, unsigned char *out);

#endif
