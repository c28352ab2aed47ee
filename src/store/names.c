/* Open addressing with linear probing, at most half full; XXH3 with a random seed. */
#include "store/names.h"

#include "base/memory.h"

#include <string.h>
#include <sys/random.h>
#include <xxhash.h>

pc_status pc_names_init(pc_names *table, size_t capacity, const char *what)
{
    size_t slots = 16;
    memset(table, 0, sizeof *table);
    if (capacity >= UINT32_MAX / 4) {
        return pc_fail(PC_ERR_DATA, "%s: %zu names are more than the %u that can be held", what,
                       capacity, (unsigned)(UINT32_MAX / 4));
    }
    while (slots < capacity * 2) {
        slots *= 2;
    }
    PC_TRY(PC_NEW_ARRAY(table->slots, slots, what));
    table->mask = slots - 1;
    if (getrandom(&table->seed, sizeof table->seed, GRND_NONBLOCK) != (ssize_t)sizeof table->seed) {
        table->seed = (uint64_t)(uintptr_t)
                          table->slots; /* early at boot: the address is hard to guess, too */
    }
    return PC_OK;
}

void pc_names_clear(pc_names *table)
{
    pc_free(table->slots);
    memset(table, 0, sizeof *table);
}

static const char *name_at(const void *elements, size_t stride, size_t position)
{
    return *(const char *const *)((const char *)elements + position * stride);
}

/* The slot that holds name, or the empty one where it belongs. */
static size_t find_slot(const pc_names *table, const void *elements, size_t stride,
                        const char *name)
{
    size_t slot = (size_t)XXH3_64bits_withSeed(name, strlen(name), table->seed) & table->mask;
    while (table->slots[slot] != 0 &&
           strcmp(name_at(elements, stride, table->slots[slot] - 1), name) != 0) {
        slot = (slot + 1) & table->mask;
    }
    return slot;
}

size_t pc_names_add(pc_names *table, const void *elements, size_t stride, size_t position)
{
    size_t slot = find_slot(table, elements, stride, name_at(elements, stride, position));
    if (table->slots[slot] != 0) {
        return table->slots[slot] - 1;
    }
    table->slots[slot] = (uint32_t)position + 1;
    table->used++;
    return PC_NAMES_NONE;
}

size_t pc_names_find(const pc_names *table, const void *elements, size_t stride, const char *name)
{
    if (table->slots == NULL) {
        return PC_NAMES_NONE;
    }
    size_t slot = find_slot(table, elements, stride, name);
    return table->slots[slot] != 0 ? (size_t)table->slots[slot] - 1 : PC_NAMES_NONE;
}

const char *pc_name_text(const char *name, char out[96])
{
    enum { HEAD = 60, TAIL = 30 };
    size_t length = strlen(name);
    size_t head = length <= HEAD + TAIL + 3 ? length : HEAD;
    memcpy(out, name, head);
    if (head < length) {
        memcpy(out + head, "...", 3);
        memcpy(out + head + 3, name + length - TAIL, TAIL);
        head += 3 + TAIL;
    }
    out[head] = '\0';
    for (char *c = out; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            *c = '?';
        }
    }
    return out;
}
