/* Byte-level BPE training.
 *
 *   text -> special tokens cut out -> words, counted -> bytes as symbols
 *   repeat: the most frequent pair of neighbouring symbols becomes a symbol, in every word that has it
 *
 * The count of each pair and the words where it may stand are kept up to date; a heap gives the best pair. Counts in the
 * heap may be old, and then too high, because a merge nearby has used up neighbours: such an entry goes back with its
 * present count (as in Hugging Face's trainer, whose results these are).
 */
#include "text/bpe_train.h"

#include "base/memory.h"
#include "base/signal.h"
#include "text/bpe.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <string.h>

typedef struct word {
    size_t offset;   /* of its bytes, then of its symbols */
    uint32_t length; /* bytes, then symbols */
    uint64_t count;
} word;

/* A pair of symbols: how often it stands in the texts, and in which words (some of them more than once, some no longer). */
typedef struct pair {
    int32_t left, right;
    int64_t count;
    uint32_t *words;
    size_t word_count, word_capacity;
    bool grown; /* its count grew by the merge at hand: it gets a new entry in the heap */
} pair;

typedef struct heap_entry {
    int64_t count;
    uint32_t pair;
} heap_entry;

struct pc_bpe_trainer {
    pc_bpe_options options;
    pc_split_next next;
    const char *regex;
    pc_tokenizer *tokenizer;
    char *bytes; /* of the words */
    size_t used, bytes_capacity;
    word *words;
    size_t word_count, word_capacity;
    uint32_t *slots; /* hash table of words: index + 1 */
    size_t slot_count;
    int32_t *symbols; /* of the words, one for each byte */
    pair *pairs;
    size_t pair_count, pair_capacity;
    uint32_t *pair_slots; /* hash table of pairs: index + 1 */
    size_t pair_slot_count;
    heap_entry *heap;
    size_t heap_count, heap_capacity;
    uint32_t *grown; /* pairs that the merge at hand made more frequent */
    size_t grown_count, grown_capacity;
};

/* The specials, then the 256 bytes as characters, in the order of the characters. */
static pc_status fill_vocab(pc_bpe_trainer *trainer, const pc_bpe_options *options)
{
    pc_tokenizer *tokenizer = trainer->tokenizer;
    pc_vocab *vocab = &tokenizer->vocab;
    for (size_t i = 0; i < options->special_count; i++) {
        const char *text = options->specials[i];
        if (!text[0] || pc_vocab_find(vocab, text, strlen(text)) >= 0 ||
            pc_utf8_valid_prefix(text, strlen(text)) != strlen(text)) {
            return pc_fail(PC_ERR_USAGE, "special token %zu, \"%.60s\", is empty, there twice, or not UTF-8", i, text);
        }
        PC_TRY(pc_vocab_set(vocab, i, text, strlen(text), 0));
        pc_added_token token = {.text = (char *)text, .length = strlen(text), .id = (int32_t)i, .special = true};
        PC_TRY(pc_tokenizer_put_added(tokenizer, &token));
    }
    for (unsigned point = 0; point < 0x200; point++) {
        char text[4];
        if (pc_byte_from_char(point) >= 0) {
            size_t size = (size_t)pc_utf8_encode(point, text);
            if (pc_vocab_find(vocab, text, size) >= 0) {
                return pc_fail(PC_ERR_USAGE, "a special token may not be the single character that stands for a byte");
            }
            PC_TRY(pc_vocab_set(vocab, vocab->count, text, size, 0));
        }
    }
    return pc_tokenizer_ready(tokenizer);
}

pc_status pc_bpe_trainer_new(pc_bpe_trainer **out, const pc_bpe_options *options)
{
    pc_bpe_trainer *trainer = NULL;
    const pc_split_pattern *pattern = pc_split_by_name(options->pattern == PC_BPE_GPT2 ? "gpt2" : "qwen2");
    pc_status status;
    *out = NULL;
    if (options->vocab_size < options->special_count + 256 || options->vocab_size > 1u << 24) {
        return pc_fail(PC_ERR_USAGE, "a vocabulary of %zu tokens: expected %zu (special tokens and bytes) to %u",
                       options->vocab_size, options->special_count + 256, 1u << 24);
    }
    PC_GO(PC_NEW(trainer, "tokenizer trainer"));
    trainer->options = *options;
    trainer->options.min_count = options->min_count ? options->min_count : 2;
    trainer->next = pattern->next;
    trainer->regex = options->pattern == PC_BPE_GPT2 ? NULL : pattern->regex;
    PC_GO(pc_piped_new(&trainer->tokenizer, &pc_word_model_bpe));
    PC_GO(fill_vocab(trainer, options));
done:
    if (status != PC_OK) {
        pc_bpe_trainer_free(trainer);
        return status;
    }
    *out = trainer;
    return PC_OK;
}

void pc_bpe_trainer_free(pc_bpe_trainer *trainer)
{
    if (!trainer) {
        return;
    }
    for (size_t i = 0; i < trainer->pair_count; i++) {
        pc_free(trainer->pairs[i].words);
    }
    pc_tokenizer_free(trainer->tokenizer);
    pc_free(trainer->bytes);
    pc_free(trainer->words);
    pc_free(trainer->slots);
    pc_free(trainer->symbols);
    pc_free(trainer->pairs);
    pc_free(trainer->pair_slots);
    pc_free(trainer->heap);
    pc_free(trainer->grown);
    pc_free(trainer);
}

static pc_status grow_words(pc_bpe_trainer *trainer)
{
    size_t slots = trainer->slot_count ? trainer->slot_count * 2 : 4096;
    uint32_t *fresh = NULL;
    PC_TRY(PC_NEW_ARRAY(fresh, slots, "word counts"));
    for (size_t i = 0; i < trainer->word_count; i++) {
        const word *w = &trainer->words[i];
        size_t slot = (size_t)XXH3_64bits(trainer->bytes + w->offset, w->length) & (slots - 1);
        while (fresh[slot]) {
            slot = (slot + 1) & (slots - 1);
        }
        fresh[slot] = (uint32_t)i + 1;
    }
    pc_free(trainer->slots);
    trainer->slots = fresh;
    trainer->slot_count = slots;
    return PC_OK;
}

static pc_status count_word(pc_bpe_trainer *trainer, const char *text, size_t length)
{
    if (trainer->slot_count / 2 <= trainer->word_count) {
        PC_TRY(grow_words(trainer));
    }
    size_t slot = (size_t)XXH3_64bits(text, length) & (trainer->slot_count - 1);
    for (; trainer->slots[slot]; slot = (slot + 1) & (trainer->slot_count - 1)) {
        word *w = &trainer->words[trainer->slots[slot] - 1];
        if (w->length == length && memcmp(trainer->bytes + w->offset, text, length) == 0) {
            w->count++;
            return PC_OK;
        }
    }
    size_t end;
    if (length >= INT32_MAX || trainer->word_count >= INT32_MAX || !pc_add_size(trainer->used, length, &end)) {
        return pc_fail(PC_ERR_DATA, "the texts have too many words, or one of %zu bytes", length);
    }
    PC_TRY(pc_grow(&trainer->bytes, &trainer->bytes_capacity, end, 1, "words"));
    PC_TRY(pc_grow(&trainer->words, &trainer->word_capacity, trainer->word_count + 1, sizeof *trainer->words, "words"));
    memcpy(trainer->bytes + trainer->used, text, length);
    trainer->words[trainer->word_count++] = (word){trainer->used, (uint32_t)length, 1};
    trainer->slots[slot] = (uint32_t)trainer->word_count;
    trainer->used = end;
    return PC_OK;
}

static pc_status count_words(pc_bpe_trainer *trainer, const char *text, size_t length)
{
    for (size_t at = 0, end; at < length; at = end) {
        end = trainer->next(text, length, at);
        PC_TRY(count_word(trainer, text + at, end - at));
    }
    return PC_OK;
}

pc_status pc_bpe_trainer_feed(pc_bpe_trainer *trainer, const char *text, size_t length)
{
    const pc_matcher *matcher = pc_added_matcher(&trainer->tokenizer->added, true, false);
    size_t from = 0;
    pc_match match;
    while (pc_matcher_find(matcher, text, length, from, &match)) {
        PC_TRY(count_words(trainer, text + from, match.start - from));
        from = match.end;
    }
    return count_words(trainer, text + from, length - from);
}

static bool better(const pc_bpe_trainer *trainer, const heap_entry *a, const heap_entry *b)
{
    const pair *x = &trainer->pairs[a->pair], *y = &trainer->pairs[b->pair];
    if (a->count != b->count) {
        return a->count > b->count;
    }
    return x->left != y->left ? x->left < y->left : x->right < y->right;
}

static pc_status heap_push(pc_bpe_trainer *trainer, uint32_t index)
{
    heap_entry entry = {trainer->pairs[index].count, index};
    PC_TRY(pc_grow(&trainer->heap, &trainer->heap_capacity, trainer->heap_count + 1, sizeof *trainer->heap, "pairs"));
    size_t at = trainer->heap_count++;
    while (at > 0 && better(trainer, &entry, &trainer->heap[(at - 1) / 2])) {
        trainer->heap[at] = trainer->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    trainer->heap[at] = entry;
    return PC_OK;
}

static heap_entry heap_pop(pc_bpe_trainer *trainer)
{
    heap_entry top = trainer->heap[0], moved = trainer->heap[--trainer->heap_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= trainer->heap_count) {
            break;
        }
        child += child + 1 < trainer->heap_count && better(trainer, &trainer->heap[child + 1], &trainer->heap[child]);
        if (!better(trainer, &trainer->heap[child], &moved)) {
            break;
        }
        trainer->heap[at] = trainer->heap[child];
        at = child;
    }
    trainer->heap[at] = moved;
    return top;
}

static size_t pair_slot(const pc_bpe_trainer *trainer, int32_t left, int32_t right)
{
    uint64_t key = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9e3779b97f4a7c15u;
    size_t slot = (size_t)(key >> 29) & (trainer->pair_slot_count - 1);
    while (trainer->pair_slots[slot]) {
        const pair *p = &trainer->pairs[trainer->pair_slots[slot] - 1];
        if (p->left == left && p->right == right) {
            break;
        }
        slot = (slot + 1) & (trainer->pair_slot_count - 1);
    }
    return slot;
}

static pc_status grow_pairs(pc_bpe_trainer *trainer)
{
    size_t slots = trainer->pair_slot_count ? trainer->pair_slot_count * 2 : 4096;
    uint32_t *fresh = NULL;
    PC_TRY(PC_NEW_ARRAY(fresh, slots, "pairs"));
    pc_free(trainer->pair_slots);
    trainer->pair_slots = fresh;
    trainer->pair_slot_count = slots;
    for (size_t i = 0; i < trainer->pair_count; i++) {
        fresh[pair_slot(trainer, trainer->pairs[i].left, trainer->pairs[i].right)] = (uint32_t)i + 1;
    }
    return PC_OK;
}

/* Add to a pair's count; when it grows, note the word and the pair. */
static pc_status change_pair(pc_bpe_trainer *trainer, int32_t left, int32_t right, int64_t change, uint32_t in_word)
{
    if (trainer->pair_slot_count / 2 <= trainer->pair_count) {
        PC_TRY(grow_pairs(trainer));
    }
    size_t slot = pair_slot(trainer, left, right);
    if (!trainer->pair_slots[slot]) {
        if (trainer->pair_count >= UINT32_MAX - 1) {
            return pc_fail(PC_ERR_DATA, "the texts have too many pairs");
        }
        PC_TRY(pc_grow(&trainer->pairs, &trainer->pair_capacity, trainer->pair_count + 1, sizeof *trainer->pairs, "pairs"));
        trainer->pairs[trainer->pair_count] = (pair){.left = left, .right = right};
        trainer->pair_slots[slot] = (uint32_t)++trainer->pair_count;
    }
    uint32_t index = trainer->pair_slots[slot] - 1;
    pair *p = &trainer->pairs[index];
    p->count += change;
    if (change <= 0) {
        return PC_OK;
    }
    if (p->word_count == 0 || p->words[p->word_count - 1] != in_word) {
        PC_TRY(pc_grow(&p->words, &p->word_capacity, p->word_count + 1, sizeof *p->words, "words of a pair"));
        p->words[p->word_count++] = in_word;
    }
    if (!p->grown) {
        PC_TRY(pc_grow(&trainer->grown, &trainer->grown_capacity, trainer->grown_count + 1, sizeof *trainer->grown, "pairs"));
        trainer->grown[trainer->grown_count++] = index;
        p->grown = true;
    }
    return PC_OK;
}

static pc_status push_grown(pc_bpe_trainer *trainer)
{
    for (size_t i = 0; i < trainer->grown_count; i++) {
        trainer->pairs[trainer->grown[i]].grown = false;
        PC_TRY(heap_push(trainer, trainer->grown[i]));
    }
    trainer->grown_count = 0;
    return PC_OK;
}

/* Words as symbols, and the first counts. */
static pc_status count_pairs(pc_bpe_trainer *trainer)
{
    int32_t ids[256];
    for (int byte = 0; byte < 256; byte++) {
        char text[4];
        int size = pc_utf8_encode(pc_byte_to_char((unsigned char)byte), text);
        ids[byte] = pc_vocab_find(&trainer->tokenizer->vocab, text, (size_t)size);
    }
    PC_TRY(PC_NEW_ARRAY(trainer->symbols, trainer->used, "words"));
    for (size_t i = 0; i < trainer->used; i++) {
        trainer->symbols[i] = ids[(unsigned char)trainer->bytes[i]];
    }
    for (size_t i = 0; i < trainer->word_count; i++) {
        const word *w = &trainer->words[i];
        const int32_t *symbols = trainer->symbols + w->offset;
        for (uint32_t j = 0; j + 1 < w->length; j++) {
            PC_TRY(change_pair(trainer, symbols[j], symbols[j + 1], (int64_t)w->count, (uint32_t)i));
        }
    }
    return push_grown(trainer);
}

/* Put `id` for each (left, right) in a word, from the left, and change the counts of the pairs beside it. */
static pc_status merge_in_word(pc_bpe_trainer *trainer, uint32_t index, int32_t left, int32_t right, int32_t id)
{
    word *w = &trainer->words[index];
    int32_t *symbols = trainer->symbols + w->offset;
    int64_t count = (int64_t)w->count;
    uint32_t to = 0;
    for (uint32_t from = 0; from < w->length; from++) {
        if (symbols[from] != left || from + 1 >= w->length || symbols[from + 1] != right) {
            symbols[to++] = symbols[from];
            continue;
        }
        if (to > 0) {
            PC_TRY(change_pair(trainer, symbols[to - 1], left, -count, index));
            PC_TRY(change_pair(trainer, symbols[to - 1], id, count, index));
        }
        if (from + 2 < w->length) {
            PC_TRY(change_pair(trainer, right, symbols[from + 2], -count, index));
            PC_TRY(change_pair(trainer, id, symbols[from + 2], count, index));
        }
        symbols[to++] = id;
        from++;
    }
    w->length = to;
    return PC_OK;
}

/* The id of the token that two make together, new or not. */
static pc_status token_of(pc_vocab *vocab, int32_t left, int32_t right, int32_t *id)
{
    pc_str joined = {0};
    size_t left_length, right_length;
    const char *left_text = pc_vocab_text(vocab, left, &left_length);
    const char *right_text = pc_vocab_text(vocab, right, &right_length);
    pc_status status;
    PC_GO(pc_str_add(&joined, left_text, left_length));
    PC_GO(pc_str_add(&joined, right_text, right_length));
    *id = pc_vocab_find(vocab, joined.data, joined.length);
    if (*id < 0) {
        *id = (int32_t)vocab->count;
        PC_GO(pc_vocab_set(vocab, vocab->count, joined.data, joined.length, 0));
    }
done:
    pc_str_clear(&joined);
    return status;
}

static pc_status learn(pc_bpe_trainer *trainer, pc_bpe *bpe)
{
    size_t capacity = 0;
    pc_vocab *vocab = &trainer->tokenizer->vocab;
    while (vocab->count < trainer->options.vocab_size && trainer->heap_count > 0) {
        heap_entry top = heap_pop(trainer);
        pair best = trainer->pairs[top.pair];
        if (top.count != best.count) {
            if (best.count > 0) {
                PC_TRY(heap_push(trainer, top.pair));
            }
            continue;
        }
        if (best.count < (int64_t)trainer->options.min_count) {
            break;
        }
        if (pc_signal_pending()) {
            return pc_fail(PC_ERR_INTERRUPTED, "interrupted; nothing was written");
        }
        int32_t id;
        PC_TRY(token_of(vocab, best.left, best.right, &id));
        PC_TRY(pc_grow(&bpe->merges, &capacity, bpe->merge_count + 1, sizeof *bpe->merges, "merges"));
        bpe->merges[bpe->merge_count++] = (pc_bpe_merge){best.left, best.right};
        /* The list is taken out: merging may move the table of pairs, and this pair gets no more words. */
        trainer->pairs[top.pair].words = NULL;
        trainer->pairs[top.pair].word_count = trainer->pairs[top.pair].word_capacity = 0;
        pc_status status = PC_OK;
        for (size_t i = 0; i < best.word_count && status == PC_OK; i++) {
            status = merge_in_word(trainer, best.words[i], best.left, best.right, id);
        }
        pc_free(best.words);
        PC_TRY(status);
        trainer->pairs[top.pair].count = 0;
        PC_TRY(push_grown(trainer));
    }
    return PC_OK;
}

/* Roles by name, the template, and what encoding needs. */
static pc_status finish(pc_bpe_trainer *trainer)
{
    pc_tokenizer *tokenizer = trainer->tokenizer;
    pc_piped *piped = tokenizer->state;
    int32_t bos = pc_tokenizer_id(tokenizer, "<s>");
    PC_TRY(pc_bpe_byte_level_pipeline(tokenizer, trainer->regex));
    pc_tokenizer_guess_roles(tokenizer);
    if (bos >= 0 && pc_tokenizer_is_special(tokenizer, bos)) {
        PC_TRY(pc_ids_push(&tokenizer->before, bos));
        PC_TRY(pc_template_to_json(tokenizer, piped->pipeline));
    }
    PC_TRY(pc_piped_ready(tokenizer, "trained tokenizer"));
    return pc_tokenizer_ready(tokenizer);
}

pc_status pc_bpe_trainer_finish(pc_bpe_trainer *trainer, pc_tokenizer **out)
{
    pc_bpe *bpe = NULL;
    *out = NULL;
    PC_TRY(pc_bpe_new(&bpe));
    ((pc_piped *)trainer->tokenizer->state)->state = bpe;
    PC_TRY(count_pairs(trainer));
    PC_TRY(learn(trainer, bpe));
    PC_TRY(finish(trainer));
    *out = trainer->tokenizer;
    trainer->tokenizer = NULL;
    return PC_OK;
}

pc_status pc_bpe_train(pc_tokenizer **out, const pc_bpe_options *options, const char *const *texts,
                       const size_t *lengths, size_t count)
{
    pc_bpe_trainer *trainer = NULL;
    pc_status status;
    *out = NULL;
    PC_GO(pc_bpe_trainer_new(&trainer, options));
    for (size_t i = 0; i < count; i++) {
        PC_GO(pc_bpe_trainer_feed(trainer, texts[i], lengths[i]));
    }
    PC_GO(pc_bpe_trainer_finish(trainer, out));
done:
    pc_bpe_trainer_free(trainer);
    return status;
}
