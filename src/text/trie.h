/* A set of byte strings with a value each, for finding every one that begins at a place of a text. Internal to text/.
 *
 * The children of a node stand side by side, sorted by their byte, so that a step is a search in one cache line.
 */
#ifndef PC_TEXT_TRIE_H
#define PC_TEXT_TRIE_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct pc_trie_key {
    const char *text;
    uint32_t length; /* bytes, at least 1 */
    int32_t value;   /* at least 0 */
} pc_trie_key;

typedef struct pc_trie_node {
    uint32_t first; /* its first child */
    uint16_t count; /* children, at most 256 */
    int32_t value;  /* -1: no string ends here */
} pc_trie_node;

typedef struct pc_trie {
    pc_trie_node *nodes; /* nodes[0] is the root */
    uint8_t *bytes;      /* by node: the byte that leads to it */
    size_t count, node_capacity, byte_capacity;
    uint32_t of_byte[256]; /* child of the root, 0: none */
} pc_trie;

/* Build from `count` keys, which are sorted; of equal strings the last one's value counts. */
pc_status pc_trie_build(pc_trie *trie, pc_trie_key *keys, size_t count);
void pc_trie_clear(pc_trie *trie);

/* The child of `node` by `byte`; 0: none. */
static inline uint32_t pc_trie_step(const pc_trie *trie, uint32_t node, uint8_t byte)
{
    if (node == 0) {
        return trie->of_byte[byte];
    }
    uint32_t low = trie->nodes[node].first, size = trie->nodes[node].count;
    while (size > 4) {
        uint32_t half = size / 2;
        low += trie->bytes[low + half] <= byte ? half : 0;
        size -= half;
    }
    for (; size > 0; low++, size--) {
        if (trie->bytes[low] == byte) {
            return low;
        }
    }
    return 0;
}

#endif
