/* A session: one conversation's state (KV cache, soft tokens of its pictures) and the graphs
 * that advance it.
 *
 * Takes: prepared pixels and token ids. Gives: logits of the next token. Graphs are built once;
 * a step allocates nothing. Not thread safe; several sessions may share a model.
 */
#ifndef PC_MODEL_SESSION_H
#define PC_MODEL_SESSION_H

#include "model/forward.h"

typedef struct pc_session pc_session;

typedef struct pc_session_options {
    int64_t context; /* tokens that the cache holds; 0 = the model's context, at most 4096 */
    int64_t chunk;   /* tokens of a prompt that are read at once; 0 = 512 */
    pc_dtype compute;/* PC_F32 or PC_BF16 */
    const pc_adapter *adapter; /* borrowed; NULL = the weights alone */
} pc_session_options;

/* model and backend are borrowed. */
pc_status pc_session_new(pc_session **out, const pc_model *model, const pc_backend *backend,
                         const pc_session_options *options);
void pc_session_free(pc_session *session);

/* Encode one picture, pixels f32 [N,3,Y,X] of pc_model_prepare, tile by tile; tiling NULL: one tile. *soft = its soft
 * tokens [count,D'] in the order of the text, to be released with pc_free; count may be NULL. */
pc_status pc_session_see(pc_session *session, const float *pixels, const pc_image_tiling *tiling, float **soft,
                         int64_t *count);

/* A text of `total` tokens will be read: sets the rotary frequencies that depend on that. False when what was read stands by
 * other frequencies and must be forgotten (pc_session_rewind to 0) for the same answer as without it. Without this call
 * frequencies follow the tokens read so far. */
bool pc_session_expect(pc_session *session, int64_t total);

/* Read `count` tokens behind those read so far. soft[i] = the row [D'] that stands in place of
 * token i, or NULL; soft itself may be NULL. PC_ERR_DATA when the context is full (nothing is
 * read then). */
pc_status pc_session_read(pc_session *session, const int32_t *ids, const float *const *soft,
                          int64_t count);

/* [V] behind the last token; valid until the next read */
const float *pc_session_logits(const pc_session *session);
int64_t pc_session_length(const pc_session *session);      /* tokens read */
int64_t pc_session_context(const pc_session *session);
/* Forget what stands behind the first `length` tokens (0 = everything). */
void pc_session_rewind(pc_session *session, int64_t length);

/* Bytes that the planned activations and staging buffers of this session take, beside the cache. */
size_t pc_session_activation_bytes(const pc_session *session);
/* Bytes of the cache that a session of these options takes, without making it. */
pc_status pc_session_bytes(const pc_model *model, const pc_session_options *options, size_t *cache);

#endif
