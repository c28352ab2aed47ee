/* The interface between the tokenizer (tokenizer.c) and its kinds, one file and one line in list.h each. Internal to
 * text/.
 *
 * The tokenizer cuts out added tokens, adds what the template adds and keeps the rules of streams; a kind recognises
 * and reads its files, encodes the text between, and gives the bytes of a token.
 */
#ifndef PC_TEXT_KIND_H
#define PC_TEXT_KIND_H

#include "base/json.h"
#include "text/added.h"
#include "text/merge.h"
#include "text/tokenizer.h"
#include "text/vocab.h"

enum {
    PC_TEXT_STEPS = 16,                   /* steps that a normalizer or pre-tokenizer may have */
    PC_TEXT_FILE_LIMIT = 256 * 1024 * 1024, /* bytes of a tokenizer file */
};

/* Memory of one encoding, kept between the pieces of a text. Initialise with {0}. */
typedef struct pc_text_work {
    pc_str normal[2];            /* normalised text; a step reads one and writes the other */
    pc_str pieces[PC_TEXT_STEPS]; /* what a pre-tokenizer step that rewrites gives */
    pc_symbol *symbols;
    size_t symbol_capacity;
    pc_merge_work merge;
    struct pc_lattice_node *lattice; /* of a unigram model */
    size_t lattice_capacity;
    struct pc_regex_work *regex; /* of a pattern without a scanner */
    struct pc_word_cache *cache; /* ids of words seen before in this text */
} pc_text_work;

void pc_text_work_clear(pc_text_work *work);

/* Ids of words that were met before in the same buffer. A word is found by its bytes; its ids are copied from where they
 * stand in the output, so an entry is two references and nothing is allocated for it. */
typedef struct pc_cached_word {
    const char *word; /* NULL: empty */
    uint32_t length;  /* bytes */
    uint32_t count;   /* ids */
    size_t first;     /* index of the first id in the output */
} pc_cached_word;

/* Begin a new buffer of `length` bytes that stays in place while it is encoded; small ones go without a cache. */
void pc_word_cache_begin(pc_text_work *work, size_t length);
/* True: the ids were appended. False: *slot (NULL without a cache) is where pc_word_cache_keep puts the word. */
pc_status pc_word_cache_find(pc_text_work *work, const char *word, size_t length, pc_ids *out, bool *found,
                             pc_cached_word **slot);
static inline void pc_word_cache_keep(pc_cached_word *slot, const char *word, size_t length, size_t first, size_t count)
{
    if (slot) {
        *slot = (pc_cached_word){word, (uint32_t)length, (uint32_t)count, first};
    }
}

/* The files of a tokenizer. */
typedef struct pc_text_source {
    const char *path;   /* of the main file */
    const char *folder; /* where its neighbours are; NULL: it has none */
    const char *bytes;  /* of the main file, NUL behind them */
    size_t size;
    const pc_json *config;   /* tokenizer_config.json, or NULL */
} pc_text_source;

/* What a kind says for the tables of a GGUF file (table.h); everything is borrowed. */
typedef struct pc_table_parts {
    const char *model;    /* as pc_token_table has it: "llama" or "gpt2" */
    const float *scores;  /* by id, score_count of them; NULL: none */
    size_t score_count;
    const char *space;    /* how the vocabulary writes a space, where it is not as the table does; or NULL */
    const struct pc_bpe *bpe;       /* merges, of a tokenizer.json */
    const struct pc_cutter *cutter; /* how it cuts text */
} pc_table_parts;

typedef struct pc_text_kind {
    const char *name;
    const char *(*name_of)(const pc_tokenizer *tokenizer); /* a name of this one that says more, or NULL */
    /* True when a file with these bytes is meant to be of this kind; it may still be malformed. */
    bool (*recognise)(const char *bytes, size_t size);
    /* Fill vocab, state, added tokens, template and roles. On failure the tokenizer frees what was filled. */
    pc_status (*load)(pc_tokenizer *tokenizer, const pc_text_source *source);
    /* Append the ids of a non-empty text without added tokens. start: it begins the sequence. parse_all: match all
     * added tokens of normalized text, not only plain ones. */
    pc_status (*encode)(const pc_tokenizer *tokenizer, const char *text, size_t length, bool start, bool parse_all,
                        pc_text_work *work, pc_ids *out);
    /* Append the bytes of a token that is present. begun: text stands before; previous: id before or -1. */
    pc_status (*decode)(const pc_tokenizer *tokenizer, int32_t id, int32_t previous, bool begun, pc_str *out);
    bool decodes_added;    /* added tokens go through decode as well; else they are their own text */
    bool counts_skipped;   /* `previous` may be a control token that was skipped */
    /* The object for tokenizer.json without added_tokens; *out is the caller's, or NULL when a tokenizer.json can't say
     * what this tokenizer does: then the original file alone is saved. */
    pc_status (*to_json)(const pc_tokenizer *tokenizer, pc_json **out);
    /* Set what tokenizer_config.json must say for this kind to be read back the same; may be NULL. */
    pc_status (*add_config)(const pc_tokenizer *tokenizer, pc_json *config);
    /* Fill *out for pc_tokenizer_to_table; PC_ERR_DATA says why there is no such table; may be NULL. */
    pc_status (*to_table)(const pc_tokenizer *tokenizer, pc_table_parts *out);
    const char *original; /* name under which the file itself is saved too, or NULL */
    void (*free_state)(void *state); /* accepts NULL and half-built */
} pc_text_kind;

struct pc_tokenizer {
    const pc_text_kind *kind;
    void *state; /* the kind's */
    pc_vocab vocab;
    pc_added added;
    pc_ids before, after; /* what PC_TOKENIZE_ADD_SPECIAL puts round a text */
    int32_t roles[PC_TOKEN_ROLES];
    char *original; /* the file, when the kind saves it */
    size_t original_size;
};

/* Files of kinds that others make in memory. */
extern const pc_text_kind pc_text_kind_sentencepiece, pc_text_kind_vocab_txt;

/* A tokenizer of this kind out of its bytes; source->config is the caller's. */
pc_status pc_tokenizer_load_source(pc_tokenizer **out, const pc_text_source *source, const pc_text_kind *kind);
/* The kind of a file by its content; NULL when none recognises it. */
const pc_text_kind *pc_text_kind_of(const char *bytes, size_t size);

/* For kinds while loading. Add an added token under its id; when the vocabulary has the string under another id or the
 * id with another string, PC_ERR_DATA. An added token with this id takes the new properties. */
pc_status pc_tokenizer_put_added(pc_tokenizer *tokenizer, const pc_added_token *token);
/* A tokenizer of a kind without files, for makers of tokenizers. */
pc_status pc_tokenizer_new(pc_tokenizer **out, const pc_text_kind *kind);
/* Rebuild what follows from the added tokens. */
pc_status pc_tokenizer_ready(pc_tokenizer *tokenizer);
/* For roles that nothing names: common names of special added tokens. */
void pc_tokenizer_guess_roles(pc_tokenizer *tokenizer);
/* Set root.post_processor to the template, when there is one. */
pc_status pc_template_to_json(const pc_tokenizer *tokenizer, pc_json *root);
/* Roles, added tokens and neighbours of the main file; see load.c. */
pc_status pc_tokenizer_read_config(pc_tokenizer *tokenizer, const pc_text_source *source);

#endif
