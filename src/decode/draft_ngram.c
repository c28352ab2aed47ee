/* Drafts by counting: what most often followed the last few tokens, in this text and in the ones before.
 *
 *   of each known end of c, of at most ORDERS tokens: the id seen most often behind it, p = times seen / (2 + times that end was seen)
 *   guess(c) = the one of the largest p
 *
 * A draft goes on while the product of its p says that a further token is worth reading. Source of the idea: prompt look-up
 * (Saxena 2023) and the n-gram caches of llama.cpp. Counts are found by hashes of 64 bits; a table that is half full is begun
 * anew, so that memory stays bounded.
 */
#include "decode/draft.h"

#include "base/memory.h"

#include <string.h>

enum { ORDERS = 5, PLACES = 1 << 17, FULL = PLACES / 2 };

/* A token read ahead in vain costs about this share of a run: a model of 5 million parameters reads two tokens in 1.06, four in 1.38
 * and eight in 2.27 times the time of one. */
static const double WORTH = 0.2;

typedef struct count {
    uint64_t key; /* 0 = free */
    uint32_t times;
    int32_t next; /* of an end of text: the id seen most often behind it, and how often */
    uint32_t most;
} count;

typedef struct ngram {
    count *counts;    /* [PLACES]: of ends of text, and of ends with the id behind them */
    size_t used;
    size_t seen;      /* tokens of the present history that are counted */
    size_t most;      /* of pc_draft_setup */
    int32_t *text;    /* [ORDERS + most]: the end of the history, then the guess */
} ngram;

static pc_status make(void **self, const pc_draft_setup *setup)
{
    ngram *n = NULL;
    PC_TRY(PC_NEW(n, "a draft"));
    n->most = (size_t)setup->most;
    pc_status status;
    PC_GO(PC_NEW_ARRAY(n->counts, PLACES, "a draft"));
    PC_GO(PC_NEW_ARRAY(n->text, ORDERS + n->most, "a draft"));
    *self = n;
    return PC_OK;
done:
    pc_free(n->counts);
    pc_free(n);
    return status;
}

static void release(void *self)
{
    ngram *n = self;
    pc_free(n->counts);
    pc_free(n->text);
    pc_free(n);
}

static pc_status begin(void *self, const pc_answer_request *request)
{
    (void)request;
    ((ngram *)self)->seen = 0;
    return PC_OK;
}

static uint64_t mix(uint64_t h, uint64_t value)
{
    h = (h ^ value) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

/* Key of the last `order` ids before `end`; never 0. */
static uint64_t key_of(const int32_t *end, size_t order)
{
    uint64_t h = order;
    for (size_t i = 1; i <= order; i++) {
        h = mix(h, (uint32_t)end[-(ptrdiff_t)i]);
    }
    return h | 1;
}

/* The place of a key, or the free one where it would stand. */
static count *find(const ngram *n, uint64_t key)
{
    size_t at = (size_t)(key >> 20) % PLACES;
    while (n->counts[at].key && n->counts[at].key != key) {
        at = (at + 1) % PLACES;
    }
    return &n->counts[at];
}

static count *add(ngram *n, uint64_t key)
{
    count *found = find(n, key);
    if (!found->key) {
        *found = (count){.key = key};
        n->used++;
    }
    found->times++;
    return found;
}

/* Count *end behind what stands before it, `before` ids. */
static void observe(ngram *n, const int32_t *end, size_t before)
{
    if (n->used > FULL) {
        memset(n->counts, 0, PLACES * sizeof *n->counts);
        n->used = 0;
    }
    for (size_t order = 1; order <= ORDERS && order <= before; order++) {
        uint64_t key = key_of(end, order);
        uint32_t times = add(n, mix(key, 1 + (uint64_t)(uint32_t)*end) | 1)->times;
        count *text = add(n, key);
        if (times >= text->most) {
            text->most = times;
            text->next = *end;
        }
    }
}

/* The likeliest id behind the `before` ids that end at `end`, and its probability; 0 when nothing is known. A long end that was seen
 * once says less than a short one that was seen often. */
static double predict(const ngram *n, const int32_t *end, size_t before, int32_t *id)
{
    double best = 0;
    for (size_t order = before < ORDERS ? before : ORDERS; order > 0; order--) {
        const count *text = find(n, key_of(end, order));
        double p = text->key ? (double)text->most / (2 + (double)text->times) : 0;
        if (p > best) {
            best = p;
            *id = text->next;
        }
    }
    return best;
}

static pc_status guess(void *self, const pc_ids *history, size_t answer, size_t most, int32_t *out, size_t *found)
{
    ngram *n = self;
    size_t before = history->count < ORDERS ? history->count : ORDERS;
    double chance = 1;
    (void)answer;
    for (; n->seen < history->count; n->seen++) {
        observe(n, history->data + n->seen, n->seen);
    }
    memcpy(n->text, history->data + history->count - before, before * sizeof *n->text);
    for (most = most < n->most ? most : n->most; *found < most; before++) {
        int32_t id = 0;
        chance *= predict(n, n->text + before, before, &id);
        if (chance < WORTH) {
            break;
        }
        out[(*found)++] = n->text[before] = id;
    }
    return PC_OK;
}

const pc_draft_type pc_draft_ngram = {.make = make, .release = release, .begin = begin, .guess = guess};
