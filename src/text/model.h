/* The interface between a tokenizer.json and its model, which turns the words of the pre-tokenizer into ids. One file and
 * one line in models.h each. Internal to text/. */
#ifndef PC_TEXT_MODEL_H
#define PC_TEXT_MODEL_H

#include "text/pipeline.h"

typedef struct pc_word_model {
    const char *name; /* for people: "unigram" */
    const char *type; /* as tokenizer.json spells it: "Unigram" */
    /* True when an old file without "type" is meant; may be NULL. */
    bool (*recognise)(const pc_json *model);
    /* Fill the vocabulary, the role of the unknown token and *state from root.model. On failure the tokenizer frees both. */
    pc_status (*load)(pc_tokenizer *tokenizer, void **state, const pc_json *model, const char *where);
    /* When the pipeline is read and the added tokens are known: look up what encoding needs. */
    pc_status (*ready)(void *state, const pc_tokenizer *tokenizer, const pc_cutter *cutter, const char *where);
    /* Append the ids of a word (not empty). A word's ids don't depend on what stands round it. */
    pc_status (*encode)(const void *state, const pc_vocab *vocab, const char *word, size_t length, pc_text_work *work,
                        pc_ids *out);
    /* Where a word may be cut without changing its ids: the end of the part that begins at `at`. May be NULL. */
    size_t (*cut)(const void *state, const char *word, size_t length, size_t at);
    /* Set the keys of root.model. */
    pc_status (*to_json)(const pc_tokenizer *tokenizer, const void *state, pc_json *model);
    void (*free_state)(void *state); /* accepts NULL and half-built */
} pc_word_model;

/* The state of the kind "tokenizer.json": all steps of one. */
typedef struct pc_piped {
    pc_normalizer normalizer;
    pc_cutter cutter;
    pc_piece_decoder decoder;
    pc_json *pipeline; /* copies of normalizer, pre_tokenizer, post_processor, decoder, for saving */
    const pc_word_model *model;
    void *state; /* the model's */
} pc_piped;

extern const pc_text_kind pc_text_kind_piped;

/* For makers of tokenizers: a tokenizer of this kind with an empty vocabulary and a model without state. */
pc_status pc_piped_new(pc_tokenizer **out, const pc_word_model *model);
/* The same for a tokenizer that another kind has begun to load: it is of this kind from now on. */
pc_status pc_piped_make(pc_tokenizer *tokenizer, const pc_word_model *model);
/* The pipeline from the four objects of a tokenizer.json; also the template of the post-processor. */
pc_status pc_piped_read(pc_tokenizer *tokenizer, const pc_json *root, const char *where);
/* The same from the text of such an object. */
pc_status pc_piped_read_text(pc_tokenizer *tokenizer, const char *json);
/* When vocabulary, added tokens and pipeline are there. */
pc_status pc_piped_ready(pc_tokenizer *tokenizer, const char *where);

/* post.c: the template of a post-processor. */
pc_status pc_post_read(pc_tokenizer *tokenizer, const pc_json *json, const char *where);

/* Ids may leave holes, but not so many that a small file asks for a large table. */
static inline size_t pc_largest_id(size_t tokens)
{
    return 2 * tokens + 65536;
}

/* vocab_json.c: an object token -> id. */
pc_status pc_vocab_from_json(pc_vocab *out, const pc_json *vocab, const char *where);
/* Set model.vocab: all tokens but those that only the list of added tokens has. */
pc_status pc_vocab_to_json(const pc_tokenizer *tokenizer, pc_json *model);
/* model.unk_token, when it is there and in the vocabulary: *id and the role; else *id = -1. */
void pc_vocab_unknown(pc_tokenizer *tokenizer, const pc_json *model, int32_t *id);

extern const pc_word_model pc_word_model_wordpiece;
/* A WordPiece model with the prefix "##" and words of at most 100 characters. */
pc_status pc_wordpiece_new(void **state, int32_t unknown);

#endif
