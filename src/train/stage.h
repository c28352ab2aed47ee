/* A training stage: which loss over which batches. One file in stage/ and one line in its list.h for each. */
#ifndef PC_TRAIN_STAGE_H
#define PC_TRAIN_STAGE_H

#include "data/loader.h"
#include "model/forward.h"

/* The inputs of a loss graph; absent ones are NULL. Names and shapes as in pc_batch. */
typedef struct pc_stage_inputs {
    pc_tensor *pixels, *ids, *positions, *ranges, *soft_rows, *target_rows, *target_ids, *text_ends;
    pc_shape feature_shape; /* [N,P,D] of a feature cache, set before the loss is built; no dims = pixels come */
    pc_tensor *features;    /* f32 [N,P,D], in place of pixels */
    pc_tensor *weights;     /* f32 [R]: weight of each target, so that the step's loss is a mean */
    pc_tensor *frequencies; /* f32 [E/2] */
} pc_stage_inputs;

typedef struct pc_stage {
    const char *name; /* as recipes say: "sft" */
    const char *help;
    pc_batch_kind batches;
    bool cached; /* its loss takes features from a cache: it reads pictures by pc_stage_pictures alone */
    /* The loss [1] of one micro-batch. Creates its inputs with the planned sizes of `limits`. */
    pc_tensor *(*loss)(const pc_build *build, const pc_model *model, const pc_batch_limits *limits,
                       pc_stage_inputs *inputs);
    /* PC_ERR_DATA when the model lacks a part that the stage needs. */
    pc_status (*check)(const pc_model *model);
} pc_stage;

/* Features of the batch's pictures, with the input that they come from: in->pixels, or in->features. */
pc_connector_input pc_stage_pictures(const pc_build *build, const pc_model *model, const pc_batch_limits *limits,
                                     pc_stage_inputs *in);

const pc_stage *pc_stage_find(const char *name); /* NULL when unknown */
const char *pc_stage_names(void);

#endif
