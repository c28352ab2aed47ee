/* Scratch memory of an encoding and the cache of words. */
#include "base/memory.h"
#include "text/kind.h"
#include "text/regex.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <string.h>

enum {
    CACHE_SLOTS = 8192,    /* power of two */
    CACHE_FROM = 4096,     /* bytes of text from which a cache pays */
    CACHE_LONGEST = 64,    /* bytes of a word that is kept */
};

struct pc_word_cache {
    bool on;
    pc_cached_word slots[CACHE_SLOTS];
};

void pc_text_work_clear(pc_text_work *work)
{
    pc_str_clear(&work->normal[0]);
    pc_str_clear(&work->normal[1]);
    for (int i = 0; i < PC_TEXT_STEPS; i++) {
        pc_str_clear(&work->pieces[i]);
    }
    pc_free(work->symbols);
    pc_merge_work_clear(&work->merge);
    pc_free(work->lattice);
    pc_regex_work_free(work->regex);
    pc_free(work->cache);
    *work = (pc_text_work){0};
}

void pc_word_cache_begin(pc_text_work *work, size_t length)
{
    if (length >= CACHE_FROM && !work->cache) {
        work->cache = pc_calloc(1, sizeof *work->cache); /* without memory for it encoding goes on, only slower */
    } else if (work->cache) {
        memset(work->cache, 0, length >= CACHE_FROM ? sizeof *work->cache : sizeof work->cache->on);
    }
    if (work->cache) {
        work->cache->on = length >= CACHE_FROM;
    }
}

pc_status pc_word_cache_find(pc_text_work *work, const char *word, size_t length, pc_ids *out, bool *found,
                             pc_cached_word **slot)
{
    *found = false;
    *slot = NULL;
    if (!work->cache || !work->cache->on || length > CACHE_LONGEST) {
        return PC_OK;
    }
    pc_cached_word *entry = &work->cache->slots[XXH3_64bits(word, length) & (CACHE_SLOTS - 1)];
    if (entry->word && entry->length == length && memcmp(entry->word, word, length) == 0) {
        *found = true;
        return pc_ids_add(out, out->data + entry->first, entry->count);
    }
    *slot = entry;
    return PC_OK;
}
