/* Edits of GGUF files that know where lengths, counts, types and offsets stand; used by mutant.c. */
#ifndef PC_TESTS_SUPPORT_MUTANT_GGUF_H
#define PC_TESTS_SUPPORT_MUTANT_GGUF_H

#include "base/rng.h"

#include <stdbool.h>
#include <stddef.h>

bool pc_mutant_is_gguf(const unsigned char *bytes, size_t size);
/* Change one field, or copy or remove one key or tensor; bytes has room for `capacity`. Returns what was done. */
const char *pc_mutant_edit_gguf(unsigned char *bytes, size_t *size, size_t capacity, pc_rng *rng);

#endif
