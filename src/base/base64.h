/* Base64 as data: URLs and requests carry it (RFC 4648, section 4). */
#ifndef PC_BASE_BASE64_H
#define PC_BASE_BASE64_H

#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

/* Strict: padding where it belongs, no other characters, unused bits zero. *out (pc_free) = *size bytes; an empty text
 * gives 0 of them. PC_ERR_DATA names the offset. */
pc_status pc_base64_decode(uint8_t **out, size_t *size, const char *text, size_t length);

/* Append the base64 of bytes[size], padded, without line ends. */
pc_status pc_base64_encode(pc_str *out, const void *bytes, size_t size);

#endif
