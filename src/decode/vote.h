/* Self-consistency: the answer that most drawn chains of thought end with.
 *
 * Source: Wang et al. 2022 (arXiv:2203.11171). Takes: texts of chains with their mean log-probabilities. Gives: the chain to
 * answer with. Chains without an answer don't vote; ties go to the larger sum of mean log-probabilities, then to the answer
 * seen first; of the chains for the winner the likeliest one speaks.
 */
#ifndef PC_DECODE_VOTE_H
#define PC_DECODE_VOTE_H

#include "prompt/answer.h"

/* What a chain ends with: the line behind its last "answer is", "answer:" (in any case of letters), "答案是" or "答案：", else its whole text;
 * without white space and punctuation round it and one pair of parentheses, "(B)" like "B", in small ASCII letters. *out is
 * overwritten; empty when there is no answer. */
pc_status pc_extract_answer(pc_str *out, const char *text);

typedef struct pc_vote {
    pc_str answer;
    size_t chains;     /* that ended with it */
    double sum, best;  /* of mean log-probabilities, and the largest one */
    size_t best_chain; /* index of that chain */
} pc_vote;

/* Initialise with {0}; release with pc_votes_clear. */
typedef struct pc_votes {
    pc_vote *items; /* in the order in which they were first seen */
    size_t count, capacity, chains;
} pc_votes;

void pc_votes_clear(pc_votes *votes);
/* Count one more chain; mean: of its tokens' log-probabilities. */
pc_status pc_votes_add(pc_votes *votes, const char *text, double mean);
const pc_vote *pc_votes_winner(const pc_votes *votes); /* NULL when no chain has an answer */

/* *out = the answer of the chain that wins among `chains`, whose votes stay in *votes (overwritten). mean(user): of the
 * newest answer. PC_ERR_USAGE without a temperature. The first chain has the request's own seed. */
pc_status pc_vote_answer(pc_votes *votes, const pc_answerer *answerer, const pc_answer_request *request, size_t chains,
                         double (*mean)(void *user), void *user, pc_answer *out);

#endif
