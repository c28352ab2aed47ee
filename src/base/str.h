/* A growing byte string. Initialise with {0}; release with pc_str_clear. Always NUL-terminated once non-empty. */
#ifndef PC_BASE_STR_H
#define PC_BASE_STR_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct pc_str {
    char *data;      /* NULL while empty and never grown */
    size_t length;   /* bytes, without the NUL */
    size_t capacity; /* bytes */
} pc_str;

pc_status pc_str_add(pc_str *string, const char *bytes, size_t length);
pc_status pc_str_puts(pc_str *string, const char *text);
pc_status pc_str_putc(pc_str *string, char byte);
pc_status pc_str_printf(pc_str *string, const char *format, ...) __attribute__((format(printf, 2, 3)));
void pc_str_reset(pc_str *string); /* length 0, memory kept */
void pc_str_clear(pc_str *string); /* memory released */

bool pc_starts_with(const char *text, const char *prefix);
bool pc_ends_with(const char *text, const char *suffix);

/* The name in `names` (count entries, `stride` bytes apart, each beginning with a char pointer) nearest to `name`
 * by edit distance, or NULL when none is near: the "did you mean" of every unknown key. */
const char *pc_nearest_name(const char *name, const void *names, size_t count, size_t stride);

/* Strict UTF-8: decode one code point from text[0..length). Returns bytes used (1..4), or 0 when malformed. */
int pc_utf8_decode(const char *text, size_t length, unsigned *code_point);
/* Encode; returns bytes written (1..4) to out[4]. */
int pc_utf8_encode(unsigned code_point, char out[4]);
/* Byte offset of the first malformed sequence, or length when all is well formed. */
size_t pc_utf8_valid_prefix(const char *text, size_t length);

#endif
