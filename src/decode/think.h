/* Zero-shot chain of thought: the steps first, then the answer from them.
 *
 * Source: Kojima et al. 2022 (arXiv:2205.11916), section 3. Flow: question + trigger -> steps -> the same, steps and conclusion -> answer.
 * Works over any answerer: a model here, one behind an address, chains that vote.
 */
#ifndef PC_DECODE_THINK_H
#define PC_DECODE_THINK_H

#include "prompt/answer.h"

#define PC_THINK_CONCLUDE "Therefore, the answer is"

/* Texts and answerer are borrowed. */
typedef struct pc_think {
    const pc_answerer *inner;
    const char *trigger;  /* goes behind the question, on a line of its own: "Let's think step by step." */
    const char *conclude; /* asks for the answer behind the steps; NULL = PC_THINK_CONCLUDE */
} pc_think;

/* Asks twice for each request. The answer is the second one, its tokens those of both, and the first one is its `steps`. A request's
 * choices and on_text are for the second time. `think` is borrowed as long as the answerer is used. */
pc_answerer pc_think_answerer(pc_think *think);

#endif
