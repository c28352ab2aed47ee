/* CLIP's text tower: token ids -> one vector for each text. Used by the contrastive composition.
 *
 * Takes: B texts of at most `context` tokens, packed behind each other: ids i32 [T], positions i32 [T], ranges i32 [T,4]
 * (causal within each text), ends i32 [B] (row of each text's end token). Gives: f32 [B,D] after the final norm.
 */
#ifndef PC_ENCODER_CLIP_TEXT_H
#define PC_ENCODER_CLIP_TEXT_H

#include "base/field.h"
#include "encoder/transformer.h"

enum { PC_CLIP_TEXT_MAX_LAYERS = 64 };

typedef struct pc_clip_text_config {
    int64_t vocab_size, hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, max_position_embeddings;
    int64_t eos_token_id;
    char *hidden_act;
    double layer_norm_eps;
} pc_clip_text_config;

extern const pc_field_table pc_clip_text_fields;

typedef struct pc_clip_text_weights {
    pc_param *tokens;    /* [V,D] */
    pc_param *positions; /* [context,D] */
    pc_norm_weights norm;
    pc_block_weights blocks[PC_CLIP_TEXT_MAX_LAYERS];
} pc_clip_text_weights;

typedef struct pc_clip_text_io {
    pc_tensor *ids, *positions, *ranges, *ends;
} pc_clip_text_io;

pc_status pc_clip_text_check(const pc_clip_text_config *config, const char *where);
void pc_clip_text_declare(pc_scope *scope, const pc_clip_text_config *config, pc_clip_text_weights *weights);
pc_tensor *pc_clip_text_forward(const pc_build *build, const pc_clip_text_config *config,
                                const pc_clip_text_weights *weights, const pc_clip_text_io *io);

#endif
