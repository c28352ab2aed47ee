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

/* The table of a tokenizer, with the memory that it points into. Initialise with {0}; release with pc_table_memory_clear. */
typedef struct pc_table_memory {
    pc_token_table table;
    pc_str text;           /* strings of tokens and merges */
    pc_table_text *tokens, *merges;
    float *scores;
    int32_t *types;
    char pre[32];
} pc_table_memory;

/* The table from which pc_tokenizer_from_table makes a tokenizer with the same ids, which is tried with texts of many kinds.
 * rows: entries of the model's embedding; ids without a token become unused ones. PC_ERR_DATA when there is no such table:
 * another model than BPE, or a way of cutting text that has no name. */
pc_status pc_tokenizer_to_table(pc_table_memory *out, const pc_tokenizer *tokenizer, size_t rows);
void pc_table_memory_clear(pc_table_memory *memory);

/* The i-th way of cutting, for pc_token_table.pre; NULL behind the last. *ignore_merges: a word that is a token is that
 * token. */
const char *pc_table_pre_at(size_t i, bool *ignore_merges);

/* *out is the caller's. PC_ERR_DATA names the file and what is wrong: a model or a `pre` that isn't known, a token twice. */
pc_status pc_tokenizer_from_table(pc_tokenizer **out, const pc_token_table *table);

#endif
