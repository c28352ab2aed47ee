/* The search for METEOR's alignment (Denkowski and Lavie 2014; cmu-mtlab/meteor, Aligner.java).
 *
 * Every pair of words that a module matches is a candidate; a candidate whose two words occur in no other is certain. The others
 * are chosen by a beam search over the words of the reference, left to right: take a candidate whose words are free, or none.
 * A state is better with more exact matches, then fewer chunks, then less distance.
 *
 * Easy to get wrong, and the same here as there: matches of stems and synonyms weigh 1/2 in the search and are cut to whole
 * numbers, so they count nothing; the distance of a choice is added to the state it was made from, so the next choices and the
 * skip carry it, not the choice itself; equal sentences use exact matches alone; sorting keeps the order of equals.
 */
#include "eval/metric/meteor_align.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { BEAM = 40, NONE = -1 };

/* Candidates, those of one word of the reference behind each other. */
typedef struct candidate {
    int test, module;
} candidate;

typedef struct path {
    int *match;      /* [R] candidate of each word of the reference, or NONE */
    bool *used;      /* [T] words of the test */
    int exact, chunks, last_end, distance;
    size_t order;    /* in which it entered the queue */
} path;

typedef struct aligning {
    const pc_meteor_lexicon *lexicon;
    const pc_words *test, *reference;
    candidate *candidates;
    size_t count, room;
    size_t *first;          /* [R + 1] */
    int *test_cover, *reference_cover;
    bool *fixed;            /* [R] the word's one candidate is certain */
    path *pool, **now, **then; /* [2 * most], [most], [most] */
    size_t most, now_count, then_count, taken;
    int *matches;           /* memory of the pool's paths */
    bool *uses;
} aligning;

static bool share_set(const pc_meteor_lexicon *lexicon, int a, int b)
{
    size_t i = 0, k = 0;
    while (i < lexicon->sets[a] && k < lexicon->sets[b]) {
        int x = lexicon->set[a][i], y = lexicon->set[b][k];
        if (x == y) {
            return true;
        }
        i += x < y;
        k += y < x;
    }
    return false;
}

static bool matches(const aligning *a, int module, int test, int reference)
{
    if (module == PC_METEOR_EXACT) {
        return test == reference;
    }
    return test != reference && (module == PC_METEOR_STEM ? a->lexicon->stem[test] == a->lexicon->stem[reference]
                                                          : share_set(a->lexicon, test, reference));
}

static pc_status find_candidates(aligning *a)
{
    const pc_words *t = a->test, *r = a->reference;
    bool equal = t->count == r->count && (!t->count || memcmp(t->id, r->id, t->count * sizeof *t->id) == 0);
    int modules = equal ? 1 : a->lexicon->set ? PC_METEOR_MODULES : PC_METEOR_SYNONYM;
    for (size_t j = 0; j < r->count; j++) {
        a->first[j] = a->count;
        for (int module = 0; module < modules; module++) {
            for (size_t i = 0; i < t->count; i++) {
                if (matches(a, module, t->id[i], r->id[j])) {
                    PC_TRY(pc_grow(&a->candidates, &a->room, a->count + 1, sizeof *a->candidates, "matches of words"));
                    a->candidates[a->count++] = (candidate){(int)i, module};
                    a->test_cover[i]++;
                    a->reference_cover[j]++;
                }
            }
        }
        size_t options = a->count - a->first[j];
        a->most = options + 1 > a->most ? options + 1 : a->most;
    }
    a->first[r->count] = a->count;
    return PC_OK;
}

/* --- paths --- */

static path *new_path(aligning *a, const path *from)
{
    path *to = &a->pool[a->taken++ % (2 * a->most)];
    int *match = to->match;
    bool *used = to->used;
    if (from) {
        memcpy(match, from->match, a->reference->count * sizeof *match);
        memcpy(used, from->used, a->test->count * sizeof *used);
        *to = *from;
        to->match = match;
        to->used = used;
    }
    return to;
}

static void queue(aligning *a, path *p)
{
    p->order = a->then_count;
    a->then[a->then_count++] = p;
}

static int better(const void *left, const void *right)
{
    const path *x = *(path *const *)left, *y = *(path *const *)right;
    if (x->exact != y->exact) {
        return x->exact > y->exact ? -1 : 1;
    }
    if (x->chunks != y->chunks) {
        return x->chunks < y->chunks ? -1 : 1;
    }
    if (x->distance != y->distance) {
        return x->distance < y->distance ? -1 : 1;
    }
    return x->order < y->order ? -1 : x->order > y->order;
}

static void extend(path *p, const candidate *one)
{
    p->exact += one->module == PC_METEOR_EXACT;
    p->chunks += p->last_end != NONE && one->test != p->last_end;
    p->last_end = one->test + 1;
}

static int distance(size_t j, const candidate *one)
{
    return abs((int)j - one->test);
}

static void step(aligning *a, path *p, size_t j)
{
    if (a->fixed[j]) {
        extend(p, &a->candidates[p->match[j]]);
        p->distance += distance(j, &a->candidates[p->match[j]]);
        queue(a, p);
        return;
    }
    for (size_t i = a->first[j]; i < a->first[j + 1]; i++) {
        const candidate *one = &a->candidates[i];
        if (!p->used[one->test]) {
            path *next = new_path(a, p);
            next->used[one->test] = true;
            next->match[j] = (int)i;
            extend(next, one);
            p->distance += distance(j, one);
            queue(a, next);
        }
    }
    p->chunks += p->last_end != NONE;
    p->last_end = NONE;
    queue(a, p);
}

static void sort_paths(aligning *a)
{
    path **swap = a->now;
    a->now = a->then;
    a->now_count = a->then_count;
    a->then = swap;
    a->then_count = 0;
    qsort(a->now, a->now_count, sizeof *a->now, better);
}

/* The paths of a generation that live on must not be overwritten: they move to the front of the pool's other half. */
static void keep_best(aligning *a)
{
    a->now_count = a->now_count < BEAM ? a->now_count : BEAM;
    a->taken = a->taken > a->most ? 0 : a->most;
    for (size_t i = 0; i < a->now_count; i++) {
        a->now[i] = new_path(a, a->now[i]);
    }
}

static const path *resolve(aligning *a)
{
    path *start = new_path(a, NULL);
    for (size_t j = 0; j < a->reference->count; j++) {
        bool certain = a->first[j + 1] - a->first[j] == 1 && a->reference_cover[j] == 1 &&
                       a->test_cover[a->candidates[a->first[j]].test] == 1;
        a->fixed[j] = certain;
        start->match[j] = certain ? (int)a->first[j] : NONE;
        if (certain) {
            start->used[a->candidates[a->first[j]].test] = true;
        }
    }
    start->last_end = NONE;
    queue(a, start);
    for (size_t j = 0; j < a->reference->count; j++) {
        sort_paths(a);
        keep_best(a);
        for (size_t i = 0; i < a->now_count; i++) {
            step(a, a->now[i], j);
        }
    }
    sort_paths(a);
    keep_best(a);
    for (size_t i = 0; i < a->now_count; i++) {
        a->now[i]->chunks += a->now[i]->last_end != NONE;
        queue(a, a->now[i]);
    }
    sort_paths(a);
    return a->now[0];
}

/* --- counts --- */

static void count_side(pc_meteor_side *side, const pc_words *words, const bool *function)
{
    side->length = (double)words->count;
    for (size_t i = 0; i < words->count; i++) {
        side->function_words += function[words->id[i]];
    }
}

static void count_matches(pc_meteor_counts *out, const aligning *a, const path *best)
{
    const bool *function = a->lexicon->function;
    int last_end = NONE;
    count_side(&out->test, a->test, function);
    count_side(&out->reference, a->reference, function);
    for (size_t j = 0; j < a->reference->count; j++) {
        const candidate *one = best->match[j] == NONE ? NULL : &a->candidates[best->match[j]];
        if (one) {
            pc_meteor_side *t = &out->test, *r = &out->reference;
            (function[a->test->id[one->test]] ? t->function : t->content)[one->module]++;
            (function[a->reference->id[j]] ? r->function : r->content)[one->module]++;
        }
        out->chunks += last_end != NONE && (!one || one->test != last_end);
        last_end = one ? one->test + 1 : NONE;
    }
    out->chunks += last_end != NONE;
}

static pc_status get_memory(aligning *a)
{
    size_t tests = a->test->count, references = a->reference->count;
    PC_TRY(PC_NEW_ARRAY(a->first, references + 1, "matches of words"));
    PC_TRY(PC_NEW_ARRAY(a->fixed, references, "matches of words"));
    PC_TRY(PC_NEW_ARRAY(a->test_cover, tests, "matches of words"));
    PC_TRY(PC_NEW_ARRAY(a->reference_cover, references, "matches of words"));
    PC_TRY(find_candidates(a));
    /* A generation: what the beam keeps and what it makes of that. */
    a->most = BEAM * (a->most + 1);
    PC_TRY(PC_NEW_ARRAY(a->pool, 2 * a->most, "alignments"));
    PC_TRY(PC_NEW_ARRAY(a->now, a->most, "alignments"));
    PC_TRY(PC_NEW_ARRAY(a->then, a->most, "alignments"));
    PC_TRY(PC_NEW_ARRAY(a->matches, 2 * a->most * references, "alignments"));
    PC_TRY(PC_NEW_ARRAY(a->uses, 2 * a->most * tests, "alignments"));
    for (size_t i = 0; i < 2 * a->most; i++) {
        a->pool[i].match = a->matches + i * references;
        a->pool[i].used = a->uses + i * tests;
    }
    return PC_OK;
}

pc_status pc_meteor_align(pc_meteor_counts *out, const pc_meteor_lexicon *lexicon, const pc_words *test, const pc_words *reference)
{
    aligning a = {.lexicon = lexicon, .test = test, .reference = reference};
    *out = (pc_meteor_counts){0};
    pc_status status = get_memory(&a);
    if (status == PC_OK) {
        count_matches(out, &a, resolve(&a));
    }
    pc_free(a.candidates);
    pc_free(a.first);
    pc_free(a.fixed);
    pc_free(a.test_cover);
    pc_free(a.reference_cover);
    pc_free(a.pool);
    pc_free(a.now);
    pc_free(a.then);
    pc_free(a.matches);
    pc_free(a.uses);
    return status;
}
