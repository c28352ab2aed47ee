/* The model BPE of a tokenizer.json. Internal to text/. */
#ifndef PC_TEXT_BPE_H
#define PC_TEXT_BPE_H

#include "text/model.h"

enum { PC_BPE_AFFIX = 32 /* bytes of a prefix or suffix */ };

typedef struct pc_bpe_merge {
    int32_t left, right;
} pc_bpe_merge;

typedef struct pc_bpe {
    pc_merge_table table;
    pc_bpe_merge *merges; /* in order of rank */
    size_t merge_count;
    int32_t ids_of_bytes[256];   /* ByteLevel: id of the character that stands for a byte; else of the ASCII
                                    character; -1: not in the vocabulary */
    int32_t byte_tokens[256];    /* byte fallback: ids of <0x00> ... ; -1: none */
    int32_t unknown;             /* unk_token or -1 */
    pc_step_text prefix, suffix; /* how characters behind the first, and the last one, are spelled: "</w>" */
    bool bytes;                  /* behind ByteLevel: the characters stand for bytes */
    bool byte_fallback, fuse_unknown;
    bool ignore_merges;          /* a word that is a token is that token */
    bool cut_at_marks;           /* no token holds a U+2581 behind another character, so that long text without a
                                    pre-tokenizer may be cut there: the ids stay the same */
} pc_bpe;

extern const pc_word_model pc_word_model_bpe;

/* End of the stretch from `at` < length that no merge crosses when every token has its marks (U+2581) in front: before
 * the next mark that stands behind another character. */
size_t pc_cut_before_marks(const char *text, size_t length, size_t at);

pc_status pc_bpe_new(pc_bpe **out);
/* Append a merge; the strings must be in the vocabulary. */
pc_status pc_bpe_add_merge(pc_bpe *bpe, size_t *capacity, const pc_vocab *vocab, const char *left, size_t left_length,
                           const char *right, size_t right_length, const char *where);

/* bpe_files.c: an object token -> id, with merges in a text file beside it. */
pc_status pc_bpe_load_pair(pc_tokenizer *tokenizer, const pc_json *vocab, const pc_text_source *source);
/* The pipeline of a GPT-2-like tokenizer: ByteLevel, after a Split with `regex` when that isn't NULL. */
pc_status pc_bpe_byte_level_pipeline(pc_tokenizer *tokenizer, const char *regex);

/* bpe_json.c */
extern const char *const pc_bpe_affix_keys[2]; /* prefix, suffix */
pc_status pc_bpe_load(pc_tokenizer *tokenizer, void **state, const pc_json *model, const char *where);
pc_status pc_bpe_to_json(const pc_tokenizer *tokenizer, const void *state, pc_json *model);

#endif
