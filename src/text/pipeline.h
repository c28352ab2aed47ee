/* The steps of a tokenizer.json round its model: normalizer, pre-tokenizer, decoder. Internal to text/.
 *
 * Steps are read into small tables; a step that isn't known is refused by its name, for a step that is passed over
 * would give wrong ids without a word.
 */
#ifndef PC_TEXT_PIPELINE_H
#define PC_TEXT_PIPELINE_H

#include "text/kind.h"
#include "text/split.h"
#include "text/unicode.h"

/* A string owned by a step. */
typedef struct pc_step_text {
    char *text;
    size_t length;
} pc_step_text;

typedef enum pc_normal_kind {
    PC_NORMAL_FORM,    /* NFC ... */
    PC_NORMAL_LOWER,
    PC_NORMAL_PREPEND, /* `to` in front */
    PC_NORMAL_REPLACE, /* each `from` by `to` */
    PC_NORMAL_STRIP,   /* white space at the ends */
} pc_normal_kind;

typedef struct pc_normal_step {
    pc_normal_kind kind;
    pc_normal_form form;
    bool left, right;
    pc_step_text from, to;
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

typedef enum pc_string_split { PC_SPLIT_ISOLATED, PC_SPLIT_REMOVED, PC_SPLIT_WITH_PREVIOUS, PC_SPLIT_WITH_NEXT } pc_string_split;

/* A step may rewrite its piece (space -> mark, prefix), then cut it. */
typedef struct pc_cut_step {
    bool rewrites;
    pc_prefix prefix;        /* when `prefix_text` is put in front of a piece that doesn't begin with it */
    pc_step_text prefix_text;
    pc_step_text mark;       /* what a space becomes; empty: stays */
    pc_split_next next;      /* scanner; NULL: cut at `delimiter`, or not at all when that is empty */
    pc_step_text delimiter;
    pc_string_split behavior;
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

/* How the strings of tokens become text. */
typedef struct pc_piece_decoder {
    bool bytes;              /* ByteLevel */
    bool byte_tokens;        /* ByteFallback: <0xE4> is a byte */
    pc_step_text from[4], to[4]; /* Replace steps, in order */
    int replaces;
    pc_step_text drop_first; /* what every occurrence of in the first token vanishes (Metaspace) */
    pc_step_text strip;      /* what is stripped once from the start of the text (Strip after Fuse) */
    bool spaced;             /* no decoder: tokens are joined by spaces */
} pc_piece_decoder;

pc_status pc_piece_decoder_read(pc_piece_decoder *out, const pc_json *json, const char *where);
pc_status pc_piece_decoder_run(const pc_piece_decoder *decoder, const char *token, size_t length, bool begun, pc_str *out);
void pc_piece_decoder_clear(pc_piece_decoder *decoder);

/* The byte that a token like <0xE4> stands for; -1: another token. */
int pc_byte_token(const char *text, size_t length);

pc_status pc_step_text_set(pc_step_text *out, const char *text, size_t length);
/* Append text with each `from` (not empty) replaced by `to`. */
pc_status pc_replace_all(pc_str *out, const char *text, size_t length, const pc_step_text *from, const pc_step_text *to);

#endif
