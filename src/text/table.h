/* A tokenizer out of the tables that a GGUF file has: tokens, scores or merges, and what kind each token is.
 *
 * pc_token_table -> pc_tokenizer. "llama" is a SentencePiece BPE model, "gpt2" a byte-level BPE one whose way of cutting text
 * into words goes by name (`pre`), "bert" a WordPiece one.
 */
#ifndef PC_TEXT_TABLE_H
#define PC_TEXT_TABLE_H

#include "text/tokenizer.h"

typedef struct pc_table_text {
    const char *text; /* no NUL behind it */
    size_t length;
} pc_table_text;

/* Kinds of tokens, numbered as SentencePiece and GGUF do. */
typedef enum pc_token_type {
    PC_TOKEN_NORMAL = 1,
    PC_TOKEN_UNKNOWN = 2,
    PC_TOKEN_CONTROL = 3,
    PC_TOKEN_USER_DEFINED = 4,
    PC_TOKEN_UNUSED = 5,
    PC_TOKEN_BYTE = 6,
} pc_token_type;

/* Everything is borrowed. */
typedef struct pc_token_table {
    const char *where;  /* file, for messages */
    const char *model;  /* "llama", "gpt2", "bert" */
    const char *pre;    /* of "gpt2": how text is cut, "llama-bpe"; NULL = GPT-2's way */
    const pc_table_text *tokens; /* [count], by id */
    const float *scores;         /* [count] of "llama", or NULL */
    const int32_t *types;        /* [count] pc_token_type, or NULL: all normal */
    size_t count;
    const pc_table_text *merges; /* [merge_count] "left right", best first, of "gpt2" */
    size_t merge_count;
    int32_t roles[PC_TOKEN_ROLES]; /* ids, -1: none */
    bool add_bos, add_eos;         /* what PC_TOKENIZE_ADD_SPECIAL adds */
    bool space_prefix;             /* of "llama": a space in front of each text */
} pc_token_table;

/* *out is the caller's. PC_ERR_DATA names the file and what is wrong: a model or a `pre` that isn't known, a token twice. */
pc_status pc_tokenizer_from_table(pc_tokenizer **out, const pc_token_table *table);

#endif
