/* How often each text of a growing set was met. */
#ifndef PC_INSTRUCT_PHRASES_H
#define PC_INSTRUCT_PHRASES_H

#include "base/json.h"
#include "eval/metric/words.h"

/* Initialise with {0}. */
typedef struct pc_phrases {
    pc_word_ids *ids;
    int64_t *counts; /* [pc_word_ids_count(ids)] */
    size_t capacity;
    int64_t total;
} pc_phrases;

pc_status pc_phrases_add(pc_phrases *phrases, const char *text, size_t length);
void pc_phrases_clear(pc_phrases *phrases);
size_t pc_phrases_count(const pc_phrases *phrases); /* different ones */
double pc_phrases_effective(const pc_phrases *phrases); /* exp(entropy); 0 when there are none */
/* *out = the `most` most frequent as [["text", n], ...], equally frequent ones in the order in which they came. */
pc_status pc_phrases_top(pc_json **out, const pc_phrases *phrases, size_t most);

#endif
