/* How much of an answer's words are those of the expected one: F1 over words, each as often as it stands there (SQuAD's
 * measure, Rajpurkar et al. 2016, arXiv:1606.05250, section 5, without its list of articles). Words end at white space and at
 * ASCII punctuation; in scripts without spaces a byte above 127 is a word of its own.
 */
#include "train/reward.h"

#include "base/memory.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

typedef struct word {
    const char *text;
    size_t length;
    bool used;
} word;

typedef struct words {
    word *items;
    size_t count, capacity;
} words;

static size_t word_length(const char *at)
{
    size_t length = 0;
    if ((unsigned char)*at > 127) {
        return 1;
    }
    while (isalnum((unsigned char)at[length])) {
        length++;
    }
    return length;
}

static pc_status split(words *out, const char *text)
{
    while (*text) {
        size_t length = word_length(text);
        if (length) {
            PC_TRY(pc_grow(&out->items, &out->capacity, out->count + 1, sizeof *out->items, "words"));
            out->items[out->count++] = (word){text, length, false};
        }
        text += length ? length : 1;
    }
    return PC_OK;
}

static bool same(const word *a, const word *b)
{
    return a->length == b->length && strncasecmp(a->text, b->text, a->length) == 0;
}

static size_t common(const words *answer, const words *truth)
{
    size_t count = 0;
    for (size_t i = 0; i < answer->count; i++) {
        for (size_t k = 0; k < truth->count; k++) {
            if (!truth->items[k].used && same(&answer->items[i], &truth->items[k])) {
                truth->items[k].used = true;
                count++;
                break;
            }
        }
    }
    return count;
}

static pc_status score(const char *answer, const char *truth, double *out)
{
    words said = {0}, wanted = {0};
    pc_status status;
    PC_GO(split(&said, answer));
    PC_GO(split(&wanted, truth));
    size_t all = said.count + wanted.count;
    *out = all ? 2 * (double)common(&said, &wanted) / (double)all : 1;
done:
    pc_free(said.items);
    pc_free(wanted.items);
    return status;
}

const pc_reward_rule pc_reward_rule_words = {
    .name = "words",
    .help = "F1 of the answer's words with those of the expected one",
    .score = score,
};
