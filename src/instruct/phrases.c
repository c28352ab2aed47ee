#include "instruct/phrases.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

pc_status pc_phrases_add(pc_phrases *phrases, const char *text, size_t length)
{
    int id;
    PC_TRY(phrases->ids ? PC_OK : pc_word_ids_new(&phrases->ids));
    size_t before = pc_word_ids_count(phrases->ids);
    PC_TRY(pc_grow(&phrases->counts, &phrases->capacity, before + 1, sizeof *phrases->counts, "counts"));
    PC_TRY(pc_word_ids_add(phrases->ids, text, length, &id));
    phrases->counts[id] = (size_t)id == before ? 1 : phrases->counts[id] + 1;
    phrases->total++;
    return PC_OK;
}

void pc_phrases_clear(pc_phrases *phrases)
{
    pc_word_ids_free(phrases->ids);
    pc_free(phrases->counts);
    *phrases = (pc_phrases){0};
}

size_t pc_phrases_count(const pc_phrases *phrases)
{
    return phrases->ids ? pc_word_ids_count(phrases->ids) : 0;
}

double pc_phrases_effective(const pc_phrases *phrases)
{
    double entropy = 0;
    for (size_t i = 0; i < pc_phrases_count(phrases); i++) {
        double share = (double)phrases->counts[i] / (double)phrases->total;
        entropy -= share * log(share);
    }
    return phrases->total ? exp(entropy) : 0;
}

typedef struct ranked {
    int64_t count;
    int id;
} ranked;

static int by_count(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    return x->count != y->count ? (x->count < y->count) - (x->count > y->count) : (x->id > y->id) - (x->id < y->id);
}

static pc_status push_pair(pc_json *list, const char *text, int64_t count)
{
    pc_json *pair = pc_json_new_array();
    pc_status status;
    PC_GO(pc_json_push(pair, pc_json_new_text(text)));
    PC_GO(pc_json_push(pair, pc_json_new_integer(count)));
    return pc_json_push(list, pair);
done:
    pc_json_free(pair);
    return status;
}

pc_status pc_phrases_top(pc_json **out, const pc_phrases *phrases, size_t most)
{
    size_t count = pc_phrases_count(phrases);
    ranked *all = NULL;
    pc_status status;
    *out = pc_json_new_array();
    PC_GO(*out ? PC_OK : pc_fail_memory(0, "a list"));
    PC_GO(PC_NEW_ARRAY(all, count, "counts"));
    for (size_t i = 0; i < count; i++) {
        all[i] = (ranked){phrases->counts[i], (int)i};
    }
    qsort(all, count, sizeof *all, by_count);
    for (size_t i = 0; i < count && i < most; i++) {
        PC_GO(push_pair(*out, pc_word_ids_text(phrases->ids, all[i].id), all[i].count));
    }
done:
    if (status != PC_OK) {
        pc_json_free(*out);
        *out = NULL;
    }
    pc_free(all);
    return status;
}
