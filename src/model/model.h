/* A model: encoder + connector + language model (any of them may be absent), put together from a directory.
 *
 * The only place that joins the parts. Flow: directory -> import (config keys and tensor names -> ours) -> pc_model ->
 * session.h answers with it, trace.h looks into it, train/ trains it, save.c writes it.
 */
#ifndef PC_MODEL_MODEL_H
#define PC_MODEL_MODEL_H

#include "base/json.h"
#include "connector/bridge/bridge.h"
#include "connector/connector.h"
#include "encoder/clip_text.h"
#include "encoder/encoder.h"
#include "llm/llm.h"
#include "media/tiles.h"
#include "model/visual.h"
#include "prompt/prompt.h"
#include "store/store.h"
#include "tensor/backend.h"
#include "text/tokenizer.h"

typedef struct pc_encoder_part {
    const pc_encoder_type *type; /* NULL = the model has none */
    void *config, *weights;
    pc_encoder_info info;
    pc_encoder_select select; /* layer resolved */
    int64_t patches;          /* P: features of one picture of its native size as selected */
} pc_encoder_part;

typedef struct pc_connector_part {
    const pc_connector_type *type;
    void *config, *weights;
    int64_t tokens; /* Q: soft tokens of one picture (tile) of the encoder's native size */
    int64_t text_limit; /* ids of the longest text that it reads beside a picture; 0: none */
} pc_connector_part;

/* How layers of the language model read pictures inside, beside or in place of the text (connector/bridge/). */
typedef struct pc_bridge_part {
    const pc_bridge_type *type; /* NULL = they don't */
    void *config, *weights;
    pc_bridge_dims dims;
    const char *prefix; /* of its names */
    int32_t end_id; /* behind this id a text sees no picture until the next; -1 = no such id */
} pc_bridge_part;

/* A second tower, which sees the whole picture larger; layers of the language model read its features (pc_bridge_type.detail). */
typedef struct pc_detail_part {
    pc_encoder_part tower; /* type NULL = there is none */
    pc_param *positions;   /* [P,D], added to the features */
} pc_detail_part;

typedef struct pc_llm_part {
    const pc_llm_type *type;
    void *config, *weights;
    pc_llm_info info;
    float *frequencies; /* [E/2], for texts within info.rotary_limit */
} pc_llm_part;

/* What a contrastive model (CLIP, SigLIP) has beside its vision tower. */
typedef struct pc_contrast_part {
    bool present;
    bool bidirectional; /* every token of a text sees all, and the last row stands for it (SigLIP) */
    pc_clip_text_config config;
    pc_clip_text_weights weights;
    int64_t width;            /* of the common space */
    pc_param *image_projection;       /* [width,D], or NULL: the pooled vector is the picture's */
    pc_linear_weights text_projection;/* [width,D]; no bias in CLIP */
    pc_param *scale;          /* logit_scale: log of the temperature's inverse, [] */
    pc_param *bias;           /* logit_bias of SigLIP's loss, [], or NULL */
} pc_contrast_part;

/* How the soft tokens of a picture's tiles are put together (tiles.h). */
typedef enum pc_merge {
    PC_MERGE_NONE,    /* one tile a picture, its tokens as they are */
    PC_MERGE_FLAT,    /* tile after tile */
    PC_MERGE_SPATIAL, /* the tiles of the grid as one map */
    PC_MERGE_UNPAD,   /* the same without padding, each row followed by the newline */
} pc_merge;

typedef struct pc_tiles_part {
    pc_merge merge;
    bool rounded;      /* as transformers computes the padding */
    pc_param *newline; /* [D'], PC_MERGE_UNPAD */
    bool framed;       /* tokens of the vocabulary stand between the tiles (Idefics3): pc_model_lay_out */
} pc_tiles_part;

typedef struct pc_model {
    const struct pc_import *import;
    char *path;        /* directory or file it came from; NULL for a new one */
    pc_json *config;   /* config.json, normalised by the import */
    pc_json *generation; /* generation_config.json, or NULL */
    pc_params params;
    pc_store *store;   /* mapped weights; NULL for a new model */
    char *tower;       /* directory or file of the vision tower, when it lies beside the model's; or NULL */
    pc_store *tower_store; /* its mapped weights */
    pc_dtype stored;   /* type of the largest parameter as stored */
    pc_encoder_part encoder;
    pc_connector_part connector;
    pc_bridge_part bridge;
    pc_detail_part detail;
    pc_llm_part llm;
    pc_contrast_part contrast;
    pc_tiles_part tiles;
    pc_visual_tokens visual;    /* of pc_model_set_visual; {0} = every token of a picture */
    int64_t image_token;        /* placeholder id, which may lie outside the vocabulary; -1 = takes no images */
    bool one_position;          /* the tokens of a picture share one, but for the first and the last of them (CogVLM) */
    bool bos_behind_pictures;   /* pictures that open a prompt stand before BOS (BLIP-2) */
    int32_t image_open, image_close; /* ids that stand before and behind a picture; 0 = none */
    pc_tokenizer *tokenizer;    /* NULL when the directory has none */
    pc_tokenizer *reader;       /* the connector's own, by which it reads questions (qformer_tokenizer/), or NULL */
    const pc_template *chat;    /* NULL when the chat template is unknown or absent */
    bool chat_unknown;          /* the checkpoint brings a chat template that is none of ours */
    char *chat_text;            /* that template, or ours, as the checkpoint spells it; NULL = none */
    pc_image_recipe recipe;     /* how pictures are prepared; valid when there is an encoder */
    const pc_backend *packed_by;/* backend whose packed weights the parameters carry */
} pc_model;

/* Load `path`: a model directory, a GGUF file, or a llama2.c .bin file. Weights stay mapped in their stored type. */
pc_status pc_model_load(pc_model **out, const char *path);
/* The same with the GGUF file of the vision side; NULL: mmproj*.gguf beside the model, if there is one; "none": without. */
pc_status pc_model_load_parts(pc_model **out, const char *path, const char *vision);
/* A new model with random weights: shapes from a config.json (a file, or a directory that has one), a pure function of
 * `seed`. tokenizer_path and the picture recipe as in a directory; either may be NULL (then from config's directory). */
pc_status pc_model_create(pc_model **out, const char *config_path, const char *tokenizer_path, uint64_t seed);
/* The same without values: parameters have names and shapes alone. */
pc_status pc_model_outline(pc_model **out, const char *config_path, const char *tokenizer_path);
void pc_model_free(pc_model *model);

/* A model of the same family for another configuration: *out has a copy of from->config to be changed before
 * import->configure declares its parts. */
pc_status pc_model_begin_variant(pc_model **out, const pc_model *from);
/* Move tokenizer, chat template, picture recipe and generation settings over; `from` has none afterwards. */
void pc_model_take_surroundings(pc_model *model, pc_model *from);

/* The tokenizer alone, of a model or tokenizer file of any kind that pc_model_load and pc_tokenizer_load read. */
pc_status pc_model_tokenizer(pc_tokenizer **out, const char *path);

/* Write a Hugging Face directory: config.json, generation_config.json, model.safetensors in `dtype`, tokenizer, chat
 * template, processor files. `folder` is made when missing; files are written durably one by one. */
pc_status pc_model_save(const pc_model *model, const char *folder, pc_dtype dtype);
/* Everything but the weights. */
pc_status pc_model_save_description(const pc_model *model, const char *folder, pc_dtype dtype);
pc_status pc_model_save_weights(const pc_model *model, const char *folder, pc_dtype dtype);

typedef struct pc_gguf_options {
    pc_dtype type;        /* of the language model's matrices, as gguf_quantise.h chooses them */
    const char *vision;   /* file of the vision side; NULL = it is not written */
    pc_dtype vision_type; /* of its matrices: F32, F16 or BF16 */
} pc_gguf_options;

/* Write GGUF files as llama.cpp reads them: the language model (LLaMA, Mistral, Qwen2) with its tokenizer and chat template into
 * `path`, CLIP's tower with LLaVA's projector into options->vision. PC_ERR_DATA says what such a file can't hold. */
pc_status pc_model_save_gguf(const pc_model *model, const char *path, const pc_gguf_options *options);

/* Copy values of every parameter that `path` (safetensors or directory) has under a name this model knows; with
 * `partial` missing ones are fine. *loaded (may be NULL) counts them. Parameters must be owned (pc_params_own). */
pc_status pc_model_load_values(pc_model *model, const char *path, bool partial, int *loaded);

/* Lay the weights out for products on this backend, which must outlive the model; call once before sessions. compute PC_F32
 * or PC_BF16. */
pc_status pc_model_pack(pc_model *model, const pc_backend *backend, pc_dtype compute);

/* True when pictures stay apart from the text: a placeholder, kept as an id, stands for each. */
bool pc_model_pictures_apart(const pc_model *model);
/* True when a session keeps what layers read of pictures: they stay apart from the text, or are read in detail. */
bool pc_model_pictures_remembered(const pc_model *model);
/* Numbers of pixels [3,Y,X] of a picture for the second tower, which lie behind those for the first; 0 without one. */
size_t pc_model_detail_pixels(const pc_model *model);
/* Width of a soft token. */
int64_t pc_model_soft_width(const pc_model *model);

/* What the connector gets of one picture of height x width pixels. */
void pc_model_picture_dims(const pc_model *model, int64_t height, int64_t width, pc_connector_dims *out);

/* Prepare a picture by the model's recipe: *pixels = f32 [N,3,Y,X], N tiles (as a rule 1) of the encoder's native size, or
 * of the size in *tiling for an encoder of native resolution; pc_free. *tiling (or NULL) says how they lie. Behind them are those for the
 * second tower (pc_model_detail_pixels). PC_ERR_DATA when the recipe gives another size than the encoder takes. */
pc_status pc_model_prepare(const pc_model *model, const pc_image *image, float **pixels, pc_image_tiling *tiling);

/* What a prompt must know of the model: placeholder, ids round it, and soft tokens of a picture. `pictures` (borrowed; NULL
 * when none is cut into tiles) holds the tiling of each picture. */
typedef struct pc_model_pictures {
    const pc_model *model;
    const pc_image_tiling *tilings; /* [count] */
    int count;
} pc_model_pictures;
void pc_model_prompt(const pc_model *model, const pc_model_pictures *pictures, pc_prompt_options *options);

/* Append a framed picture's ids: placeholders, the tokens that say row and column, line feeds. tiling NULL: one tile.
 * PC_ERR_DATA when the tokenizer lacks such a token. */
pc_status pc_model_lay_out(const pc_model *model, const pc_image_tiling *tiling, pc_ids *out);

/* pc_slot_tokens for pc_prompt_options: soft tokens of a picture. user = pc_model; PC_ERR_DATA when they depend on its size. */
pc_status pc_model_slot_tokens(void *user, pc_media_kind kind, int index, size_t *out);

/* PC_ERR_DATA when an id of a question is none that the connector has a vector for. */
pc_status pc_model_check_question(const pc_model *model, const int32_t *ids, int64_t count);

/* PC_ERR_DATA when the language model has no such position (pc_llm_info.position_table). */
pc_status pc_model_check_positions(const pc_model *model, const int32_t *positions, int64_t count);

/* Scopes of the parts, so that names are said once: "vision_tower.vision_model." and so on. */
typedef struct pc_import_prefixes {
    const char *encoder, *connector, *llm, *text;
} pc_import_prefixes;

/* A parameter that is no tensor of its own in the file. */
typedef struct pc_import_view {
    char tensor[256];    /* the file's tensor that holds it */
    int64_t part, parts; /* which of how many equal ones along its first dimension; 0 parts: all of it */
    bool transposed;     /* the file has [K,N], the parameter is [N,K] */
} pc_import_view;

/* One of the tensors that together are a parameter, one behind the other in its memory. */
typedef struct pc_import_piece {
    char tensor[256];
    pc_shape shape; /* as files have it */
} pc_import_piece;

/* A foreign checkpoint family: its config keys and tensor names -> ours. One file in import/ + one line in list.h. */
typedef struct pc_import {
    const char *model_type; /* of config.json; NULL: recognised by `matches` or `matches_file` alone */
    const char *architecture; /* the class that opens it elsewhere, for config.json; NULL = as the config says */
    const char *processor;  /* the class that prepares its pictures and prompts elsewhere, or NULL */
    const char *chat;       /* layout of its prompts where a directory brings no chat template; NULL = not known */
    pc_import_prefixes prefixes; /* of the names that percept writes */
    /* Whether config.json is of this family, where its model_type alone doesn't tell; asked before model_type counts. */
    bool (*matches)(const pc_json *config);
    /* Fill the parts from model->config (through pc_model_set_*). */
    pc_status (*configure)(pc_model *model, const char *where);
    /* The i-th name under which a file may hold the parameter that we call `name`; false when there is none left. */
    bool (*alias)(const char *name, int i, char *out, size_t size);
    /* The i-th place in a larger or transposed tensor; NULL = none; asked when no alias is there. */
    bool (*view)(const char *name, int i, pc_import_view *out);
    /* The i-th tensor of a parameter that files of this family have in several (an expert each); false behind the last, and for
     * i = 0 where it is one. NULL = none; written so, and asked first for reading. */
    bool (*piece)(const pc_model *model, const pc_param *param, int i, pc_import_piece *out);
    /* The name that the parameter has in memory where others open it (adapter files go by that); NULL = `name`. */
    bool (*module)(const char *name, char *out, size_t size);
    bool writes_modules; /* the files that percept writes have these names, too */
    /* After tokenizer, template and picture recipe have been read; may be NULL. */
    pc_status (*finish)(pc_model *model, const char *where);
    /* Complete a copy of model->config for writing, so that no reader falls back to defaults of its own. */
    pc_status (*describe)(const pc_model *model, pc_json *config);
    /* Weights from elsewhere than safetensors; NULL = safetensors. */
    bool (*matches_file)(const char *path);
    pc_status (*load_file)(pc_model *model, const char *path);
} pc_import;

const pc_import *pc_import_find(const pc_json *config); /* NULL when no family takes it */
const pc_import *pc_import_find_file(const char *path);

/* For imports: make a part from its JSON config. `json` NULL = all defaults. */
pc_status pc_model_set_encoder(pc_model *model, const pc_json *json, const char *where);
pc_status pc_model_set_connector(pc_model *model, const char *name, const pc_json *json, const char *where);
pc_status pc_model_set_llm(pc_model *model, const char *model_type, const pc_json *json, const char *where);
/* After the language model is set, before the connector: the soft tokens of a bridge that keeps them apart have the encoder's
 * width. pc_model_set_connector completes it. `prefix` of its names. */
pc_status pc_model_set_bridge(pc_model *model, const char *name, const pc_json *json, const char *prefix, const char *where);
/* Before the bridge is set: the second tower, `prefix` of its names, `positions` the full name of its positions. */
pc_status pc_model_set_detail(pc_model *model, const pc_json *json, const char *prefix, const char *positions, const char *where);
/* Point every parameter at its values in model->store. */
pc_status pc_model_attach_all(pc_model *model);
/* The newline token of tiles, `name` in full; after the language model is set. */
pc_status pc_model_set_newline(pc_model *model, const char *name);
typedef struct pc_contrast_kind {
    int64_t width;             /* of the common space */
    bool bias;                 /* logit_bias */
    bool bidirectional;        /* and pooled by the last row */
    bool image_projection;     /* visual_projection.weight */
    const char *text_projection; /* "text_projection": a matrix; "text_model.head": matrix and bias */
} pc_contrast_kind;
pc_status pc_model_set_contrast(pc_model *model, const pc_json *text, const pc_contrast_kind *kind, const char *where);

#endif
