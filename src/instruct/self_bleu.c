/* Each n-gram with the two largest counts that it has in a text: the most that a text's references hold is the largest, or the second
 * where the text itself holds the largest. So all texts are compared with all in one sorted pass. */
#include "instruct/self_bleu.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double NO_MATCH = 0.1; /* nltk's method1 */

/* An n-gram of all texts. */
typedef struct shared {
    pc_ngram gram;   /* count: the largest in one text */
    int second;      /* the largest in another text */
    size_t owner;    /* the text that has the largest */
} shared;

typedef struct texts {
    const pc_words *words;
    size_t count;
    pc_ngrams *grams; /* [count] */
    shared *all;      /* sorted by pc_ngram_compare, each n-gram once */
    size_t all_count;
    size_t *lengths;  /* [count], rising */
} texts;

static int by_gram(const void *a, const void *b)
{
    const shared *x = a, *y = b;
    int order = pc_ngram_compare(&x->gram, &y->gram);
    return order ? order : (x->owner > y->owner) - (x->owner < y->owner);
}

static int by_length(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

static void note(shared *into, const shared *one)
{
    if (one->gram.count > into->gram.count) {
        into->second = into->gram.count;
        into->gram.count = one->gram.count;
        into->owner = one->owner;
    } else if (one->gram.count > into->second) {
        into->second = one->gram.count;
    }
}

static pc_status collect(texts *t)
{
    size_t total = 0, at = 0;
    PC_TRY(PC_NEW_ARRAY(t->grams, t->count, "n-grams"));
    PC_TRY(PC_NEW_ARRAY(t->lengths, t->count, "lengths"));
    for (size_t i = 0; i < t->count; i++) {
        PC_TRY(pc_ngrams_of(&t->grams[i], &t->words[i]));
        total += t->grams[i].count;
        t->lengths[i] = t->words[i].count;
    }
    qsort(t->lengths, t->count, sizeof *t->lengths, by_length);
    PC_TRY(PC_NEW_ARRAY(t->all, total, "n-grams"));
    for (size_t i = 0; i < t->count; i++) {
        for (size_t k = 0; k < t->grams[i].count; k++) {
            t->all[at++] = (shared){.gram = t->grams[i].gram[k], .owner = i};
        }
    }
    qsort(t->all, total, sizeof *t->all, by_gram);
    for (size_t i = 0; i < total; i++) {
        if (t->all_count && pc_ngram_compare(&t->all[t->all_count - 1].gram, &t->all[i].gram) == 0) {
            note(&t->all[t->all_count - 1], &t->all[i]);
        } else {
            t->all[t->all_count++] = t->all[i];
        }
    }
    return PC_OK;
}

static const shared *find(const texts *t, const pc_ngram *gram)
{
    shared wanted = {.gram = *gram};
    size_t low = 0, high = t->all_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = pc_ngram_compare(&t->all[middle].gram, &wanted.gram);
        if (order == 0) {
            return &t->all[middle];
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return NULL;
}

/* Of the other texts' lengths the one nearest to `length`, the shorter of two. `length` itself stands in the list once too often. */
static size_t nearest_length(const texts *t, size_t length)
{
    bool passed = false, found = false;
    size_t best = 0;
    for (size_t i = 0; i < t->count; i++) {
        size_t other = t->lengths[i];
        if (other == length && !passed) {
            passed = true;
            continue;
        }
        size_t away = other > length ? other - length : length - other, least = best > length ? best - length : length - best;
        if (!found || away < least) {
            best = other;
            found = true;
        }
    }
    return best;
}

static double bleu(const texts *t, size_t i)
{
    double matched[PC_NGRAM_MAX] = {0}, sum = 0;
    size_t length = t->words[i].count;
    for (size_t k = 0; k < t->grams[i].count; k++) {
        const pc_ngram *gram = &t->grams[i].gram[k];
        const shared *known = find(t, gram);
        int most = known->owner == i ? known->second : known->gram.count;
        matched[gram->n - 1] += most < gram->count ? most : gram->count;
    }
    if (matched[0] == 0) {
        return 0;
    }
    for (size_t n = 1; n <= PC_NGRAM_MAX; n++) {
        double guesses = length >= n ? (double)(length - n + 1) : 1;
        sum += log((matched[n - 1] > 0 ? matched[n - 1] : NO_MATCH) / guesses) / PC_NGRAM_MAX;
    }
    size_t reference = nearest_length(t, length);
    return exp(sum) * (length > reference ? 1 : exp(1 - (double)reference / (double)length));
}

static void count_distinct(pc_likeness *out, const texts *t)
{
    double different[PC_NGRAM_MAX] = {0}, all[PC_NGRAM_MAX] = {0};
    for (size_t i = 0; i < t->all_count; i++) {
        different[t->all[i].gram.n - 1]++;
    }
    for (size_t i = 0; i < t->count; i++) {
        for (size_t n = 1; n <= PC_NGRAM_MAX; n++) {
            all[n - 1] += t->words[i].count >= n ? (double)(t->words[i].count - n + 1) : 0;
        }
    }
    for (int n = 0; n < PC_NGRAM_MAX; n++) {
        out->distinct[n] = all[n] > 0 ? different[n] / all[n] : 0;
    }
}

pc_status pc_likeness_of(pc_likeness *out, const pc_words *words, size_t count)
{
    texts t = {.words = words, .count = count};
    size_t with_words = 0;
    *out = (pc_likeness){0};
    pc_status status = collect(&t);
    if (status == PC_OK) {
        count_distinct(out, &t);
        for (size_t i = 0; i < count; i++) {
            out->self_bleu += words[i].count > 0 && count > 1 ? bleu(&t, i) : 0;
            with_words += words[i].count > 0;
        }
        out->self_bleu = with_words > 0 ? out->self_bleu / (double)with_words : 0;
    }
    for (size_t i = 0; t.grams && i < count; i++) {
        pc_free(t.grams[i].gram);
    }
    pc_free(t.grams);
    pc_free(t.all);
    pc_free(t.lengths);
    return status;
}
