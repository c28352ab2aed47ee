/* Open addressing with linear probing, at most half full; the hash is XXH3 of the string. */
#include "text/vocab.h"

#include "base/memory.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <string.h>

static size_t slot_of(const pc_vocab *vocab, const char *text, size_t length)
{
    return (size_t)XXH3_64bits(text, length) & (vocab->slot_count - 1);
}

/* Enter an id into the table unless its string is there already. */
static void enter(pc_vocab *vocab, uint32_t id)
{
    const pc_vocab_entry *entry = &vocab->entries[id];
    const char *text = vocab->bytes + entry->offset;
    if (pc_vocab_find(vocab, text, entry->length) >= 0) {
        return;
    }
    size_t slot = slot_of(vocab, text, entry->length);
    while (vocab->slots[slot] != 0) {
        slot = (slot + 1) & (vocab->slot_count - 1);
    }
    vocab->slots[slot] = id + 1;
    vocab->filled++;
}

static pc_status rehash(pc_vocab *vocab, size_t need)
{
    size_t slots = 64;
    while (slots / 2 < need) {
        if (!pc_mul_size(slots, 2, &slots)) {
            return pc_fail_memory(~0ull, "vocabulary");
        }
    }
    uint32_t *fresh = NULL;
    PC_TRY(PC_NEW_ARRAY(fresh, slots, "vocabulary table"));
    pc_free(vocab->slots);
    vocab->slots = fresh;
    vocab->slot_count = slots;
    vocab->filled = 0;
    for (size_t id = 0; id < vocab->count; id++) {
        if (vocab->entries[id].flags & PC_VOCAB_PRESENT) {
            enter(vocab, (uint32_t)id);
        }
    }
    return PC_OK;
}

pc_status pc_vocab_reserve(pc_vocab *vocab, size_t count)
{
    if (count >= INT32_MAX) {
        return pc_fail(PC_ERR_DATA, "vocabulary of %zu tokens is too large", count);
    }
    if (count > vocab->capacity) {
        PC_TRY(pc_grow(&vocab->entries, &vocab->capacity, count, sizeof *vocab->entries, "vocabulary"));
    }
    return vocab->slot_count / 2 < count ? rehash(vocab, count) : PC_OK;
}

pc_status pc_vocab_set(pc_vocab *vocab, size_t id, const char *text, size_t length, uint32_t flags)
{
    if (pc_vocab_flags(vocab, (int64_t)id) & PC_VOCAB_PRESENT) {
        return pc_fail(PC_ERR_DATA, "two tokens have the id %zu", id);
    }
    size_t end;
    if (id >= INT32_MAX || !pc_add_size(vocab->used, length, &end) || end >= UINT32_MAX) {
        return pc_fail(PC_ERR_DATA, "token id %zu or its string is too large", id);
    }
    PC_TRY(pc_vocab_reserve(vocab, id + 1));
    PC_TRY(pc_grow(&vocab->bytes, &vocab->bytes_capacity, end + 1, 1, "vocabulary strings"));
    if (id >= vocab->count) {
        memset(vocab->entries + vocab->count, 0, (id + 1 - vocab->count) * sizeof *vocab->entries);
        vocab->count = id + 1;
    }
    vocab->entries[id] = (pc_vocab_entry){(uint32_t)vocab->used, (uint32_t)length, flags | PC_VOCAB_PRESENT};
    if (length > 0) {
        memcpy(vocab->bytes + vocab->used, text, length);
    }
    vocab->bytes[end] = '\0';
    vocab->used = end + 1;
    enter(vocab, (uint32_t)id);
    return PC_OK;
}

int32_t pc_vocab_find(const pc_vocab *vocab, const char *text, size_t length)
{
    if (vocab->slot_count == 0) {
        return -1;
    }
    size_t slot = slot_of(vocab, text, length);
    while (vocab->slots[slot] != 0) {
        const pc_vocab_entry *entry = &vocab->entries[vocab->slots[slot] - 1];
        if (entry->length == length && memcmp(vocab->bytes + entry->offset, text, length) == 0) {
            return (int32_t)(vocab->slots[slot] - 1);
        }
        slot = (slot + 1) & (vocab->slot_count - 1);
    }
    return -1;
}

void pc_vocab_clear(pc_vocab *vocab)
{
    pc_free(vocab->bytes);
    pc_free(vocab->entries);
    pc_free(vocab->slots);
    *vocab = (pc_vocab){0};
}
