/* Easy to get wrong: a merge is found by the string of both sides together, so that characters which are no pieces may
 * still become one; equal scores merge from the left; what is left over and no piece becomes byte tokens. An unused
 * piece may be merged into, but in the end is taken apart again. */
#include "text/score.h"

#include "base/memory.h"
#include "text/bpe.h"

#include <stdlib.h>
#include <string.h>

typedef struct scored {
    float score;
    uint32_t id;
} scored;

static int best_first(const void *a, const void *b)
{
    const scored *x = a, *y = b;
    return x->score != y->score ? (x->score > y->score ? -1 : 1) : (x->id > y->id) - (x->id < y->id);
}

static bool is_piece(const pc_vocab *vocab, size_t id)
{
    uint32_t flags = vocab->entries[id].flags;
    return flags & PC_VOCAB_PRESENT && !(flags & (PC_VOCAB_ADDED | PC_VOCAB_SPECIAL | PC_VOCAB_BYTE)) &&
           vocab->entries[id].length > 0;
}

static pc_status rank_pieces(pc_score_model *model, const pc_vocab *vocab, const float *scores)
{
    scored *order = NULL;
    size_t count = 0;
    pc_status status;
    PC_GO(PC_NEW_ARRAY(order, vocab->count, "piece scores"));
    PC_GO(PC_NEW_ARRAY(model->ranks, vocab->count, "piece ranks"));
    model->count = vocab->count;
    for (size_t id = 0; id < vocab->count; id++) {
        model->ranks[id] = PC_NO_MERGE;
        if (is_piece(vocab, id)) {
            order[count++] = (scored){scores[id], (uint32_t)id};
            model->longest = vocab->entries[id].length > model->longest ? vocab->entries[id].length : model->longest;
        }
    }
    if (count > 1) {
        qsort(order, count, sizeof *order, best_first);
    }
    for (size_t i = 0, rank = 0; i < count; i++) {
        rank = i > 0 && order[i].score != order[i - 1].score ? i : rank;
        model->ranks[order[i].id] = (uint32_t)rank;
    }
done:
    pc_free(order);
    return status;
}

static int by_bytes(const void *a, const void *b)
{
    const pc_added_token *x = *(const pc_added_token *const *)a, *y = *(const pc_added_token *const *)b;
    size_t common = x->length < y->length ? x->length : y->length;
    int order = memcmp(x->text, y->text, common);
    return order ? order : (x->length > y->length) - (x->length < y->length);
}

/* A matcher of the user-defined pieces, but for those that are added tokens. */
static pc_status index_fixed(pc_score_model *model, const pc_vocab *vocab)
{
    size_t count = 0;
    for (size_t id = 0; id < vocab->count; id++) {
        count += (vocab->entries[id].flags & PC_VOCAB_FIXED) != 0;
    }
    if (count == 0) {
        return PC_OK;
    }
    PC_TRY(PC_NEW_ARRAY(model->fixed_tokens, count, "user-defined pieces"));
    PC_TRY(PC_NEW_ARRAY(model->fixed.sorted, count, "user-defined pieces"));
    for (size_t id = 0; id < vocab->count; id++) {
        size_t length = vocab->entries[id].length;
        const char *text = vocab->bytes + vocab->entries[id].offset;
        if (vocab->entries[id].flags & PC_VOCAB_FIXED && is_piece(vocab, id)) {
            pc_added_token *token = &model->fixed_tokens[model->fixed.count];
            *token = (pc_added_token){.text = (char *)text, .length = length, .id = (int32_t)id};
            model->fixed.first[(unsigned char)text[0]] = true;
            model->fixed.sorted[model->fixed.count++] = token;
        }
    }
    if (model->fixed.count > 1) {
        qsort(model->fixed.sorted, model->fixed.count, sizeof *model->fixed.sorted, by_bytes);
    }
    return PC_OK;
}

pc_status pc_score_model_init(pc_score_model *model, const pc_vocab *vocab, const float *scores)
{
    model->vocab = vocab;
    model->cut_at_marks = true;
    PC_TRY(rank_pieces(model, vocab, scores));
    PC_TRY(index_fixed(model, vocab));
    for (size_t id = 0; id < vocab->count && model->cut_at_marks; id++) {
        size_t length = vocab->entries[id].length;
        model->cut_at_marks = !is_piece(vocab, id) ||
                              pc_cut_before_marks(vocab->bytes + vocab->entries[id].offset, length, 0) == length;
    }
    return PC_OK;
}

/* The piece that a string is, or -1. */
static int32_t find_piece(const pc_score_model *model, const char *text, size_t length)
{
    if (length > model->longest) {
        return -1;
    }
    int32_t id = pc_vocab_find(model->vocab, text, length);
    return id >= 0 && (size_t)id < model->count && model->ranks[id] != PC_NO_MERGE ? id : -1;
}

/* A user-defined piece doesn't merge; its symbol says so by an id below -1. */
static int32_t frozen(int32_t id)
{
    return -2 - id;
}

static uint32_t rank_of(const void *context, const char *word, const pc_symbol *left, const pc_symbol *right, int32_t *id)
{
    const pc_score_model *model = context;
    if (left->id < -1 || right->id < -1) {
        return PC_NO_MERGE;
    }
    *id = find_piece(model, word + left->start, (size_t)left->length + right->length);
    return *id >= 0 ? model->ranks[*id] : PC_NO_MERGE;
}

typedef struct encoding {
    const pc_score_model *model;
    pc_text_work *work;
    pc_ids *out;
    bool after_unknown; /* the last id stands for unknown text, which the next unknown text joins */
} encoding;

/* A symbol that is no piece: byte tokens, or the unknown token once for a run. */
static pc_status push_unknown(encoding *e, const char *text, size_t length)
{
    const pc_score_model *model = e->model;
    for (size_t i = 0; model->byte_fallback && i < length; i++) {
        PC_TRY(pc_ids_push(e->out, model->bytes[(unsigned char)text[i]]));
    }
    if (!model->byte_fallback && model->unknown >= 0 && !e->after_unknown) {
        PC_TRY(pc_ids_push(e->out, model->unknown));
    }
    e->after_unknown = !model->byte_fallback;
    return PC_OK;
}

/* An unused piece is split where its best two parts meet, until its parts are used pieces. SentencePiece remembers by
 * which merge it came about; the parts are the same, for that merge was the best of those possible. */
static pc_status push_piece(encoding *e, const char *text, size_t length, int32_t id, int depth)
{
    const pc_vocab *vocab = e->model->vocab;
    if (id < 0) {
        return push_unknown(e, text, length);
    }
    if (vocab->entries[id].flags & PC_VOCAB_UNUSED && depth < 64) {
        size_t best = 0;
        uint32_t best_rank = PC_NO_MERGE;
        for (size_t at = (size_t)pc_char_size(text, length, 0); at < length; at += (size_t)pc_char_size(text, length, at)) {
            int32_t left = find_piece(e->model, text, at), right = find_piece(e->model, text + at, length - at);
            if (left >= 0 && right >= 0) {
                uint32_t worse = e->model->ranks[left] > e->model->ranks[right] ? e->model->ranks[left] : e->model->ranks[right];
                best = worse < best_rank ? at : best;
                best_rank = worse < best_rank ? worse : best_rank;
            }
        }
        if (best > 0) {
            PC_TRY(push_piece(e, text, best, find_piece(e->model, text, best), depth + 1));
            return push_piece(e, text + best, length - best, find_piece(e->model, text + best, length - best), depth + 1);
        }
    }
    e->after_unknown = false;
    return pc_ids_push(e->out, id);
}

static pc_status encode_new_word(encoding *e, const char *word, size_t length)
{
    pc_symbol few[PC_MERGE_SHORT], *symbols = few;
    size_t count = 0, next_fixed = 0;
    pc_match match = {NULL, length, length};
    if (length > UINT32_MAX / 4) {
        return pc_fail(PC_ERR_DATA, "a text of %zu bytes is too long to tokenize at once", length);
    }
    if (length > PC_MERGE_SHORT) {
        PC_TRY(pc_grow(&e->work->symbols, &e->work->symbol_capacity, length, sizeof *symbols, "symbols of a word"));
        symbols = e->work->symbols;
    }
    for (size_t at = 0, size; at < length; at += size) {
        if (at >= next_fixed) { /* the match that was found lies behind: look for the next */
            bool found = pc_matcher_find(&e->model->fixed, word, length, at, &match);
            next_fixed = found ? match.end : length;
            match.start = found ? match.start : length;
        }
        bool fixed = at == match.start;
        size = fixed ? match.end - at : (size_t)pc_char_size(word, length, at);
        int32_t id = fixed ? frozen(match.token->id) : find_piece(e->model, word + at, size);
        symbols[count++] = (pc_symbol){(uint32_t)at, (uint32_t)size, id};
    }
    PC_TRY(pc_merge(rank_of, e->model, word, symbols, &count, &e->work->merge));
    for (size_t i = 0; i < count; i++) {
        int32_t id = symbols[i].id < -1 ? frozen(symbols[i].id) : symbols[i].id;
        PC_TRY(push_piece(e, word + symbols[i].start, symbols[i].length, id, 0));
    }
    return PC_OK;
}

static pc_status encode_word(encoding *e, const char *word, size_t length)
{
    bool found;
    pc_cached_word *slot;
    /* A run of unknown text may go on from word to word, so that without byte tokens words aren't independent. */
    if (!e->model->byte_fallback) {
        return encode_new_word(e, word, length);
    }
    PC_TRY(pc_word_cache_find(e->work, word, length, e->out, &found, &slot));
    if (found) {
        return PC_OK;
    }
    size_t first = e->out->count;
    PC_TRY(encode_new_word(e, word, length));
    pc_word_cache_keep(slot, word, length, first, e->out->count - first);
    return PC_OK;
}

pc_status pc_score_model_encode(const pc_score_model *model, const char *text, size_t length, pc_text_work *work,
                                pc_ids *out)
{
    encoding e = {model, work, out, false};
    pc_word_cache_begin(work, length);
    for (size_t at = 0, end; at < length; at = end) {
        end = model->cut_at_marks ? pc_cut_before_marks(text, length, at) : length;
        PC_TRY(encode_word(&e, text + at, end - at));
    }
    return PC_OK;
}

void pc_score_model_clear(pc_score_model *model)
{
    pc_free(model->ranks);
    pc_free(model->fixed.sorted);
    pc_free(model->fixed_tokens);
    *model = (pc_score_model){0};
}
