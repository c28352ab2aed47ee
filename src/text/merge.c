#include "text/merge.h"

#include "base/memory.h"

#include <string.h>

/* A pair that could merge. It is stale when one of the two symbols has merged since: then the bytes differ. */
typedef struct pc_merge_candidate {
    uint32_t rank;
    uint32_t left;   /* index of the left symbol */
    uint32_t length; /* bytes of both */
    int32_t id;
} candidate;

static void merge_short(pc_merge_rank rank_of, const void *model, const char *word, pc_symbol *symbols, size_t *count)
{
    uint32_t ranks[PC_MERGE_SHORT];
    int32_t ids[PC_MERGE_SHORT];
    size_t n = *count;
    for (size_t i = 0; i + 1 < n; i++) {
        ranks[i] = rank_of(model, word, &symbols[i], &symbols[i + 1], &ids[i]);
    }
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++) {
            best = ranks[i] < ranks[best] ? i : best;
        }
        if (ranks[best] == PC_NO_MERGE) {
            break;
        }
        symbols[best].length += symbols[best + 1].length;
        symbols[best].id = ids[best];
        n--;
        for (size_t i = best + 1; i < n; i++) {
            symbols[i] = symbols[i + 1];
        }
        for (size_t i = best + 1; i + 1 < n; i++) {
            ranks[i] = ranks[i + 1];
            ids[i] = ids[i + 1];
        }
        if (best + 1 < n) {
            ranks[best] = rank_of(model, word, &symbols[best], &symbols[best + 1], &ids[best]);
        }
        if (best > 0) {
            ranks[best - 1] = rank_of(model, word, &symbols[best - 1], &symbols[best], &ids[best - 1]);
        }
    }
    *count = n;
}

static int better(const candidate *a, const candidate *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->left < b->left;
}

static void sift_down(candidate *heap, size_t count, size_t at)
{
    candidate moved = heap[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count) {
            break;
        }
        child += child + 1 < count && better(&heap[child + 1], &heap[child]);
        if (!better(&heap[child], &moved)) {
            break;
        }
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moved;
}

static void sift_up(candidate *heap, size_t at)
{
    candidate moved = heap[at];
    while (at > 0 && better(&moved, &heap[(at - 1) / 2])) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = moved;
}

typedef struct long_word {
    pc_merge_rank rank_of;
    const void *model;
    const char *word;
    pc_symbol *symbols;
    uint32_t *before, *after; /* neighbours that are alive; UINT32_MAX: none */
    candidate *heap;
    size_t heap_count;
} long_word;

/* Set *out to the pair (left, its right neighbour); 0 when it can't merge. */
static int propose(const long_word *w, uint32_t left, candidate *out)
{
    uint32_t right = w->after[left];
    if (right == UINT32_MAX) {
        return 0;
    }
    out->rank = w->rank_of(w->model, w->word, &w->symbols[left], &w->symbols[right], &out->id);
    out->left = left;
    out->length = w->symbols[left].length + w->symbols[right].length;
    return out->rank != PC_NO_MERGE;
}

static void push(long_word *w, uint32_t left)
{
    if (propose(w, left, &w->heap[w->heap_count])) {
        sift_up(w->heap, w->heap_count++);
    }
}

static void apply(long_word *w, const candidate *best)
{
    uint32_t left = best->left;
    uint32_t right = w->symbols[left].length ? w->after[left] : UINT32_MAX;
    if (right == UINT32_MAX || w->symbols[left].length + w->symbols[right].length != best->length) {
        return; /* stale */
    }
    w->symbols[left].length = best->length;
    w->symbols[left].id = best->id;
    w->symbols[right].length = 0;
    w->after[left] = w->after[right];
    if (w->after[left] != UINT32_MAX) {
        w->before[w->after[left]] = left;
        push(w, left);
    }
    if (w->before[left] != UINT32_MAX) {
        push(w, w->before[left]);
    }
}

static pc_status merge_long(pc_merge_rank rank_of, const void *model, const char *word, pc_symbol *symbols,
                            size_t *count, pc_merge_work *work)
{
    size_t n = *count, room;
    if (n > UINT32_MAX / 4 || !pc_mul_size(n, 3, &room)) {
        return pc_fail(PC_ERR_DATA, "a word of %zu characters is too long to tokenize", n);
    }
    /* Each merge takes one candidate and adds at most two, so 3 n hold all. */
    PC_TRY(pc_grow(&work->heap, &work->heap_capacity, room, sizeof *work->heap, "merge candidates"));
    PC_TRY(pc_grow(&work->links, &work->links_capacity, 2 * n, sizeof *work->links, "merge links"));
    long_word w = {rank_of, model, word, symbols, work->links, work->links + n, work->heap, 0};
    for (size_t i = 0; i < n; i++) {
        w.before[i] = i > 0 ? (uint32_t)i - 1 : UINT32_MAX;
        w.after[i] = i + 1 < n ? (uint32_t)i + 1 : UINT32_MAX;
    }
    for (size_t i = 0; i + 1 < n; i++) {
        w.heap_count += (size_t)propose(&w, (uint32_t)i, &w.heap[w.heap_count]);
    }
    for (size_t i = w.heap_count / 2; i-- > 0;) {
        sift_down(w.heap, w.heap_count, i);
    }
    while (w.heap_count > 0) {
        candidate best = w.heap[0];
        w.heap[0] = w.heap[--w.heap_count];
        if (w.heap_count > 0) {
            sift_down(w.heap, w.heap_count, 0);
        }
        apply(&w, &best);
    }
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (symbols[i].length > 0) {
            symbols[kept++] = symbols[i];
        }
    }
    *count = kept;
    return PC_OK;
}

pc_status pc_merge(pc_merge_rank rank, const void *model, const char *word, pc_symbol *symbols, size_t *count,
                   pc_merge_work *work)
{
    if (*count > PC_MERGE_SHORT) {
        return merge_long(rank, model, word, symbols, count, work);
    }
    merge_short(rank, model, word, symbols, count);
    return PC_OK;
}

void pc_merge_work_clear(pc_merge_work *work)
{
    pc_free(work->heap);
    pc_free(work->links);
    *work = (pc_merge_work){0};
}

pc_status pc_merge_table_init(pc_merge_table *table, size_t merges)
{
    size_t slots = 64;
    while (slots / 2 < merges) {
        if (!pc_mul_size(slots, 2, &slots)) {
            return pc_fail_memory(~0ull, "merges");
        }
    }
    PC_TRY(PC_NEW_ARRAY(table->slots, slots, "merges"));
    table->slot_count = slots;
    table->filled = 0;
    for (size_t i = 0; i < slots; i++) {
        table->slots[i].left = -1;
    }
    return PC_OK;
}

static size_t slot_of(const pc_merge_table *table, int32_t left, int32_t right)
{
    uint64_t key = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9e3779b97f4a7c15u; /* 2^64 / golden ratio */
    return (size_t)(key >> 32 ^ key >> 17) & (table->slot_count - 1);
}

void pc_merge_table_set(pc_merge_table *table, int32_t left, int32_t right, uint32_t rank, int32_t id)
{
    size_t slot = slot_of(table, left, right);
    while (table->slots[slot].left != -1 && (table->slots[slot].left != left || table->slots[slot].right != right)) {
        slot = (slot + 1) & (table->slot_count - 1);
    }
    table->filled += table->slots[slot].left == -1;
    table->slots[slot] = (pc_merge_slot){left, right, rank, id};
}

uint32_t pc_merge_table_find(const pc_merge_table *table, int32_t left, int32_t right, int32_t *id)
{
    size_t slot = slot_of(table, left, right);
    while (table->slots[slot].left != -1) {
        if (table->slots[slot].left == left && table->slots[slot].right == right) {
            *id = table->slots[slot].id;
            return table->slots[slot].rank;
        }
        slot = (slot + 1) & (table->slot_count - 1);
    }
    return PC_NO_MERGE;
}

void pc_merge_table_clear(pc_merge_table *table)
{
    pc_free(table->slots);
    *table = (pc_merge_table){0};
}
