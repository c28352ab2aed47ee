/* The transformer blocks that CLIP's two towers and their kin share. */
#ifndef PC_ENCODER_TRANSFORMER_H
#define PC_ENCODER_TRANSFORMER_H

#include "encoder/encoder.h"

/* How a checkpoint keeps the matrices of queries, keys and values. */
typedef enum pc_qkv_layout {
    PC_QKV_APART, /* one matrix each */
    PC_QKV_PARTS, /* one matrix: all queries, all keys, all values (EVA, OpenCLIP) */
    PC_QKV_HEADS, /* one matrix: queries, keys, values of the first head, then those of the next (mPLUG-Owl, Qwen-VL) */
} pc_qkv_layout;

/* What a family calls the parts of a block; q, k, v count when they lie apart, qkv when they don't. */
typedef struct pc_block_names {
    const char *norm1, *norm2, *q, *k, *v, *qkv, *o, *up, *down;
} pc_block_names;

typedef struct pc_block_config {
    int64_t width;  /* D */
    int64_t hidden; /* F */
    int64_t heads;  /* H; D is a multiple */
    int64_t layers; /* of the stack, for initialisation */
    pc_activation activation;
    double eps;
    pc_qkv_layout layout;
    bool plain_qkv;              /* q, k and v have no biases */
    bool post_norm;              /* the norms stand behind attention and MLP, not before them (EVA2-CLIP-E in CogVLM) */
    const pc_block_names *names; /* NULL = those of Hugging Face's CLIP */
} pc_block_config;

typedef struct pc_block_weights {
    pc_norm_weights norm1, norm2;
    pc_linear_weights q, k, v, o; /* q holds all three, [3D,D], when they lie together */
    pc_mlp_weights mlp;
} pc_block_weights;

/* What the configuration of every tower of square patches begins with, as member `vit`. */
typedef struct pc_vit_config {
    int64_t hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, image_size, patch_size;
    int64_t input_size, num_channels;
    char *hidden_act;
    double layer_norm_eps;
} pc_vit_config;

enum { PC_VIT_MAX_LAYERS = 128 };

#define PC_VIT_FIELD(config, key, kind, def, lo, hi, text) \
    {.name = #key, .type = kind, .offset = offsetof(config, vit.key), .fallback = def, .low = lo, .high = hi, .help = text}
/* Its keys, with the defaults of a family. */
#define PC_VIT_FIELDS(config, width, hidden, layers, heads, patch, activation, eps)                                         \
    PC_VIT_FIELD(config, hidden_size, PC_FIELD_INT, width, 1, 65536, "width of the tower"),                                 \
    PC_VIT_FIELD(config, intermediate_size, PC_FIELD_INT, hidden, 1, 262144, "width of the MLP"),                           \
    PC_VIT_FIELD(config, num_hidden_layers, PC_FIELD_INT, layers, 1, PC_VIT_MAX_LAYERS, "blocks"),                          \
    PC_VIT_FIELD(config, num_attention_heads, PC_FIELD_INT, heads, 1, 1024, "attention heads"),                             \
    PC_VIT_FIELD(config, image_size, PC_FIELD_INT, "224", 1, 16384, "side of the picture in pixels"),                       \
    PC_VIT_FIELD(config, patch_size, PC_FIELD_INT, patch, 1, 1024, "side of a patch in pixels"),                            \
    PC_VIT_FIELD(config, input_size, PC_FIELD_INT, "0", 0, 16384,                                                           \
                 "side of pictures that are larger or smaller than image_size: positions are interpolated; 0 = image_size"), \
    PC_VIT_FIELD(config, hidden_act, PC_FIELD_TEXT, activation, 0, 0, "activation"),                                        \
    PC_VIT_FIELD(config, layer_norm_eps, PC_FIELD_FLOAT, eps, 0, 1, "epsilon of the norms")
#define PC_VIT_CHANNELS(config) PC_VIT_FIELD(config, num_channels, PC_FIELD_INT, "3", 3, 3, "colour channels")

/* PC_ERR_DATA with `where` in front unless heads divide the width, a picture has a patch and the activation is known; with
 * `whole` patches also divide the side. */
pc_status pc_vit_check(const pc_vit_config *config, bool whole, const char *where);
/* prefix: tokens before the patches. */
void pc_vit_info(const pc_vit_config *config, int64_t prefix, pc_encoder_info *out);
/* Blocks of the tower's sizes, of CLIP's make. */
pc_block_config pc_vit_blocks(const pc_vit_config *config);

/* Names as Hugging Face's CLIP: <name>.self_attn.{q,k,v,out}_proj, .layer_norm1, .mlp.{fc1,fc2}, .layer_norm2; or the
 * configuration's. */
void pc_block_declare(pc_scope *scope, pc_block_weights *weights, const pc_block_config *config, const char *name);

/* x [..,D] with T rows in all; ranges i32 [T,4] (ops/attention.h). */
pc_tensor *pc_block_forward(const pc_build *build, const pc_block_weights *weights, const pc_block_config *config,
                            pc_tensor *x, pc_tensor *ranges);

/* Queries, keys and values [T,H,E] of h [..,D]. */
void pc_block_project(const pc_build *build, const pc_block_weights *weights, const pc_block_config *config, pc_tensor *h,
                      pc_tensor *out[3]);

/* Of the tokens of a picture, some of which have been merged: f32 [T] and i32 [T], or NULL: none were. */
typedef struct pc_merged_tokens {
    pc_tensor *sizes, *places;
} pc_merged_tokens;

/* x [1,T,D] -> [1,T-r,D]: a block that merges r of its tokens, and what is known of those left. */
pc_tensor *pc_block_merge(const pc_build *build, const pc_block_weights *weights, const pc_block_config *config, pc_tensor *x,
                          const pc_encoder_merge *how, int64_t merged, pc_merged_tokens *tokens);

/* Tokens that are left of `tokens` behind `blocks` of a tower's `layers` blocks. */
int64_t pc_merge_left(const pc_encoder_merge *how, int64_t tokens, int64_t blocks, int64_t layers);

/* x [N,P,D] = hidden state 0 -> the selected hidden states side by side, [N,P,S*D]. final (or NULL): the norm of
 * select.final_norm. */
pc_tensor *pc_blocks_forward(const pc_build *build, const pc_block_weights *blocks, const pc_block_config *config,
                             const pc_norm_weights *final, pc_tensor *x, const pc_encoder_select *select);

/* Direct scaling: position embeddings [prefix + S*S,D] (or [1,..]) as [P,D], S = `side`, for pictures [N,3,Y,X] whose grid is another one; bicubic,
 * as torch, with a gradient. */
pc_tensor *pc_positions_for(const pc_build *build, pc_param *positions, pc_tensor *images, int64_t patch, int64_t side,
                            int64_t prefix);

#endif
