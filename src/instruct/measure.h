/* What a set of instructions holds: how diverse its questions and answers are, and which tasks they cover.
 *
 * Flow: dataset files -> exchanges (a user's message and the answer behind it) -> counts over all of them, and likeness within a sample of
 * one size, so that sets of different sizes can be compared.
 *
 * "effective" numbers are exp(entropy): as many equally frequent ones would be as diverse. */
#ifndef PC_INSTRUCT_MEASURE_H
#define PC_INSTRUCT_MEASURE_H

#include "base/json.h"

typedef struct pc_measure_options {
    int64_t limit;  /* samples of each dataset at most; 0 = all */
    int64_t sample; /* exchanges for self-BLEU and distinct n-grams, drawn without bias; at least 2 */
    int64_t top;    /* most frequent openings and pairs to name */
    uint64_t seed;  /* of the drawing */
    void (*progress)(void *user, int64_t done, int64_t all); /* NULL = not wanted */
    int (*stop)(void *user);                                 /* not 0 = PC_ERR_INTERRUPTED; NULL = never */
    void *user;
} pc_measure_options;

/* paths [count]: datasets as pc_dataset_open takes them. *out: pc_json_free. Samples that can't be read are counted ("skipped"), the
 * first ones named in the log. PC_ERR_DATA when there is no exchange at all. */
pc_status pc_measure_data(pc_json **out, const char *const *paths, int count, const pc_measure_options *options);

#endif
