/* Viterbi's algorithm over the characters of a text:
 *
 *   best[0] = 0;   best[e] = max over pieces text[s..e) of best[s] + score(piece)
 *
 * A character that is no piece by itself is an edge too, ten below the smallest score. Of equal sums the first found counts,
 * that of the earliest start.
 *
 * Easy to get wrong: an unknown character stands beside longer pieces that begin with it; SentencePiece compares a sum in
 * double precision with one that was rounded to single, but an unknown one rounded. A long text is worked off up to a place
 * that no piece crosses, since every way goes through it; its sum goes on, for roundings depend on it.
 */
#include "text/unigram.h"

#include "base/memory.h"
#include "text/unicode.h"

#include <string.h>

enum { NOWHERE = UINT32_MAX, STRETCH = 1024 /* bytes that are worked off at least, when the text has them */ };

pc_status pc_unigram_index(pc_unigram *model, const pc_vocab *vocab, uint32_t skip)
{
    pc_trie_key *keys = NULL;
    size_t count = 0;
    pc_status status;
    PC_GO(PC_NEW_ARRAY(keys, vocab->count, "vocabulary tree"));
    for (size_t id = 0; id < vocab->count && id < model->count; id++) {
        uint32_t length = vocab->entries[id].length, flags = vocab->entries[id].flags;
        if (flags & PC_VOCAB_PRESENT && !(flags & skip) && length > 0) {
            keys[count++] = (pc_trie_key){vocab->bytes + vocab->entries[id].offset, length, (int32_t)id};
            model->longest = length > model->longest ? length : model->longest;
        }
    }
    pc_trie_clear(&model->trie);
    PC_GO(pc_trie_build(&model->trie, keys, count));
done:
    pc_free(keys);
    return status;
}

/* The best way to an end. */
typedef struct pc_lattice_node {
    double score;
    uint32_t start; /* of its last piece, relative like the index of the node; NOWHERE: no way leads here */
    uint32_t next;  /* end of the piece behind it, when the way is read */
    int32_t id;     /* of its last piece */
} node;

typedef struct encoding {
    const pc_unigram *model;
    const char *text;
    node *nodes;       /* of the stretch from `base` */
    size_t base, ready; /* ready: nodes that have a value */
    pc_text_work *work;
    pc_ids *out;
    size_t unknown_from, unknown_to; /* a run of unknown text that waits */
} encoding;

/* The nodes up to index `last`. */
static pc_status prepare(encoding *e, size_t last)
{
    if (last >= NOWHERE) {
        return pc_fail(PC_ERR_DATA, "a text of more than %zu bytes in one piece is too long to tokenize", e->base);
    }
    PC_TRY(pc_grow(&e->work->lattice, &e->work->lattice_capacity, last + 1, sizeof *e->nodes, "ways through a text"));
    e->nodes = e->work->lattice;
    for (; e->ready <= last; e->ready++) {
        e->nodes[e->ready].start = NOWHERE;
    }
    return PC_OK;
}

static void offer(const encoding *e, size_t start, size_t end, double score, int32_t id)
{
    node *target = &e->nodes[end];
    if (target->start == NOWHERE || score > target->score) {
        target->score = e->model->single ? (double)(float)score : score;
        target->start = (uint32_t)start;
        target->id = id;
    }
}

/* All pieces that begin at `at`; *far: the farthest end of any. */
static pc_status extend(const encoding *e, size_t at, size_t length, size_t *far)
{
    const pc_unigram *model = e->model;
    const char *text = e->text + at;
    size_t left = length - at, start = at - e->base, size = (size_t)pc_char_size(e->text, length, at);
    double score = e->nodes[start].score;
    bool whole = false;
    uint32_t position = 0;
    for (size_t i = 0; i < left; i++) {
        position = pc_trie_step(&model->trie, position, (uint8_t)text[i]);
        if (position == 0) {
            break;
        }
        int32_t id = model->trie.nodes[position].value;
        if (id >= 0) {
            offer(e, start, start + i + 1, score + model->scores[id], id);
            whole = whole || i + 1 == size;
            *far = at + i + 1 > *far ? at + i + 1 : *far;
        }
    }
    if (!whole) {
        if (model->unknown < 0 && !(model->single && model->byte_fallback)) {
            return pc_fail(PC_ERR_DATA, "the character \"%.*s\" is not in the vocabulary, which has no token for unknown ones",
                           (int)size, text);
        }
        double sum = score + model->unknown_score;
        offer(e, start, start + size, model->single ? (double)(float)sum : sum, -1);
        *far = at + size > *far ? at + size : *far;
    }
    return PC_OK;
}

/* The token that a whole string is, or -1. */
static int32_t whole_token(const pc_unigram *model, const char *text, size_t length)
{
    uint32_t position = 0;
    for (size_t i = 0; i < length; i++) {
        position = pc_trie_step(&model->trie, position, (uint8_t)text[i]);
        if (position == 0) {
            return -1;
        }
    }
    return model->trie.nodes[position].value;
}

static pc_status flush_unknown(encoding *e)
{
    const pc_unigram *model = e->model;
    const char *text = e->text + e->unknown_from;
    size_t length = e->unknown_to - e->unknown_from;
    if (length == 0) {
        return PC_OK;
    }
    e->unknown_from = e->unknown_to = 0;
    int32_t id = model->single ? -1 : whole_token(model, text, length);
    bool bytes = model->byte_fallback && id < 0;
    for (size_t i = 0; bytes && i < length; i++) {
        bytes = model->bytes[(unsigned char)text[i]] >= 0;
    }
    for (size_t i = 0; bytes && i < length; i++) {
        PC_TRY(pc_ids_push(e->out, model->bytes[(unsigned char)text[i]]));
    }
    return bytes ? PC_OK : pc_ids_push(e->out, id >= 0 ? id : model->unknown);
}

/* Read the best way to the node `end` and begin a new stretch there. */
static pc_status work_off(encoding *e, size_t end)
{
    node *nodes = e->nodes;
    for (size_t at = end; at > 0; at = nodes[at].start) {
        nodes[nodes[at].start].next = (uint32_t)at;
    }
    for (size_t at = 0; at < end; at = nodes[at].next) {
        int32_t id = nodes[nodes[at].next].id;
        if (id < 0 || id == e->model->unknown) {
            e->unknown_from = e->unknown_to > e->unknown_from ? e->unknown_from : e->base + at;
            e->unknown_to = e->base + nodes[at].next;
            continue;
        }
        PC_TRY(flush_unknown(e));
        PC_TRY(pc_ids_push(e->out, id));
    }
    nodes[0].score = nodes[end].score;
    e->base += end;
    e->ready = 1;
    return PC_OK;
}

pc_status pc_unigram_encode(const pc_unigram *model, const char *text, size_t length, pc_text_work *work, pc_ids *out)
{
    encoding e = {.model = model, .text = text, .work = work, .out = out};
    size_t far = 0;
    size_t step = model->longest > 4 ? model->longest : 4;
    PC_TRY(prepare(&e, 0));
    e.nodes[0] = (node){.score = 0, .start = 0};
    for (size_t at = 0; at < length; at += (size_t)pc_char_size(text, length, at)) {
        if (at == far && at - e.base >= STRETCH) {
            PC_TRY(work_off(&e, at - e.base));
        }
        size_t reach = step < length - at ? step : length - at;
        PC_TRY(prepare(&e, at - e.base + reach));
        if (e.nodes[at - e.base].start != NOWHERE) {
            PC_TRY(extend(&e, at, length, &far));
        }
    }
    PC_TRY(work_off(&e, length - e.base));
    return flush_unknown(&e);
}

void pc_unigram_clear(pc_unigram *model)
{
    pc_trie_clear(&model->trie);
    pc_free(model->scores);
    *model = (pc_unigram){0};
}
