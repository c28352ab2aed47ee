/* One forward pass with its named values kept: what comparing two implementations needs.
 *
 * Takes: prepared pixels [N,3,Y,X] and ids [T] in which the image placeholder stands once for each soft token. Gives: a
 * safetensors file with pixel_values, input_ids, encoder.features, connector.tokens, logits (and with `all` every value).
 */
#ifndef PC_MODEL_TRACE_H
#define PC_MODEL_TRACE_H

#include "model/forward.h"

typedef struct pc_trace_input {
    const float *pixels; /* [N,3,Y,X], for an encoder of native resolution each picture in its own size; NULL: none */
    const float *detail; /* [1,3,Y,X] of one picture for the second tower, of models with one; NULL: none */
    int64_t images;      /* N: tiles of all pictures */
    int64_t height, width; /* Y, X without tilings; 0 = the encoder's native size */
    const pc_image_tiling *tilings; /* of each picture, their counts add up to N; NULL = N pictures of one tile */
    int64_t pictures;    /* tilings */
    const int32_t *questions; /* [N,L] ids of the connector's own tokenizer, for one that reads; NULL: none */
    int64_t question_length;  /* L */
    const int32_t *ids; /* [T] */
    int64_t tokens;
    const pc_adapter *adapter; /* NULL = the weights alone */
} pc_trace_input;

/* PC_ERR_DATA when the number of placeholders is not that of the pictures' soft tokens, or an id lies outside the vocabulary. */
pc_status pc_model_trace(const pc_model *model, const pc_backend *backend, pc_dtype compute,
                         const pc_trace_input *input, bool all, const char *path);

#endif
