/* The steps of a tokenizer.json round its model: normalizer, pre-tokenizer, decoder. Internal to text/.
 *
 * Steps are read into small tables; a step that isn't known is refused by its name, for a step that is passed over
 * would give wrong ids without a word.
 */
#ifndef PC_TEXT_PIPELINE_H
#define PC_TEXT_PIPELINE_H

#include "text/charsmap.h"
#include "text/kind.h"
#include "text/regex.h"
#include "text/split.h"
#include "text/unicode.h"

/* A string owned by a step. */
typedef struct pc_step_text {
    char *text;
    size_t length;
} pc_step_text;

typedef enum pc_normal_kind {
    PC_NORMAL_FORM,     /* NFC ... */
    PC_NORMAL_LOWER,
    PC_NORMAL_PREPEND,  /* `to` in front */
    PC_NORMAL_REPLACE,  /* each `from`, or match of `regex`, by `to` */
    PC_NORMAL_STRIP,    /* white space at the ends */
    PC_NORMAL_MARKS,    /* StripAccents: no marks */
    PC_NORMAL_BERT,
    PC_NORMAL_NMT,
    PC_NORMAL_CHARSMAP, /* Precompiled */
    PC_NORMAL_BYTES,    /* ByteLevel: each byte as the character that stands for it */
} pc_normal_kind;

typedef struct pc_normal_step {
    pc_normal_kind kind;
    pc_normal_form form;
    bool left, right;                      /* Strip */
    bool clean, spread, accents, lower;    /* BertNormalizer: clean text, spaces round ideographs, no accents, lower case */
    pc_step_text from, to;
    pc_regex *regex;
    pc_charsmap charsmap;
} pc_normal_step;

typedef struct pc_normalizer {
    pc_normal_step steps[PC_TEXT_STEPS];
    int count;
} pc_normalizer;

pc_status pc_normalizer_read(pc_normalizer *out, const pc_json *json, const char *where);
/* *result, *result_length = the normalised text: the input itself, or in work->normal. */
pc_status pc_normalizer_run(const pc_normalizer *normalizer, const char *text, size_t length, pc_text_work *work,
                            const char **result, size_t *result_length);
void pc_normalizer_clear(pc_normalizer *normalizer);

typedef enum pc_prefix { PC_PREFIX_NEVER, PC_PREFIX_FIRST, PC_PREFIX_ALWAYS } pc_prefix;

/* What becomes of the matches that a step cuts at (tokenizers' SplitDelimiterBehavior). */
typedef enum pc_split_behavior {
    PC_SPLIT_ISOLATED,
    PC_SPLIT_REMOVED,
    PC_SPLIT_WITH_PREVIOUS,
    PC_SPLIT_WITH_NEXT,
    PC_SPLIT_CONTIGUOUS, /* a run of matches is one piece */
} pc_split_behavior;

/* What a step cuts at. */
typedef enum pc_cut_source {
    PC_CUT_NOT,     /* it only rewrites */
    PC_CUT_SCANNER, /* `next`: every word is a match */
    PC_CUT_STRING,  /* `delimiter` */
    PC_CUT_SPACES,  /* each white space */
    PC_CUT_MARKS,   /* each punctuation mark */
    PC_CUT_NUMBERS, /* each numeric character */
    PC_CUT_WORDS,   /* runs of word characters and runs of others but white space are matches */
    PC_CUT_REGEX,
    PC_CUT_LENGTH,  /* after every `characters` */
} pc_cut_source;

/* A step may rewrite its piece (space -> mark, prefix), then cut it. */
typedef struct pc_cut_step {
    bool rewrites;
    pc_prefix prefix;        /* when `prefix_text` is put in front of a piece that doesn't begin with it */
    pc_step_text prefix_text;
    pc_step_text mark;       /* what a space becomes; empty: stays */
    pc_cut_source source;
    pc_split_behavior behavior;
    bool invert;             /* what lies between the matches counts as match, and they don't */
    pc_split_next next;
    pc_step_text delimiter;
    pc_regex *regex;
    size_t characters;
} pc_cut_step;

typedef struct pc_cutter {
    pc_cut_step steps[PC_TEXT_STEPS];
    int count;
    bool bytes;  /* ByteLevel: the model's characters stand for bytes */
    bool stable; /* words of a segment stay in place while it is encoded, so that they may be cached */
} pc_cutter;

/* Called for each word, in order. */
typedef pc_status (*pc_word_sink)(void *context, const char *word, size_t length);

pc_status pc_cutter_read(pc_cutter *out, const pc_json *json, const char *where);
pc_status pc_cutter_run(const pc_cutter *cutter, const char *text, size_t length, bool start, pc_text_work *work,
                        pc_word_sink sink, void *context);
void pc_cutter_clear(pc_cutter *cutter);

typedef enum pc_piece_kind {
    PC_PIECE_REPLACE,     /* each `from`, or match of `regex`, by `to` */
    PC_PIECE_DROP,        /* each `from` in the first token vanishes (Metaspace) */
    PC_PIECE_STRIP,       /* up to `left` times `from` at the token's start and `right` times at its end */
    PC_PIECE_STRIP_TEXT,  /* the same, once, at the start of the whole text (Strip behind Fuse) */
    PC_PIECE_BYTE,        /* <0xE4> is a byte */
    PC_PIECE_CONTINUE,    /* WordPiece: a space in front, but for the first token and those with the prefix `from` */
    PC_PIECE_CLEAN,       /* no space before punctuation and "n't" */
    PC_PIECE_WORD_END,    /* BPEDecoder: a token that ends with `from` ends a word */
} pc_piece_kind;

typedef struct pc_piece_step {
    pc_piece_kind kind;
    pc_step_text from, to;
    pc_regex *regex;
    int64_t left, right;
} pc_piece_step;

/* How the strings of tokens become text, token by token. */
typedef struct pc_piece_decoder {
    bool bytes;  /* ByteLevel */
    bool spaced; /* no decoder: tokens are joined by spaces */
    pc_piece_step steps[PC_TEXT_STEPS];
    int count;
    pc_step_text word_end; /* with `bytes`: what ends a word in the vocabulary, and is a space in text (CLIP) */
} pc_piece_decoder;

pc_status pc_piece_decoder_read(pc_piece_decoder *out, const pc_json *json, const char *where);
/* before: the token before, empty at the start. begun: text stands before. */
pc_status pc_piece_decoder_run(const pc_piece_decoder *decoder, const char *token, size_t length,
                               const pc_step_text *before, bool begun, pc_str *out);
void pc_piece_decoder_clear(pc_piece_decoder *decoder);

/* The byte that a token like <0xE4> stands for; -1: another token. */
int pc_byte_token(const char *text, size_t length);
/* The ids of <0x00> ... <0xFF> in the model's vocabulary, -1: none. */
void pc_byte_token_ids(const pc_vocab *vocab, int32_t ids[256]);

pc_status pc_step_text_set(pc_step_text *out, const char *text, size_t length);
/* Append text with each `from` (not empty) replaced by `to`. */
pc_status pc_replace_all(pc_str *out, const char *text, size_t length, const pc_step_text *from, const pc_step_text *to);
/* The same with the matches of an expression. */
pc_status pc_replace_matches(pc_str *out, const char *text, size_t length, const pc_regex *regex, const pc_step_text *to,
                             pc_text_work *work);
/* {"pattern": {"String": ...} or {"Regex": ...}}: one of *from and *regex is set, to be cleared also after a failure. */
pc_status pc_pattern_read(pc_step_text *from, pc_regex **regex, const pc_json *json, const char *where);

#endif
