/* How alike texts are to each other: self-BLEU and distinct n-grams.
 *
 * Self-BLEU (Zhu et al. 2018, arXiv:1802.01886): the mean over the texts of the BLEU-4 of each against all others as its references:
 * 1 = every text is said elsewhere, 0 = none shares a word. BLEU of one sentence as nltk's sentence_bleu with SmoothingFunction().method1
 * (0.1 in place of no match of 2 to 4 words; 0 when no word matches), which is what the paper's code used.
 *
 * Distinct-n (Li et al. 2016, arXiv:1510.03055): different n-grams as a share of all n-grams of the texts. It falls with the number of
 * texts by itself, so that only samples of one size can be compared. */
#ifndef PC_INSTRUCT_SELF_BLEU_H
#define PC_INSTRUCT_SELF_BLEU_H

#include "eval/metric/words.h"

typedef struct pc_likeness {
    double self_bleu;                /* of texts with at least one word; 0 for fewer than two */
    double distinct[PC_NGRAM_MAX];   /* distinct-1 to -4; 0 where there are no such n-grams */
} pc_likeness;

/* texts [count], words numbered by one dictionary. */
pc_status pc_likeness_of(pc_likeness *out, const pc_words *texts, size_t count);

#endif
