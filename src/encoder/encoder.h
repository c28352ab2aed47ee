/* An encoder: media -> features. One file in encoder/ and one line in list.h for each.
 *
 * Takes: normalised pixels f32 [N,3,Y,X]. Gives: features [N,P,D] after the choice of layer and of class token, the patches
 * in raster order. An encoder of native resolution (info.unit) takes pictures of other sizes, too, and reads Y and X from
 * them when the graph is built.
 */
#ifndef PC_ENCODER_ENCODER_H
#define PC_ENCODER_ENCODER_H

#include "base/field.h"
#include "nn/layers.h"

enum { PC_ENCODER_STATES = 8 };

/* Tokens merged between attention and MLP of each block (ops/token_merge.h). */
typedef struct pc_encoder_merge {
    int64_t merged;    /* of a block, on average */
    double inflect;    /* of the schedule: -1 most of them early, 1 late */
    bool proportional; /* attention counts a token as often as those that it is made of */
    bool class_token;  /* the first token joins no other */
} pc_encoder_merge;

/* Queries and keys of the last block, [P,D] each with the tokens before the patches. */
typedef struct pc_encoder_keys {
    pc_tensor *q, *k;
} pc_encoder_keys;

/* Which hidden states, side by side, and whether the tokens before the patches stay. */
typedef struct pc_encoder_select {
    int64_t layer[PC_ENCODER_STATES]; /* as Hugging Face counts: 0 = embeddings, i = after block i, negative from the end
                                       * (-1 = last) */
    int64_t count;          /* of them; 0 counts as 1 */
    bool keep_class_token;  /* "full"; false = "default" */
    bool final_norm;        /* what follows the last block is applied (BLIP-2, mPLUG-Owl, Idefics3) */
    const pc_encoder_merge *merge; /* or NULL; one picture and one state then, which comes out in the order of its patches */
    pc_encoder_keys *keys;  /* filled, or NULL */
} pc_encoder_select;

typedef struct pc_encoder_info {
    int64_t width;      /* D */
    int64_t layers;     /* blocks */
    int64_t image_size; /* Y = X in pixels that pictures are prepared for */
    int64_t patch_size; /* pixels */
    int64_t prefix;     /* tokens before the patches (class token: 1) */
    int64_t unit;       /* pictures may have any sides that are multiples of this; 0 = image_size alone */
} pc_encoder_info;

typedef struct pc_encoder_type {
    const char *model_type; /* as config.json says: "clip_vision_model" */
    const char *processor;  /* image_processor_type whose defaults prepare its pictures when a model brings no recipe */
    bool class_token;       /* a token before the patches (info.prefix) */
    bool merges;            /* forward heeds select.merge and select.keys */
    pc_field_table fields;  /* of the config struct */
    size_t config_size, weights_size;
    /* What the field table cannot say; json may be NULL. NULL = nothing. */
    pc_status (*read)(void *config, const pc_json *json, const char *where);
    pc_status (*check)(const void *config, const char *where);
    void (*info)(const void *config, pc_encoder_info *out);
    void (*declare)(pc_scope *scope, const void *config, void *weights);
    /* Layers in `select` are already resolved to 0..layers. images [N,3,Y,X]. Gives [N,P,S*D] for S layers. */
    pc_tensor *(*forward)(const pc_build *build, const void *config, const void *weights, pc_tensor *images,
                          pc_encoder_select select);
    /* One vector for each image, before any projection: [N,D] (contrastive training); NULL = none. */
    pc_tensor *(*pool)(const pc_build *build, const void *config, const void *weights, pc_tensor *images);
} pc_encoder_type;

const pc_encoder_type *pc_encoder_find(const char *model_type); /* NULL when unknown */
const char *pc_encoder_names(void);                             /* "clip_vision_model, ..." for messages */

/* Resolve Hugging Face's layer numbers against the number of blocks; PC_ERR_DATA when outside. */
pc_status pc_encoder_resolve_layers(pc_encoder_select *select, int64_t layers, const char *where);

#endif
