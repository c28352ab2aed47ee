/* Drafts by counting: what most often followed the last few tokens, in this text and in the ones before.
 *
 *   of each known end of c, of at most ORDERS tokens: the id seen most often behind it, p = times seen / (2 + times that end was seen)
 *   guess(c) = the one of the largest p
 *
 * A draft goes on while the product of its p says that a further token is worth reading. Source of the idea: prompt look-up
 * (Saxena 2023) and the n-gram caches of llama.cpp. Counts are found by hashes of 64 bits; the table grows as it fills, up to
 * MOST_PLACES, and is begun anew then, so that memory stays bounded.
 *
 * Easy to get wrong: a prompt that begins as the text before was counted with it, and what stands for a picture is no text.
 */
#include "decode/draft.h"

#include "base/memory.h"

#include <string.h>

enum { ORDERS = 3, FIRST_PLACES = 1 << 12, MOST_PLACES = 1 << 17 };

/* Tokens that are read ahead at little cost, and what the chance of a further one has to be within them and behind. A model of
 * 5 million parameters reads two to four tokens in 1.0 to 1.2 times the time of one, six in 1.3 and seven in 2: products work on up
 * to six rows at once. */
enum { CHEAP = 5 };
static const double WORTH = 0.1, WORTH_BEHIND = 0.5;

typedef struct count {
    uint64_t key; /* 0 = free */
    uint32_t times;
    int32_t next; /* of an end of text: the id seen most often behind it, and how often */
    uint32_t most;
} count;

typedef struct ngram {
    count *counts;    /* [places]: of ends of text, and of ends with the id behind them */
    size_t places, used;
    pc_ids counted;   /* the history so far, all of it counted */
    size_t most;      /* of pc_draft_setup */
    int32_t picture;  /* placeholder id; -1 = none */
    int32_t *text;    /* [ORDERS + most]: the end of the history, then the guess */
} ngram;

static void release(void *self)
{
    ngram *n = self;
    pc_free(n->counts);
    pc_free(n->text);
    pc_ids_clear(&n->counted);
    pc_free(n);
}

static pc_status make(void **self, const pc_draft_setup *setup)
{
    ngram *n = NULL;
    PC_TRY(PC_NEW(n, "a draft"));
    n->most = (size_t)setup->most;
    n->places = FIRST_PLACES;
    n->picture = (int32_t)setup->model->image_token;
    pc_status status;
    PC_GO(PC_NEW_ARRAY(n->counts, n->places, "a draft"));
    PC_GO(PC_NEW_ARRAY(n->text, ORDERS + n->most, "a draft"));
    *self = n;
done:
    if (status != PC_OK) {
        release(n);
    }
    return status;
}

static pc_status begin(void *self, const pc_answer_request *request)
{
    (void)self;
    (void)request;
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
    size_t at = (size_t)(key >> 20) % n->places;
    while (n->counts[at].key && n->counts[at].key != key) {
        at = (at + 1) % n->places;
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

/* Room for what one more token adds: twice the places for what is there, or, at the limit, none of it. */
static pc_status make_room(ngram *n)
{
    count *old = n->counts;
    const size_t places = n->places;
    if (n->used + 2 * ORDERS <= places / 2) {
        return PC_OK;
    }
    n->used = 0;
    if (places == MOST_PLACES) {
        memset(n->counts, 0, places * sizeof *n->counts);
        return PC_OK;
    }
    pc_status status = PC_NEW_ARRAY(n->counts, 2 * places, "a draft");
    if (status != PC_OK) {
        n->counts = old;
        return status;
    }
    n->places = 2 * places;
    for (size_t i = 0; i < places; i++) {
        if (old[i].key) {
            *find(n, old[i].key) = old[i];
            n->used++;
        }
    }
    pc_free(old);
    return PC_OK;
}

/* Count *end behind what stands before it, `before` ids. */
static pc_status observe(ngram *n, const int32_t *end, size_t before)
{
    PC_TRY(*end == n->picture ? PC_OK : make_room(n));
    for (size_t order = 1; order <= ORDERS && order <= before && *end != n->picture; order++) {
        uint64_t key = key_of(end, order);
        uint32_t times = add(n, mix(key, 1 + (uint64_t)(uint32_t)*end) | 1)->times;
        count *text = add(n, key);
        if (times >= text->most) {
            text->most = times;
            text->next = *end;
        }
    }
    return PC_OK;
}

/* Count what is new in a history. */
static pc_status follow(ngram *n, const pc_ids *history)
{
    size_t same = 0;
    while (same < n->counted.count && same < history->count && n->counted.data[same] == history->data[same]) {
        same++;
    }
    n->counted.count = same;
    for (size_t i = same; i < history->count; i++) {
        PC_TRY(observe(n, history->data + i, i));
        PC_TRY(pc_ids_push(&n->counted, history->data[i]));
    }
    return PC_OK;
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
    PC_TRY(follow(n, history));
    memcpy(n->text, history->data + history->count - before, before * sizeof *n->text);
    for (most = most < n->most ? most : n->most; *found < most; before++) {
        int32_t id = 0;
        chance *= predict(n, n->text + before, before, &id);
        if (chance < (*found < CHEAP ? WORTH : WORTH_BEHIND)) {
            break;
        }
        out[(*found)++] = n->text[before] = id;
    }
    return PC_OK;
}

const pc_draft_type pc_draft_ngram = {.make = make, .release = release, .begin = begin, .guess = guess};
