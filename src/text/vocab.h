/* The vocabulary: token strings by id, ids by token string. Internal to text/.
 *
 * Strings may hold any byte, NUL too. Two ids may share a string (llama2.c files do); finding gives the first.
 */
#ifndef PC_TEXT_VOCAB_H
#define PC_TEXT_VOCAB_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

enum {
    PC_VOCAB_PRESENT = 1, /* the id has a token; without it the id is a hole */
    PC_VOCAB_SPECIAL = 2, /* control token */
    PC_VOCAB_ADDED = 4,   /* matched as a whole, outside the model */
    PC_VOCAB_OUTSIDE = 8, /* added token that the model's own vocabulary doesn't have */
    PC_VOCAB_BYTE = 16,   /* stands for one byte, and is never found by its string in text */
    PC_VOCAB_FIXED = 32,  /* SentencePiece's user-defined piece: found in the text before anything merges */
    PC_VOCAB_UNUSED = 64, /* SentencePiece's unused piece: may be merged into, but is taken apart again */
};

typedef struct pc_vocab_entry {
    uint32_t offset; /* of the string in bytes */
    uint32_t length; /* bytes */
    uint32_t flags;  /* PC_VOCAB_... */
} pc_vocab_entry;

typedef struct pc_vocab {
    char *bytes; /* the strings, each with a NUL behind it */
    size_t used, bytes_capacity;
    pc_vocab_entry *entries; /* by id */
    size_t count, capacity;  /* largest id + 1 */
    uint32_t *slots;         /* hash table: id + 1, 0 = empty; slot_count is a power of two */
    size_t slot_count, filled;
} pc_vocab;

/* Make room for ids below `count`, so that the table is built once. */
pc_status pc_vocab_reserve(pc_vocab *vocab, size_t count);
/* Give a string to an id that has none; PC_ERR_DATA when it has one, or the id is 2^31 - 1 or larger. */
pc_status pc_vocab_set(pc_vocab *vocab, size_t id, const char *text, size_t length, uint32_t flags);
int32_t pc_vocab_find(const pc_vocab *vocab, const char *text, size_t length); /* -1: none */
void pc_vocab_clear(pc_vocab *vocab);

static inline uint32_t pc_vocab_flags(const pc_vocab *vocab, int64_t id)
{
    return id >= 0 && (uint64_t)id < vocab->count ? vocab->entries[id].flags : 0;
}

/* Like pc_vocab_find, but not for added tokens that the model's own vocabulary doesn't have. */
static inline int32_t pc_vocab_find_model(const pc_vocab *vocab, const char *text, size_t length)
{
    int32_t id = pc_vocab_find(vocab, text, length);
    return id >= 0 && vocab->entries[id].flags & PC_VOCAB_OUTSIDE ? -1 : id;
}

/* Borrowed; id must be present. */
static inline const char *pc_vocab_text(const pc_vocab *vocab, int32_t id, size_t *length)
{
    *length = vocab->entries[id].length;
    return vocab->bytes + vocab->entries[id].offset;
}

#endif
