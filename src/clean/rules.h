/* The rules of cleaning, in the order in which they are asked; a sample is dropped by the first one that it breaks.
 *
 * Sources of the limits that others published: CC12M (arXiv 2102.08981), COYO-700M (kakaobrain/coyo-dataset, README),
 * DataComp's basic filter (mlfoundations/datacomp, baselines), LAION-Aesthetics; they are in recipes/clean.
 */
#ifndef PC_CLEAN_RULES_H
#define PC_CLEAN_RULES_H

#include "clean/measure.h"

typedef enum pc_clean_rule {
    PC_RULE_PAIR, PC_RULE_WORDS, PC_RULE_CHARACTERS, PC_RULE_REPEATED, PC_RULE_LANGUAGE, PC_RULE_TEXT_USES, PC_RULE_BYTES,
    PC_RULE_SIDE, PC_RULE_ASPECT, PC_RULE_NSFW, PC_RULE_WATERMARK, PC_RULE_AESTHETIC, PC_RULE_GIVEN_SIMILARITY,
    PC_RULES_ALONE, /* those above need the sample alone */
    PC_RULE_DUPLICATE = PC_RULES_ALONE, PC_RULE_NEAR_DUPLICATE, PC_RULE_AGAINST, PC_RULE_SIMILARITY,
    PC_RULES,
} pc_clean_rule;

enum { PC_CLEAN_FOUND = 96 };

typedef struct pc_clean_verdict {
    int rule;                    /* that is broken; -1: none */
    char found[PC_CLEAN_FOUND];  /* what was found, in words: "2 words" */
    bool lacks[PC_RULES_ALONE];  /* rules whose score the metadata don't have */
} pc_clean_verdict;

const char *pc_clean_rule_name(int rule); /* "words" ... */

/* Ask the rules that need the sample alone. about: the metadata, or NULL; uses: samples with the same caption. */
void pc_clean_judge(pc_clean_verdict *out, const pc_clean_options *options, const pc_clean_measures *measures,
                    const pc_json *about, int64_t uses);

#endif
