/* A training stage: which loss over which batches. One file in stage/ and one line in its list.h for each. */
#ifndef PC_TRAIN_STAGE_H
#define PC_TRAIN_STAGE_H

#include "data/loader.h"
#include "model/forward.h"
#include "ops/policy.h"
#include "ops/preference.h"
#include "tensor/exec.h"
#include "train/advantage.h"

/* The inputs of a loss graph; absent ones are NULL. Names and shapes as in pc_batch. */
typedef struct pc_stage_inputs {
    pc_tensor *questions, *question_lengths; /* of a connector that reads */
    pc_tensor *pixels, *ids, *positions, *ranges, *soft_rows, *target_rows, *target_ids, *text_ends;
    pc_shape feature_shape; /* [N,P,D] of a feature cache, set before the loss is built; no dims = pixels come */
    pc_tensor *features;    /* f32 [N,P,D], in place of pixels */
    /* The same by row (targets.h): rows i32 [U], 0 .. U - 1 i32 [U] or NULL, starts i32 [U+1], ids i32 [R], weights f32 [R]. */
    pc_tensor *wanted_rows, *wanted_numbers, *wanted_starts, *wanted_ids, *wanted_weights;
    pc_tensor *weights;     /* f32 [R]: weight of each target; of all of a step together 1, unless there are pairs */
    pc_tensor *answer_ends, *answer_rows; /* i32 [A] */
    pc_tensor *labels;      /* f32 [B] */
    pc_tensor *experience;  /* f32 [R,PC_EXPERIENCE] */
    pc_tensor *pairs;       /* f32 [B]: weight of each pair, 1 over the step's pairs */
    pc_tensor *frequencies; /* f32 [E/2] */
    pc_tensor *sides[2];    /* i32 [S], [T-S]: rows of the source and of what is written (ops/sides.h), or NULL */
} pc_stage_inputs;

enum { PC_STAGE_METRICS = 8, PC_STAGE_LOGIT_BYTES = 32 << 20 };

/* What a loss is made for. */
typedef struct pc_stage_setting {
    const pc_model *model;
    const pc_batch_limits *limits;
    int64_t logit_rows;    /* most rows of logits in memory at a time; 0 = as many as PC_STAGE_LOGIT_BYTES hold */
    const pc_model *reference; /* stages with one: read without the adapter; the model itself when an adapter trains */
    const pc_linear_weights *head; /* stages with one */
    pc_preference_params preference;
    double wanted_weight, unwanted_weight; /* KTO's */
    pc_policy_params policy;
    double temperature; /* that logits are divided by; 0 = 1 */
} pc_stage_setting;

typedef struct pc_stage_loss {
    pc_tensor *value;   /* [1], of one micro-batch */
    pc_tensor *metrics; /* f32 [M], M <= PC_STAGE_METRICS, that add up over micro-batches as the loss does, or NULL */
} pc_stage_loss;

typedef struct pc_stage {
    const char *name; /* as recipes say: "sft" */
    const char *help;
    pc_batch_kind batches;
    bool cached; /* its loss takes features from a cache: it reads pictures by pc_stage_pictures alone */
    bool has_head;      /* trains a head of its own beside the weights (model/head.h) */
    bool has_reference; /* compares with a model that stays as it is (unless the loss of the recipe needs none) */
    const char *const *metrics; /* [PC_STAGE_METRICS] names for the log, NULL behind the last; NULL = none */
    pc_advantages *advantages;  /* it learns from answers that the model writes (rollout.h), judged so; NULL = from data */
    bool grouped; /* several answers to each prompt; what distance to the reference costs stands in the loss itself */
    /* Creates its inputs with the planned sizes of the setting's limits. */
    pc_stage_loss (*loss)(const pc_build *build, const pc_stage_setting *setting, pc_stage_inputs *inputs);
    /* PC_ERR_DATA when the model lacks a part that the stage needs. */
    pc_status (*check)(const pc_model *model);
} pc_stage;

/* Creates the inputs of targets by row. */
void pc_stage_wanted_inputs(const pc_build *build, const pc_stage_setting *setting, pc_stage_inputs *in);

/* Cross-entropy [1] of targets by row. hidden [T,D'] has row in->wanted_rows[u] for row u; [U,D'] with in->wanted_numbers in its
 * place when in has them. When the setting's limits allow more rows than may have logits at a time, they come in chunks: each
 * one's logits are made, read and turned into gradients before the next. rows_before_head (or NULL) is what happens to a chunk's
 * rows [U',D'] before the head. */
pc_tensor *pc_stage_vocabulary_loss(const pc_build *build, const pc_stage_setting *setting, const pc_stage_inputs *in,
                                    pc_tensor *hidden,
                                    pc_tensor *(*rows_before_head)(const pc_build *build, const pc_stage_setting *setting,
                                                                   pc_tensor *rows));

/* Features of the batch's pictures, with the input that they come from: in->pixels, or in->features. */
pc_connector_input pc_stage_pictures(const pc_build *build, const pc_model *model, const pc_batch_limits *limits,
                                     pc_stage_inputs *in);

/* Bind what a batch has for the inputs of a graph, but for features, targets by row, weights and pairs. */
pc_status pc_stage_bind(pc_exec *exec, const pc_stage_inputs *in, const pc_model *model, const pc_batch *batch);

const pc_stage *pc_stage_find(const char *name); /* NULL when unknown */
const char *pc_stage_names(void);

#endif
