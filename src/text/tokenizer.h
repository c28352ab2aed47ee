/* Strings <-> token ids.
 *
 * Takes UTF-8 text and gives the ids that the tokenizer of the original model gives, and back. One opaque type serves
 * every kind of tokenizer (text/list.h names them): every model of a tokenizer.json (BPE, Unigram, WordPiece,
 * WordLevel), SentencePiece .model files, ranks of tiktoken, BERT's vocab.txt, llama2.c tokenizer.bin.
 *
 * User text is never re-read for control tokens: without PC_TOKENIZE_PARSE_SPECIAL the text "</s>" becomes the ids of
 * its characters. Prompts are built from segments - encode each piece of text by itself, put control tokens between by
 * id (pc_tokenizer_id, pc_tokenizer_special) - with PC_TOKENIZE_CONTINUE on every text after the first segment.
 *
 * Text need not be well-formed UTF-8. Byte-level and byte-fallback tokenizers keep malformed bytes as they are; to others
 * they are unknown characters.
 *
 * A loaded tokenizer doesn't change (but by pc_tokenizer_add_token), so any number of threads may read it.
 */
#ifndef PC_TEXT_TOKENIZER_H
#define PC_TEXT_TOKENIZER_H

#include "base/status.h"
#include "base/str.h"
#include "text/ids.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pc_tokenizer pc_tokenizer;

/* Load from a model directory or from one file.
 *
 * A directory is searched for tokenizer.json, then tokenizer.model, then vocab.json or encoder.json (with merges.txt or
 * vocab.bpe), then vocab.txt, then tokenizer.bin, *.tiktoken and tok*.bin of llama2.c; tokenizer_config.json, special_tokens_map.json and
 * added_tokens.json beside them, when present, say which tokens are BOS, EOS, PAD and UNK and which tokens were added.
 * For a file the kind is recognised by its content, and the same neighbours are looked at; a llama2.c checkpoint (another
 * .bin) stands for its directory.
 *
 * On success *out is the caller's (pc_tokenizer_free); on failure *out is NULL. PC_ERR_IO: not readable or nothing
 * found; PC_ERR_DATA: malformed, or a step that is not supported, named in the message. */
pc_status pc_tokenizer_load(pc_tokenizer **out, const char *path);
void pc_tokenizer_free(pc_tokenizer *tokenizer); /* NULL is fine */

/* How to encode; combine with |. 0 = plain text at the start of a sequence, nothing added, nothing parsed. */
typedef enum pc_tokenize_flag {
    /* Add what the tokenizer's post-processor or its BOS/EOS rule adds to one sequence ("<s>" in front, for example). */
    PC_TOKENIZE_ADD_SPECIAL = 1 << 0,
    /* Strings of added tokens (special or not) in the text become their ids. For trusted text only. Without it, only
     * added tokens that are ordinary text are matched: those not special and not of the form <...> or [...]. */
    PC_TOKENIZE_PARSE_SPECIAL = 1 << 1,
    /* The text is not the start of the sequence: something (an image, a control token, other text) stands before it.
     * It decides about the space that SentencePiece-like tokenizers put in front ("dummy prefix"):
     *   - tokenizer.json, Metaspace prepend_scheme "first": no prefix, as HF for a text after a special token;
     *   - tokenizer.json, prepend_scheme "always" or normalizer Prepend: prefix all the same, as HF does;
     *   - tokenizer.json, prepend_scheme "never": never a prefix;
     *   - tokenizer.model: prefix when HF's `legacy` behaviour is on (tokenizer_config.json; on when not said), else none;
     *   - tokenizer.bin: no prefix;
     *   - byte-level BPE with add_prefix_space: prefix all the same (HF applies it to each segment). */
    PC_TOKENIZE_CONTINUE = 1 << 2,
} pc_tokenize_flag;

/* Append the ids of text[0..length) to *out; flags: pc_tokenize_flag. The text may hold NUL bytes; empty text appends
 * nothing but what PC_TOKENIZE_ADD_SPECIAL adds. A character for which there are no byte tokens becomes the unknown
 * token; without one it is dropped, as HF does. On failure *out is as before. */
pc_status pc_tokenizer_encode(const pc_tokenizer *tokenizer, const char *text, size_t length, unsigned flags, pc_ids *out);

/* How to decode; combine with |. */
typedef enum pc_detokenize_flag {
    PC_DETOKENIZE_SKIP_SPECIAL = 1 << 0, /* special tokens add no text (equal to `true`) */
    /* The ids continue other text: the space that a SentencePiece-like tokenizer strips at the start stays. */
    PC_DETOKENIZE_CONTINUE = 1 << 1,
} pc_detokenize_flag;

/* Append the bytes of ids[0..count) to *out, exactly as the tokens say: with byte tokens the result may be malformed
 * UTF-8 (pc_text_repair, or the stream below, makes it well formed). An id outside [0, size) is PC_ERR_DATA and *out is
 * as before; an id within it that has no token adds nothing. */
pc_status pc_tokenizer_decode(const pc_tokenizer *tokenizer, const int32_t *ids, size_t count, unsigned flags, pc_str *out);

/* Append text[0..length) to *out with every maximal malformed piece replaced by U+FFFD, as Python and Rust do. */
pc_status pc_text_repair(pc_str *out, const char *text, size_t length);

/* Decoding token by token: bytes come out as soon as they are whole, well-formed UTF-8; malformed bytes become U+FFFD.
 * All pieces joined equal pc_text_repair of pc_tokenizer_decode. Plain data of fixed size: nothing to release, copy it
 * to fork a stream. Uses the tokenizer by reference. */
typedef struct pc_token_stream {
    const pc_tokenizer *tokenizer;
    unsigned flags;       /* pc_detokenize_flag */
    bool begun;           /* text has come out, so the rule for the start no longer applies */
    int32_t previous;     /* id before, -1 at the start */
    unsigned char held;   /* bytes of `bytes` that wait for the rest of their character */
    char bytes[4];
} pc_token_stream;

void pc_token_stream_init(pc_token_stream *stream, const pc_tokenizer *tokenizer, unsigned flags);
/* Append what the next id makes ready (maybe nothing) to *out. Ids without a token (a padded vocabulary) add nothing. */
pc_status pc_token_stream_push(pc_token_stream *stream, int32_t id, pc_str *out);
/* End of the text: a cut character that still waits becomes U+FFFD. The stream may go on afterwards. */
pc_status pc_token_stream_finish(pc_token_stream *stream, pc_str *out);

/* The roles that a token can have for the whole program. */
typedef enum pc_token_role { PC_TOKEN_BOS, PC_TOKEN_EOS, PC_TOKEN_UNK, PC_TOKEN_PAD, PC_TOKEN_ROLES } pc_token_role;

/* The largest id + 1, added tokens included. A model's embedding may have more rows. */
size_t pc_tokenizer_size(const pc_tokenizer *tokenizer);
int32_t pc_tokenizer_special(const pc_tokenizer *tokenizer, pc_token_role role); /* -1: none */
/* The id of a token by its string as the vocabulary spells it ("<image>", "</s>", "Ġthe", "▁the"); -1: there is none. */
int32_t pc_tokenizer_id(const pc_tokenizer *tokenizer, const char *token);
/* The string of an id as the vocabulary spells it, NUL-terminated, borrowed; NULL when the id has no token.
 * *length (may be NULL) receives its bytes. */
const char *pc_tokenizer_token(const pc_tokenizer *tokenizer, int32_t id, size_t *length);
/* Control tokens (BOS, EOS, "<image>", added tokens marked special); false for ids outside the vocabulary. */
bool pc_tokenizer_is_special(const pc_tokenizer *tokenizer, int32_t id);
/* Name of the kind, for messages and `percept show`: "bpe", "unigram", "sentencepiece", "llama2c". */
const char *pc_tokenizer_kind(const pc_tokenizer *tokenizer);

/* Make `token` an added token (special: a control token) and give its id in *id: its present id when the vocabulary
 * already has it, else the next free one, which is pc_tokenizer_size before the call. A new or fine-tuned model gets
 * its "<image>" and "<pad>" so. Not thread safe. */
pc_status pc_tokenizer_add_token(pc_tokenizer *tokenizer, const char *token, bool special, int32_t *id);
/* Give a role to an id of the vocabulary, or take it away (-1). Not thread safe. */
pc_status pc_tokenizer_set_special(pc_tokenizer *tokenizer, pc_token_role role, int32_t id);

/* Write the files from which transformers' AutoTokenizer and pc_tokenizer_load give the same ids into `folder`, which is
 * made when missing: tokenizer.json, tokenizer_config.json, special_tokens_map.json; for SentencePiece and llama2.c
 * also the original tokenizer.model / tokenizer.bin. */
pc_status pc_tokenizer_save(const pc_tokenizer *tokenizer, const char *folder);

#endif
