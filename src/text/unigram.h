/* The unigram language model (Kudo 2018, arXiv:1804.10959): of all ways to write a text as pieces the one with the largest
 * sum of scores (log probabilities). Internal to text/. */
#ifndef PC_TEXT_UNIGRAM_H
#define PC_TEXT_UNIGRAM_H

#include "text/kind.h"
#include "text/trie.h"

typedef struct pc_unigram {
    pc_trie trie;         /* the pieces that text may become */
    double *scores;       /* by id */
    size_t count;         /* of scores */
    size_t longest;       /* bytes of the longest piece in the tree */
    double unknown_score; /* of a character that is no piece: the smallest score - 10 */
    int32_t unknown;      /* id, -1: none */
    int32_t bytes[256];   /* ids of byte tokens, -1: none */
    bool byte_fallback;   /* unknown text becomes byte tokens, when all of them are there */
    bool single;          /* sums are rounded to single precision, as SentencePiece does; else tokenizers' way: double,
                             and a run of unknown characters that is a token together becomes it */
} pc_unigram;

/* Build the tree from the tokens of a vocabulary that have none of `skip` among their flags. scores, count, unknown and
 * unknown_score are there. */
pc_status pc_unigram_index(pc_unigram *model, const pc_vocab *vocab, uint32_t skip);
/* Append the ids of the best way. Time and memory are linear in length. PC_ERR_DATA for an unknown character when there is
 * no token for it. */
pc_status pc_unigram_encode(const pc_unigram *model, const char *text, size_t length, pc_text_work *work, pc_ids *out);
void pc_unigram_clear(pc_unigram *model);

#endif
