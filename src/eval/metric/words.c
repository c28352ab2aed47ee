#include "eval/metric/words.h"

#include "base/memory.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A table with open addressing; slots hold the number + 1. */
struct pc_word_ids {
    pc_arena texts;
    const char **word;
    size_t count, capacity;
    int *slot;
    size_t slots;
};

pc_status pc_word_ids_new(pc_word_ids **out)
{
    return PC_NEW(*out, "a dictionary");
}

void pc_word_ids_free(pc_word_ids *ids)
{
    if (ids) {
        pc_arena_free(&ids->texts);
        pc_free(ids->word);
        pc_free(ids->slot);
        pc_free(ids);
    }
}

/* FNV-1a, 64 bit. */
static uint64_t hash(const char *text, size_t length)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < length; i++) {
        h = (h ^ (unsigned char)text[i]) * 1099511628211u;
    }
    return h;
}

static size_t find_slot(const pc_word_ids *ids, const char *text, size_t length)
{
    size_t at = hash(text, length) & (ids->slots - 1);
    for (; ids->slot[at]; at = (at + 1) & (ids->slots - 1)) {
        const char *word = ids->word[ids->slot[at] - 1];
        if (strncmp(word, text, length) == 0 && !word[length]) {
            break;
        }
    }
    return at;
}

static pc_status grow_slots(pc_word_ids *ids)
{
    if (ids->slots && ids->count < ids->slots / 2) {
        return PC_OK;
    }
    pc_free(ids->slot);
    ids->slots = ids->slots ? 2 * ids->slots : 1024;
    PC_TRY(PC_NEW_ARRAY(ids->slot, ids->slots, "a dictionary"));
    for (size_t i = 0; i < ids->count; i++) {
        ids->slot[find_slot(ids, ids->word[i], strlen(ids->word[i]))] = (int)i + 1;
    }
    return PC_OK;
}

pc_status pc_word_ids_add(pc_word_ids *ids, const char *text, size_t length, int *out)
{
    PC_TRY(grow_slots(ids));
    size_t at = find_slot(ids, text, length);
    if (!ids->slot[at]) {
        PC_TRY(pc_grow(&ids->word, &ids->capacity, ids->count + 1, sizeof *ids->word, "words"));
        char *word = pc_arena_alloc(&ids->texts, length + 1, 1);
        if (!word) {
            return pc_fail_memory(length, "a word");
        }
        memcpy(word, text, length);
        ids->word[ids->count++] = word;
        ids->slot[at] = (int)ids->count;
    }
    *out = ids->slot[at] - 1;
    return PC_OK;
}

int pc_word_ids_find(const pc_word_ids *ids, const char *text, size_t length)
{
    return ids->slots ? ids->slot[find_slot(ids, text, length)] - 1 : -1;
}

size_t pc_word_ids_count(const pc_word_ids *ids)
{
    return ids->count;
}

const char *pc_word_ids_text(const pc_word_ids *ids, int id)
{
    return ids->word[id];
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

pc_status pc_word_ids_read(pc_word_ids *ids, pc_words *out, const char *text)
{
    size_t capacity = 0;
    *out = (pc_words){0};
    while (*text) {
        size_t length = 0;
        for (; is_space(*text); text++) {
        }
        for (; text[length] && !is_space(text[length]); length++) {
        }
        if (length) {
            PC_TRY(pc_grow(&out->id, &capacity, out->count + 1, sizeof *out->id, "words"));
            PC_TRY(pc_word_ids_add(ids, text, length, &out->id[out->count]));
            out->count++;
        }
        text += length;
    }
    return PC_OK;
}

/* --- n-grams --- */

int pc_ngram_compare(const void *a, const void *b)
{
    const pc_ngram *x = a, *y = b;
    for (int i = 0; i < PC_NGRAM_MAX; i++) {
        if (x->word[i] != y->word[i]) {
            return x->word[i] < y->word[i] ? -1 : 1;
        }
    }
    return 0;
}

pc_status pc_ngrams_of(pc_ngrams *out, const pc_words *words)
{
    size_t all = 0;
    *out = (pc_ngrams){0};
    PC_TRY(PC_NEW_ARRAY(out->gram, words->count * PC_NGRAM_MAX, "n-grams"));
    for (int n = 1; n <= PC_NGRAM_MAX; n++) {
        for (size_t i = 0; i + (size_t)n <= words->count; i++) {
            pc_ngram *gram = &out->gram[all++];
            *gram = (pc_ngram){.word = {-1, -1, -1, -1}, .n = n, .count = 1};
            memcpy(gram->word, words->id + i, (size_t)n * sizeof(int));
        }
    }
    qsort(out->gram, all, sizeof *out->gram, pc_ngram_compare);
    for (size_t i = 0; i < all; i++) {
        if (out->count && pc_ngram_compare(&out->gram[out->count - 1], &out->gram[i]) == 0) {
            out->gram[out->count - 1].count++;
        } else {
            out->gram[out->count++] = out->gram[i];
        }
    }
    return PC_OK;
}

const pc_ngram *pc_ngrams_find(const pc_ngrams *grams, const pc_ngram *gram)
{
    return grams->count ? bsearch(gram, grams->gram, grams->count, sizeof *gram, pc_ngram_compare) : NULL;
}
