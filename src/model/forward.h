/* The forward pass of a whole model as graph pieces: pictures -> soft tokens -> spliced into text -> hidden -> logits.
 *
 * Sessions, traces and every training stage build from these.
 */
#ifndef PC_MODEL_FORWARD_H
#define PC_MODEL_FORWARD_H

#include "model/model.h"

/* pixels f32 [N,3,Y,X] -> features f32 [N,P,D], named "encoder.features", and their grid. */
pc_connector_input pc_model_encode(const pc_build *build, const pc_model *model, pc_tensor *pixels);
/* The same as model->visual has it, of one picture: the features form no grid when there are fewer. *count = i32 [1], how many of
 * them count, or NULL: all. */
pc_connector_input pc_model_encode_fewer(const pc_build *build, const pc_model *model, pc_tensor *pixels, pc_tensor **count);
/* features -> soft tokens f32 [N*Q,D'], named "connector.tokens". */
pc_tensor *pc_model_connect(const pc_build *build, const pc_model *model, pc_connector_input in);

/* pixels f32 [N,3,Y,X] for the second tower -> f32 [N*P,D], named "detail.features". */
pc_tensor *pc_model_encode_detail(const pc_build *build, const pc_model *model, pc_tensor *pixels);

/* Soft tokens [N*Q,D'] of all tiles and rows i32 [S] (pc_model_picture_rows, picture after picture) -> f32 [S,D'] as they
 * stand in the text, named "connector.packed". */
pc_tensor *pc_model_arrange(const pc_build *build, const pc_model *model, pc_tensor *soft, pc_tensor *rows);

typedef struct pc_reading {
    pc_tensor *ids;        /* i32 [T]: any id of the vocabulary where a soft token stands */
    pc_tensor *positions;  /* i32 [T], or [T,A] (pc_llm_info.axes) */
    pc_tensor *inside, *spread; /* or NULL: llm/llm.h */
    pc_tensor *ranges;     /* i32 [T,4] */
    pc_tensor *soft;       /* f32 [S,D'] or NULL */
    pc_tensor *soft_rows;  /* i32 [S]: rows of the sequence that the soft tokens replace; of pictures that stay apart i32 [N]: the
                            * rows of their placeholders */
    pc_tensor *frequencies;/* f32 [E/2] */
    pc_tensor *source_rows, *target_rows; /* as llm/llm.h has them */
    pc_layer_cache *cache; /* or NULL */
    pc_tensor *cache_rows; /* i32 [T] with a cache, as the next: llm/llm.h */
    pc_tensor *cache_pages;/* i32 [P] */
    pc_tensor *rows;       /* i32 [R] or NULL: llm/llm.h */
    const pc_hooks *hooks; /* or NULL; the model's own bridge comes before them */
    pc_bridge_input bridge; /* of a session; what is absent pc_model_read makes of soft and soft_rows, but for details, which it reads
                             * of a session (or a trace) alone */
    pc_llm_tap *taps;      /* [tap_count] or NULL: filled by pc_model_read */
    int tap_count;
    pc_llm_look *look;     /* or NULL: filled by pc_model_read */
    const pc_llm_drop *drop; /* or NULL: llm/llm.h */
} pc_reading;

/* The inputs of a reading that is planned for `tokens` rows: ids, positions, ranges, frequencies, and the rows of either side
 * where the language model has sides. */
void pc_model_reading_inputs(pc_graph *graph, const pc_model *model, int64_t tokens, pc_reading *out);

/* *source = tokens before the one that opens what an encoder-decoder writes (soft[i], or soft itself, NULL: a token), 0 for
 * other models. PC_ERR_DATA when there is no such token, or nothing before it. */
pc_status pc_model_find_source(const pc_model *model, const int32_t *ids, const float *const *soft, int64_t count,
                               int64_t *source);

/* hidden states f32 [T,D'] after the final norm, or [R,D'] of the rows wanted. */
pc_tensor *pc_model_read(const pc_build *build, const pc_model *model, const pc_reading *reading);
/* hidden [R,D'] -> logits f32 [R,V], named "logits". */
pc_tensor *pc_model_logits(const pc_build *build, const pc_model *model, pc_tensor *hidden);

/* For contrastive models: unit vectors f32 [N,W] of pictures and of texts. */
pc_tensor *pc_model_embed_images(const pc_build *build, const pc_model *model, pc_tensor *pixels);
pc_tensor *pc_model_embed_texts(const pc_build *build, const pc_model *model, const pc_clip_text_io *io);
/* [N,W] x [M,W] -> scaled similarities [N,M] (+ bias when the model has one). */
pc_tensor *pc_model_similarities(const pc_build *build, const pc_model *model, pc_tensor *images, pc_tensor *texts);

#endif
