/* The state of a BPE tokenizer with the pipeline of a tokenizer.json. Internal to text/. */
#ifndef PC_TEXT_BPE_H
#define PC_TEXT_BPE_H

#include "text/pipeline.h"

typedef struct pc_bpe_merge {
    int32_t left, right;
} pc_bpe_merge;

typedef struct pc_bpe {
    pc_normalizer normalizer;
    pc_cutter cutter;
    pc_piece_decoder decoder;
    pc_merge_table table;
    pc_bpe_merge *merges; /* in order of rank */
    size_t merge_count;
    int32_t ids_of_bytes[256];   /* ByteLevel: id of the character that stands for a byte; else of the ASCII
                                    character; -1: not in the vocabulary */
    int32_t byte_tokens[256];    /* byte fallback: ids of <0x00> ... ; -1: none */
    int32_t unknown;             /* unk_token or -1 */
    bool byte_fallback, fuse_unknown;
    bool ignore_merges;          /* a word that is a token is that token */
    bool cut_at_marks;           /* no token holds a U+2581 behind another character, so that long text without a
                                    pre-tokenizer may be cut there: the ids stay the same */
    pc_json *pipeline;           /* copies of normalizer, pre_tokenizer, post_processor, decoder, for saving */
} pc_bpe;

extern const pc_text_kind pc_text_kind_bpe;

/* End of the stretch from `at` < length that no merge crosses when every token has its marks (U+2581) in front: before
 * the next mark that stands behind another character. */
size_t pc_cut_before_marks(const char *text, size_t length, size_t at);

/* For those that fill vocab and merges: look up what encoding needs. `merges` may hold a pair twice; the last counts,
 * as in HF. PC_ERR_DATA when a merge's result is not in the vocabulary. */
pc_status pc_bpe_ready(pc_bpe *bpe, const pc_vocab *vocab, const char *where);
/* Append a merge; the strings must be in the vocabulary. */
pc_status pc_bpe_add_merge(pc_bpe *bpe, size_t *capacity, const pc_vocab *vocab, const char *left, size_t left_length,
                           const char *right, size_t right_length, const char *where);
/* The pipeline from the four objects of a tokenizer.json; also the template of the post-processor. */
pc_status pc_bpe_read_pipeline(pc_tokenizer *tokenizer, pc_bpe *bpe, const pc_json *root, const char *where);
/* The pipeline of a GPT-2-like tokenizer: ByteLevel, after a Split with `regex` when that isn't NULL. */
pc_status pc_bpe_byte_level_pipeline(pc_tokenizer *tokenizer, pc_bpe *bpe, const char *regex);

/* bpe_files.c: an object token -> id, with merges in a text file beside it. */
pc_status pc_bpe_load_pair(pc_tokenizer *tokenizer, pc_bpe *bpe, const pc_json *vocab, const pc_text_source *source);
pc_status pc_bpe_read_vocab(pc_vocab *out, const pc_json *vocab, const char *where);

/* bpe_json.c */
pc_status pc_bpe_load_json(pc_tokenizer *tokenizer, pc_bpe *bpe, const pc_json *root, const pc_text_source *source);
pc_status pc_bpe_to_json(const pc_tokenizer *tokenizer, pc_json **out);

#endif
