/* Reading one GGUF file; used by store.c for files and splits. */
#ifndef PC_STORE_GGUF_READ_H
#define PC_STORE_GGUF_READ_H

#include "base/memory.h"
#include "store/gguf.h"
#include "store/header.h"

struct pc_gguf {
    const char *file;
    pc_gguf_value *values;
    size_t count;
    pc_names names;
};

extern const uint8_t pc_gguf_bytes[PC_GGUF_TYPES]; /* of one value; 0: strings and arrays */

static inline uint64_t pc_gguf_little_endian(const uint8_t *bytes, size_t size)
{
    uint64_t value = 0;
    while (size-- > 0) {
        value = value << 8 | bytes[size];
    }
    return value;
}

/* "GGUF" stands in front. */
bool pc_gguf_recognise(const uint8_t *bytes, size_t size);
/* Validate bytes[size) as a whole GGUF file, list its tensors in *out (no metadata) and its keys in *gguf. `file` and the
 * bytes must live as long as they; names are put into `arena`. Free *gguf with pc_gguf_free, also when another step
 * fails later; after a failure of this call both are empty. */
pc_status pc_gguf_read(pc_gguf **gguf, pc_header *out, const uint8_t *bytes, size_t size, const char *file,
                       pc_arena *arena);
void pc_gguf_free(pc_gguf *gguf); /* NULL is fine; the arena stays */

#endif
