/* A hash table from names to positions in a caller's array, and names as they may stand in a
 * message.
 *
 * The array's elements begin with a `const char *`; the table holds only positions, so that it
 * costs four bytes a slot. Its hash is seeded at random for each table: a file cannot prepare names
 * that collide.
 */
#ifndef PC_STORE_NAMES_H
#define PC_STORE_NAMES_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

#define PC_NAMES_NONE SIZE_MAX

typedef struct pc_names {
    uint32_t *slots; /* position + 1, 0 = empty */
    size_t mask;     /* slots - 1, a power of two minus one */
    size_t used;
    uint64_t seed;
} pc_names;

/* Room for `capacity` names. */
pc_status pc_names_init(pc_names *table, size_t capacity, const char *what);
void pc_names_clear(pc_names *table);
/* Add element `position` of `elements`; returns the position that has this name already, or
 * PC_NAMES_NONE when it is new. Must not be called more often than `capacity` allows with new
 * names. */
size_t pc_names_add(pc_names *table, const void *elements, size_t stride, size_t position);
/* Position of name, or PC_NAMES_NONE. */
size_t pc_names_find(const pc_names *table, const void *elements, size_t stride, const char *name);

/* A name from a file for a message: control characters become '?', long names are cut in the
 * middle. Returns out. */
const char *pc_name_text(const char *name, char out[96]);

#endif
