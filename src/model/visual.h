/* Fewer tokens for a picture: ways that need no training, chosen for a model by one text.
 *
 *   "fastv,layer=2,keep=0.5"       half of a picture's tokens leave the language model before layer 2, those that the last token of
 *                                  the prompt attends least
 *   "tome,merged=16"               each block of the vision tower merges 16 tokens into others like them
 *   "prumerge,keep=0,near=32"      the tokens that the tower's class token looks at, each with a share of those like it
 *   "none"                         all of them
 *
 * config.json has it as "visual_tokens"; pc_model_set_visual sets another. Sessions heed it; training and traces read every token.
 */
#ifndef PC_MODEL_VISUAL_H
#define PC_MODEL_VISUAL_H

#include "base/status.h"
#include "base/str.h"
#include "encoder/encoder.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum pc_visual_kind { PC_VISUAL_ALL, PC_VISUAL_FASTV, PC_VISUAL_TOME, PC_VISUAL_PRUMERGE } pc_visual_kind;

typedef struct pc_visual_tokens {
    pc_visual_kind kind;
    int64_t layer;           /* FastV: tokens leave before this layer of the language model */
    double keep;             /* share of the tokens that stays; PruMerge: 0 = as many as are outliers */
    pc_encoder_merge merge;  /* ToMe */
    int64_t near;            /* PruMerge, as in ops/prune_merge.h */
    bool spread;
} pc_visual_tokens;

/* text NULL or "": "none". PC_ERR_USAGE names what is wrong and what there is. */
pc_status pc_visual_parse(pc_visual_tokens *out, const char *text);
/* Append a line for each way and each of its settings. */
pc_status pc_visual_help(pc_str *out);

struct pc_model;
/* Read pictures of `model` so from now on; before sessions are made. PC_ERR_USAGE for what is wrong with the text, PC_ERR_DATA when
 * the model can't: FastV needs layers that show their attention and pictures among the text; the others a tower of plain blocks, no
 * tiles that are joined by place and a connector that takes any number of tokens; PruMerge also a class token and a connector
 * that works on each token alone. */
pc_status pc_model_set_visual(struct pc_model *model, const char *text);

/* Tokens that are left of a picture's features, of an encoder of native size; those that PruMerge leaves are at most so many. */
int64_t pc_model_features_left(const struct pc_model *model);
/* True when a picture has fewer soft tokens than the connector makes of all features. */
static inline bool pc_visual_shrinks(const pc_visual_tokens *visual)
{
    return visual->kind == PC_VISUAL_TOME || visual->kind == PC_VISUAL_PRUMERGE;
}

#endif
