/* Edits that know YAML's lines: keys, values, indentation, documents, anchors. Internal to the mutants. */
#ifndef PC_TESTS_SUPPORT_MUTANT_YAML_H
#define PC_TESTS_SUPPORT_MUTANT_YAML_H

#include "base/rng.h"

#include <stdbool.h>
#include <stddef.h>

/* Does the text open, behind comments, with a line "word: "? */
bool pc_mutant_is_yaml(const unsigned char *bytes, size_t size);
/* One edit of the lines in bytes[size], which has room for `capacity` bytes. Returns what was done; *size is the new
 * size. An edit that finds no place or no room changes nothing. */
const char *pc_mutant_edit_yaml(unsigned char *bytes, size_t *size, size_t capacity, pc_rng *rng);

#endif
