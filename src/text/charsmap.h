/* SentencePiece's precompiled charsmap: a table of strings and what they become, as a double array (Aoe 1989, in the layout
 * of darts-clone) with the results behind it. Internal to text/.
 *
 * File format: u32 bytes of the array; that many bytes of u32 units; strings, each with a NUL behind it.
 */
#ifndef PC_TEXT_CHARSMAP_H
#define PC_TEXT_CHARSMAP_H

#include "base/status.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pc_charsmap {
    uint32_t *units;
    size_t unit_count; /* 0: no table, nothing changes */
    char *results;     /* result_size bytes, and a NUL behind them */
    size_t result_size;
} pc_charsmap;

/* Copies. PC_ERR_DATA when the sizes don't fit together. */
pc_status pc_charsmap_read(pc_charsmap *out, const void *bytes, size_t size, const char *where);
/* The same from the base64 of a tokenizer.json. */
pc_status pc_charsmap_read_base64(pc_charsmap *out, const char *text, size_t length, const char *where);
void pc_charsmap_clear(pc_charsmap *map);

/* The longest (or shortest) string of the table that text begins with: its bytes, *result what it becomes (borrowed);
 * 0: none. */
size_t pc_charsmap_find(const pc_charsmap *map, const char *text, size_t length, bool shortest, const char **result,
                        size_t *result_length);
/* Append text with the table applied as the normalizer Precompiled of `tokenizers` does: to each grapheme of less than six
 * bytes, else to its characters, the shortest match in place of the whole. */
pc_status pc_charsmap_graphemes(const pc_charsmap *map, const char *text, size_t length, pc_str *out);

#endif
