/* A text cut into words at white space, and the n-grams of words: what caption metrics count. */
#ifndef PC_EVAL_METRIC_WORDS_H
#define PC_EVAL_METRIC_WORDS_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

enum { PC_NGRAM_MAX = 4 };

/* Words as numbers that are equal for equal words within one dictionary. */
typedef struct pc_words {
    int *id;
    size_t count;
} pc_words;

typedef struct pc_word_ids pc_word_ids;

pc_status pc_word_ids_new(pc_word_ids **out);
void pc_word_ids_free(pc_word_ids *ids); /* NULL is fine */
/* The number of the word text[0..length), given to it when it is new. / The same, or -1 when it has none. */
pc_status pc_word_ids_add(pc_word_ids *ids, const char *text, size_t length, int *out);
int pc_word_ids_find(const pc_word_ids *ids, const char *text, size_t length);
size_t pc_word_ids_count(const pc_word_ids *ids);
const char *pc_word_ids_text(const pc_word_ids *ids, int id); /* id < count; borrowed */
/* *out = the words of a text, numbered; pc_free(out->id). */
pc_status pc_word_ids_read(pc_word_ids *ids, pc_words *out, const char *text);

/* An n-gram and how often it stands in a text; unused places of word are -1. */
typedef struct pc_ngram {
    int word[PC_NGRAM_MAX];
    int n;     /* 1 .. PC_NGRAM_MAX */
    int count;
} pc_ngram;

typedef struct pc_ngrams {
    pc_ngram *gram; /* sorted by pc_ngram_compare, each once */
    size_t count;
} pc_ngrams;

/* All n-grams with n <= PC_NGRAM_MAX; pc_free(out->gram). */
pc_status pc_ngrams_of(pc_ngrams *out, const pc_words *words);
int pc_ngram_compare(const void *a, const void *b);
/* The same n-gram there, or NULL. */
const pc_ngram *pc_ngrams_find(const pc_ngrams *grams, const pc_ngram *gram);

#endif
