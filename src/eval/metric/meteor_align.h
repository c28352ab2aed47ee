/* METEOR's alignment of two sentences: which word stands for which. Internal to meteor.c. */
#ifndef PC_EVAL_METRIC_METEOR_ALIGN_H
#define PC_EVAL_METRIC_METEOR_ALIGN_H

#include "eval/metric/words.h"

#include <stdbool.h>

enum { PC_METEOR_EXACT, PC_METEOR_STEM, PC_METEOR_SYNONYM, PC_METEOR_MODULES };

/* What is known of the words of a dictionary, each array [words]. */
typedef struct pc_meteor_lexicon {
    int *stem;      /* equal for words of equal stems */
    bool *function; /* "the", "of": words that carry structure, not content */
    int **set;      /* sorted sets of synonyms; NULL: synonyms are not compared */
    size_t *sets;
} pc_meteor_lexicon;

/* Counts of one side of a pair; sums of them are the corpus'. */
typedef struct pc_meteor_side {
    double length, function_words;
    double content[PC_METEOR_MODULES], function[PC_METEOR_MODULES]; /* matched words by the module that found them */
} pc_meteor_side;

typedef struct pc_meteor_counts {
    pc_meteor_side test, reference;
    double chunks;
} pc_meteor_counts;

pc_status pc_meteor_align(pc_meteor_counts *out, const pc_meteor_lexicon *lexicon, const pc_words *test, const pc_words *reference);

#endif
