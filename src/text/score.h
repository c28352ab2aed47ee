/* BPE by scores, as SentencePiece and llama2.c do: neighbours merge when the string of both is a piece, the piece with
 * the best score first. Internal to text/. */
#ifndef PC_TEXT_SCORE_H
#define PC_TEXT_SCORE_H

#include "text/kind.h"

typedef struct pc_score_model {
    const pc_vocab *vocab;
    uint32_t *ranks;      /* by id: place of its score from the best, equal scores equal; PC_NO_MERGE: not a piece that
                             text may become */
    size_t count;         /* of ranks: tokens added later are no pieces */
    size_t longest;       /* bytes of the longest piece */
    int32_t bytes[256];   /* ids of byte tokens, -1: none */
    int32_t unknown;      /* or -1 */
    bool byte_fallback;
    bool cut_at_marks;    /* see pc_bpe */
    pc_matcher fixed;     /* user-defined pieces, found before anything merges */
    pc_added_token *fixed_tokens; /* what it points to; the strings lie in the vocabulary */
} pc_score_model;

/* Rank the pieces of a vocabulary (flags PC_VOCAB_SPECIAL and PC_VOCAB_BYTE are not pieces); scores by id. */
pc_status pc_score_model_init(pc_score_model *model, const pc_vocab *vocab, const float *scores);
/* Append the ids of text, which begins a buffer that stays in place. */
pc_status pc_score_model_encode(const pc_score_model *model, const char *text, size_t length, pc_text_work *work,
                                pc_ids *out);
void pc_score_model_clear(pc_score_model *model);

/* How such a tokenizer is written as a tokenizer.json. */
typedef struct pc_score_json {
    const char *space;   /* how the vocabulary writes a space: U+2581 or " " */
    bool dummy_prefix;   /* a space is put in front */
    bool each_segment;   /* of every segment, not only the first */
    bool collapse;       /* runs of spaces are one, none at the ends */
} pc_score_json;

pc_status pc_score_to_json(const pc_tokenizer *tokenizer, const pc_score_model *model, const pc_score_json *how,
                           pc_json **out);

#endif
