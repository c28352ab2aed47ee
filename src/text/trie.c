/* Built level by level: a node covers a range of the sorted keys, its children the parts of that range by next byte. */
#include "text/trie.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static int by_text(const void *a, const void *b)
{
    const pc_trie_key *x = a, *y = b;
    size_t common = x->length < y->length ? x->length : y->length;
    int order = memcmp(x->text, y->text, common);
    if (order || x->length != y->length) {
        return order ? order : x->length < y->length ? -1 : 1;
    }
    return (x->value > y->value) - (x->value < y->value);
}

/* The keys that a node covers. */
typedef struct range {
    uint32_t low, high, depth;
} range;

static pc_status add_node(pc_trie *trie, range **ranges, size_t *range_capacity, range covered, uint8_t byte)
{
    if (trie->count >= UINT32_MAX / 2) {
        return pc_fail(PC_ERR_DATA, "a vocabulary with too many bytes for its tree");
    }
    PC_TRY(pc_grow(&trie->nodes, &trie->node_capacity, trie->count + 1, sizeof *trie->nodes, "vocabulary tree"));
    PC_TRY(pc_grow(&trie->bytes, &trie->byte_capacity, trie->count + 1, 1, "vocabulary tree"));
    PC_TRY(pc_grow(ranges, range_capacity, trie->count + 1, sizeof **ranges, "vocabulary tree"));
    trie->nodes[trie->count] = (pc_trie_node){0, 0, -1};
    trie->bytes[trie->count] = byte;
    (*ranges)[trie->count++] = covered;
    return PC_OK;
}

/* Give a node its value and its children. */
static pc_status expand(pc_trie *trie, const pc_trie_key *keys, range **ranges, size_t *range_capacity, size_t node)
{
    range r = (*ranges)[node];
    while (r.low < r.high && keys[r.low].length == r.depth) {
        trie->nodes[node].value = keys[r.low++].value;
    }
    trie->nodes[node].first = (uint32_t)trie->count;
    while (r.low < r.high) {
        uint8_t byte = (uint8_t)keys[r.low].text[r.depth];
        uint32_t end = r.low;
        while (end < r.high && (uint8_t)keys[end].text[r.depth] == byte) {
            end++;
        }
        PC_TRY(add_node(trie, ranges, range_capacity, (range){r.low, end, r.depth + 1}, byte));
        trie->nodes[node].count++;
        r.low = end;
    }
    return PC_OK;
}

pc_status pc_trie_build(pc_trie *trie, pc_trie_key *keys, size_t count)
{
    range *ranges = NULL;
    size_t range_capacity = 0;
    pc_status status = PC_OK;
    if (count >= UINT32_MAX) {
        return pc_fail(PC_ERR_DATA, "a vocabulary of %zu tokens is too large", count);
    }
    if (count > 1) {
        qsort(keys, count, sizeof *keys, by_text);
    }
    PC_GO(add_node(trie, &ranges, &range_capacity, (range){0, (uint32_t)count, 0}, 0));
    for (size_t node = 0; node < trie->count; node++) {
        PC_GO(expand(trie, keys, &ranges, &range_capacity, node));
    }
    for (uint32_t i = 0; i < trie->nodes[0].count; i++) {
        trie->of_byte[trie->bytes[trie->nodes[0].first + i]] = trie->nodes[0].first + i;
    }
done:
    pc_free(ranges);
    return status;
}

void pc_trie_clear(pc_trie *trie)
{
    pc_free(trie->nodes);
    pc_free(trie->bytes);
    *trie = (pc_trie){0};
}
