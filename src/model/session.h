/* A session: the state of one conversation or of several that are read together (KV cache), and the graphs that advance it.
 *
 * Takes: prepared pixels and token ids. Gives: logits of the next token. Graphs are built once; a step allocates nothing. Not
 * thread safe; several sessions may share a model. Each conversation is a row; what a row gets does not depend on the others.
 */
#ifndef PC_MODEL_SESSION_H
#define PC_MODEL_SESSION_H

#include "model/cache_options.h"
#include "model/forward.h"

typedef struct pc_session pc_session;

enum { PC_SESSION_TAPS = 64 };

typedef struct pc_session_options {
    int64_t context; /* most tokens of a row; 0 = the model's context, at most 4096. All are held, but for a cache with a window,
                      * whose memory does not grow with it */
    int64_t chunk;   /* tokens of a prompt that are read at once; 0 = 512 */
    pc_dtype compute;/* PC_F32 or PC_BF16 */
    pc_cache_options cache;
    int64_t rows;    /* conversations; 0 = 1 */
    int64_t tokens;  /* that the caches of all rows hold together; 0 = rows * context */
    const pc_adapter *adapter; /* borrowed; NULL = the weights alone */
    int64_t tail;    /* most tokens of a piece whose logits are kept; 0 = 1 */
    int taps[PC_SESSION_TAPS]; /* layers whose states pass through the head, too (0 = the embeddings) */
    int tap_count;
    bool keep_hidden;          /* pc_session_hidden is wanted */
    bool keep_attention;       /* pc_session_attention is wanted */
} pc_session_options;

/* model and backend are borrowed. PC_ERR_DATA for a cache in blocks when the model's keys are no whole ones; for a window where
 * the model's positions don't allow it, and together with keep_hidden or keep_attention. */
pc_status pc_session_new(pc_session **out, const pc_model *model, const pc_backend *backend,
                         const pc_session_options *options);
void pc_session_free(pc_session *session);

/* Encode one picture, pixels f32 [N,3,Y,X] of pc_model_prepare, tile by tile; tiling NULL: one tile. *soft = its soft
 * tokens [count,D'] in the order of the text, and behind them what a second tower saw [S,M] (pc_bridge_dims), where there is one; to be
 * released with pc_free; count may be NULL. */
pc_status pc_session_see(pc_session *session, const float *pixels, const pc_image_tiling *tiling, float **soft,
                         int64_t *count);
/* The same for a connector that reads: `question` are ids of model->reader (pc_prompt_question); NULL: nothing is asked. */
pc_status pc_session_see_asked(pc_session *session, const float *pixels, const pc_image_tiling *tiling,
                               const pc_ids *question, float **soft, int64_t *count);

/* A text of `total` tokens will be read: sets the rotary frequencies that depend on that. False when what was read stands by
 * other frequencies and must be forgotten (pc_session_rewind to 0) for the same answer as without it. Without this call
 * frequencies follow the tokens read so far. */
bool pc_session_expect(pc_session *session, int64_t total);

/* Read `count` tokens behind those read so far. soft[i] = the row [D'] that stands in place of
 * token i (where pictures stay apart: the soft tokens [Q,M] of the picture that token i stands for), or NULL; soft itself may
 * be NULL. PC_ERR_DATA when the context is full (nothing is
 * read then). */
pc_status pc_session_read(pc_session *session, const int32_t *ids, const float *const *soft,
                          int64_t count);

/* The same at positions [count,A] (pc_model_positions); NULL: each is one more than the largest before. */
pc_status pc_session_read_at(pc_session *session, const int32_t *ids, const float *const *soft,
                             const int32_t *positions, int64_t count);

/* [V] behind the last token; valid until the next read */
const float *pc_session_logits(const pc_session *session);
int64_t pc_session_length(const pc_session *session);      /* tokens read */
int64_t pc_session_context(const pc_session *session);
/* Forget what stands behind the first `length` tokens (0 = everything). */
void pc_session_rewind(pc_session *session, int64_t length);

/* The same for rows. The functions above are about row 0. */
typedef struct pc_session_piece {
    int64_t row;              /* each row at most once in a call */
    const int32_t *ids;       /* [count], as the next */
    const float *const *soft; /* or NULL */
    const float *const *detail; /* [count]: of a model with a second tower, what it saw [S,M] of the picture that is read from token i on,
                                 * NULL: of the one before; or NULL */
    int64_t count;            /* >= 1 */
    const int32_t *positions; /* [count,A] as in pc_session_read_at, or NULL */
    int64_t tail;             /* logits of so many last tokens, at most the options'; 0 = 1 */
    bool picture_goes_on;     /* the soft token at its end is followed by another, of the next piece */
} pc_session_piece;

/* Read the pieces in as few runs as chunks allow. PC_ERR_DATA when one doesn't fit: no row has changed then (with a window, and
 * after other failures, they may have lost what was to be forgotten). */
pc_status pc_session_read_rows(pc_session *session, const pc_session_piece *pieces, int64_t count);
const float *pc_session_row_logits(const pc_session *session, int64_t row); /* [V]; valid until that row is read again */
/* Logits behind the i-th of the `tail` last tokens of the piece that a row read last; the last of them are the row's. */
const float *pc_session_tail_logits(const pc_session *session, int64_t row, int64_t i);
/* [V]: what the head makes of the states behind layer options.taps[tap], of the row's last token */
const float *pc_session_tap_logits(const pc_session *session, int64_t row, int tap);
/* [D]: what the head was given for the token at `place` of a row; needs keep_hidden */
const float *pc_session_hidden(const pc_session *session, int64_t row, int64_t place);
/* [the row's tokens]: the weights that the last layer's attention gave them for the newest token, of all heads the largest;
 * needs keep_attention */
const float *pc_session_attention(const pc_session *session, int64_t row);
int64_t pc_session_row_length(const pc_session *session, int64_t row);
void pc_session_row_rewind(pc_session *session, int64_t row, int64_t length);
/* The longest beginning of a row, of at most `length` tokens, that it can be rewound to: with a window some are gone. A rewind to
 * another length goes back so far. */
int64_t pc_session_row_reusable(const pc_session *session, int64_t row, int64_t length);
/* Row `to` forgets everything and begins with the first `length` tokens of `from`; pages are shared until one is written. */
void pc_session_row_share(pc_session *session, int64_t to, int64_t from, int64_t length);
int64_t pc_session_free_tokens(const pc_session *session); /* that the cache could still take, over all rows */

/* Bytes that the planned activations and staging buffers of this session take, beside the cache. */
size_t pc_session_activation_bytes(const pc_session *session);
/* What the last run of the text graph, and a run of the picture graph, compute: for measuring. */
pc_cost pc_session_cost(const pc_session *session);
pc_cost pc_session_picture_cost(const pc_session *session);
/* Bytes of the cache that a session of these options takes, without making it. */
pc_status pc_session_bytes(const pc_model *model, const pc_session_options *options, size_t *cache);

#endif
