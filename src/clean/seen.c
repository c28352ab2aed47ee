#include "clean/seen.h"

#include "base/memory.h"

#include <string.h>

enum { MOST_BANDS = 17, FIRST_SIZE = 1024 };

typedef struct entry {
    uint64_t a, b; /* both 0: free */
} entry;

/* Open addressing; a key of zeros is stored as one of ones. */
typedef struct set {
    entry *entries;
    size_t size, count; /* size: a power of two */
} set;

typedef struct near_index {
    int bands; /* 0: not wanted */
    uint64_t *hashes, *texts; /* [count] */
    size_t count, capacity, text_capacity;
    int32_t *next[MOST_BANDS]; /* [count]: the next hash with the same band, -1 = none */
    size_t next_capacity[MOST_BANDS];
    int32_t *heads[MOST_BANDS]; /* [buckets] */
    size_t buckets;             /* a power of two, or 0 */
} near_index;

struct pc_clean_seen {
    set same;
    near_index alike;
    int near;
};

/* --- equal ones --- */

/* Where the key is, or the free place for it. The second half of the key need not agree when `half`. */
static entry *place_of(const set *s, uint64_t a, uint64_t b, bool half)
{
    size_t at = (a * 0x9E3779B97F4A7C15u >> 20) & (s->size - 1);
    while ((s->entries[at].a | s->entries[at].b) && !(s->entries[at].a == a && (half || s->entries[at].b == b))) {
        at = (at + 1) & (s->size - 1);
    }
    return &s->entries[at];
}

static pc_status make_room(set *s, bool half)
{
    set larger = {.size = s->size ? 2 * s->size : FIRST_SIZE, .count = s->count};
    if (4 * (s->count + 1) <= 3 * s->size) {
        return PC_OK;
    }
    PC_TRY(PC_NEW_ARRAY(larger.entries, larger.size, "a table of hashes"));
    for (size_t i = 0; i < s->size; i++) {
        if (s->entries[i].a | s->entries[i].b) {
            *place_of(&larger, s->entries[i].a, s->entries[i].b, half) = s->entries[i];
        }
    }
    pc_free(s->entries);
    *s = larger;
    return PC_OK;
}

static entry key_of(const pc_clean_key *key)
{
    entry e = {key->content[0] + key->text * 0xD6E8FEB86659FD93u, key->content[1] ^ key->text};
    return e.a | e.b ? e : (entry){1, 1};
}

/* --- alike ones --- */

/* Bits [from, to) of the hash, the highest first. */
static uint64_t band_of(const near_index *n, uint64_t hash, int band)
{
    int from = 64 * band / n->bands, to = 64 * (band + 1) / n->bands;
    return n->bands == 1 ? hash : hash << from >> (64 - (to - from));
}

static size_t bucket_of(const near_index *n, uint64_t hash, int band)
{
    uint64_t mixed = (band_of(n, hash, band) + 1) * 0x9E3779B97F4A7C15u;
    return (size_t)(mixed >> 16) & (n->buckets - 1);
}

static void link_hash(near_index *n, size_t i)
{
    for (int band = 0; band < n->bands; band++) {
        int32_t *head = &n->heads[band][bucket_of(n, n->hashes[i], band)];
        n->next[band][i] = *head;
        *head = (int32_t)i;
    }
}

static pc_status more_buckets(near_index *n)
{
    size_t buckets = n->buckets ? 4 * n->buckets : FIRST_SIZE;
    if (n->count < n->buckets) {
        return PC_OK;
    }
    for (int band = 0; band < n->bands; band++) {
        int32_t *heads;
        PC_TRY(PC_NEW_ARRAY(heads, buckets, "a table of hashes"));
        memset(heads, 0xff, buckets * sizeof *heads);
        pc_free(n->heads[band]);
        n->heads[band] = heads;
    }
    n->buckets = buckets;
    for (size_t i = 0; i < n->count; i++) {
        link_hash(n, i);
    }
    return PC_OK;
}

static pc_status add_near(near_index *n, const pc_clean_key *key)
{
    if (n->count >= INT32_MAX) {
        return pc_fail(PC_ERR_DATA, "more than %d pictures are compared", INT32_MAX);
    }
    PC_TRY(pc_grow(&n->hashes, &n->capacity, n->count + 1, sizeof *n->hashes, "hashes of pictures"));
    PC_TRY(pc_grow(&n->texts, &n->text_capacity, n->count + 1, sizeof *n->texts, "hashes of pictures"));
    for (int band = 0; band < n->bands; band++) {
        PC_TRY(pc_grow(&n->next[band], &n->next_capacity[band], n->count + 1, sizeof *n->next[band], "hashes of pictures"));
    }
    PC_TRY(more_buckets(n));
    n->hashes[n->count] = key->phash;
    n->texts[n->count] = key->text;
    link_hash(n, n->count);
    n->count++;
    return PC_OK;
}

static bool has_near(const near_index *n, const pc_clean_key *key, int near)
{
    for (int band = 0; n->buckets && band < n->bands; band++) {
        for (int32_t i = n->heads[band][bucket_of(n, key->phash, band)]; i >= 0; i = n->next[band][i]) {
            if (n->texts[i] == key->text && __builtin_popcountll(n->hashes[i] ^ key->phash) <= near) {
                return true;
            }
        }
    }
    return false;
}

/* --- both --- */

pc_status pc_clean_seen_new(pc_clean_seen **out, int near)
{
    *out = NULL;
    if (near < -1 || near >= MOST_BANDS) {
        return pc_fail(PC_ERR_USAGE, "near %d: expected -1 to %d", near, MOST_BANDS - 1);
    }
    PC_TRY(PC_NEW(*out, "hashes of pictures"));
    (*out)->near = near;
    (*out)->alike.bands = near + 1;
    return PC_OK;
}

void pc_clean_seen_free(pc_clean_seen *seen)
{
    if (!seen) {
        return;
    }
    pc_free(seen->same.entries);
    pc_free(seen->alike.hashes);
    pc_free(seen->alike.texts);
    for (int band = 0; band < MOST_BANDS; band++) {
        pc_free(seen->alike.next[band]);
        pc_free(seen->alike.heads[band]);
    }
    pc_free(seen);
}

pc_status pc_clean_seen_add(pc_clean_seen *seen, const pc_clean_key *key)
{
    entry e = key_of(key);
    PC_TRY(make_room(&seen->same, false));
    entry *at = place_of(&seen->same, e.a, e.b, false);
    seen->same.count += !(at->a | at->b);
    *at = e;
    return seen->alike.bands > 0 ? add_near(&seen->alike, key) : PC_OK;
}

pc_clean_found pc_clean_seen_find(const pc_clean_seen *seen, const pc_clean_key *key)
{
    entry e = key_of(key);
    const entry *at = seen->same.size ? place_of(&seen->same, e.a, e.b, false) : NULL;
    if (at && (at->a | at->b)) {
        return PC_SEEN_SAME;
    }
    return seen->alike.bands > 0 && has_near(&seen->alike, key, seen->near) ? PC_SEEN_NEAR : PC_SEEN_NOT;
}

/* --- texts --- */

struct pc_clean_uses {
    set counts; /* a: the text's hash, b: how many times */
};

pc_status pc_clean_uses_new(pc_clean_uses **out)
{
    return PC_NEW(*out, "counts of captions");
}

void pc_clean_uses_free(pc_clean_uses *uses)
{
    if (uses) {
        pc_free(uses->counts.entries);
        pc_free(uses);
    }
}

pc_status pc_clean_uses_add(pc_clean_uses *uses, uint64_t text)
{
    PC_TRY(make_room(&uses->counts, true));
    entry *at = place_of(&uses->counts, text, 0, true);
    uses->counts.count += at->b == 0;
    at->a = text;
    at->b++;
    return PC_OK;
}

int64_t pc_clean_uses_of(const pc_clean_uses *uses, uint64_t text)
{
    return uses->counts.size ? (int64_t)place_of(&uses->counts, text, 0, true)->b : 0;
}
