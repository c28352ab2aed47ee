/* The learner: a model, the graph of its loss and gradients, and the optimizer's update, ready to take steps.
 *
 * Flow of a step: micro-batches -> loss graph (adds to param->grad) -> gradient norms -> clipped update by the optimizer.
 * It knows no dataset, schedule, file or clock: the trainer (trainer.h) drives it.
 */
#ifndef PC_TRAIN_LEARNER_H
#define PC_TRAIN_LEARNER_H

#include "data/loader.h"
#include "model/head.h"
#include "nn/adapter.h"
#include "train/optimizer.h"
#include "train/stage.h"

/* Everything that trains of one part has one learning rate. */
typedef struct pc_part_rate {
    const char *part; /* "encoder", "connector", "llm", "text" */
    double rate;      /* 0 = frozen */
} pc_part_rate;

typedef struct pc_learner_options {
    const pc_stage *stage;
    pc_batch_limits limits;
    bool recompute;         /* values inside of layers are computed again for their gradients: less memory, the same bits */
    int64_t logit_rows;     /* stage.h; 0 = by their bytes */
    pc_dtype compute;       /* PC_F32; PC_BF16: products in bf16, masters and sums in f32 */
    const pc_optimizer *optimizer;
    pc_optimizer_settings settings;
    double dropout;         /* share of what a block adds to its stream that is dropped */
    double lora_dropout;    /* share of what an adapter's matrices read that is dropped */
    uint64_t seed;          /* of what is dropped */
    double weight_decay;    /* on parameters that decay (no norms, biases, vectors) */
    double max_norm;        /* gradients are scaled down to this norm; 0 = never */
    const pc_part_rate *rates;
    int rate_count;
    const char *feature_cache; /* folder of a frozen encoder's features (features.h); NULL = pictures are encoded each time */
    pc_adapter *adapter;    /* trains in place of the model's parameters; borrowed; NULL = those train */
    pc_head *head;          /* trains as well, in stages that have one; borrowed */
    const pc_model *reference; /* of stages that compare with one; borrowed; NULL = the model without its adapter */
    pc_preference_params preference; /* of stages over pairs of answers */
    double wanted_weight, unwanted_weight; /* KTO's */
    pc_policy_params policy;         /* of stages over answers that the model has written */
    double temperature;              /* at which it has; 0 = 1 */
} pc_learner_options;

typedef struct pc_learner pc_learner;

/* model: owned f32 parameters (pc_params_own); `trains` and gradients are set here. model and backend are borrowed. */
pc_status pc_learner_new(pc_learner **out, pc_model *model, const pc_backend *backend,
                         const pc_learner_options *options);
void pc_learner_free(pc_learner *learner);

typedef struct pc_step_result {
    double loss;      /* mean over the step's targets, or pairs */
    double metrics[PC_STAGE_METRICS]; /* means, as the stage names them */
    double grad_norm; /* before clipping */
    int64_t tokens;   /* rows read */
    int64_t targets;  /* rows with a loss */
    int64_t images;
    bool skipped;     /* loss or gradients were not finite: no parameter changed */
} pc_step_result;

/* One optimizer step over `count` micro-batches; scale_rate = the schedule's factor on every rate. */
pc_status pc_learner_step(pc_learner *learner, const pc_batch *batches, int64_t count, double scale_rate,
                          pc_step_result *out);
/* The loss alone, without gradients taking effect (they are zeroed): validation. */
pc_status pc_learner_loss(pc_learner *learner, const pc_batch *batch, double *loss);

/* Continue as behind `steps` steps, skipped ones counted as well: what is dropped next depends on it. */
void pc_learner_seek(pc_learner *learner, int64_t steps);
int64_t pc_learner_steps(const pc_learner *learner); /* updates made, skipped ones not counted */
int64_t pc_learner_trained(const pc_learner *learner); /* parameters (elements) that train */
/* Pictures whose features came from the cache, and pictures that were encoded for it; 0 without one. */
void pc_learner_features(const pc_learner *learner, int64_t *found, int64_t *encoded);
size_t pc_learner_bytes(const pc_learner *learner); /* activations + gradients + moments */
pc_cost pc_learner_cost(const pc_learner *learner); /* of the last micro-batch's loss and gradients, and of an update */
size_t pc_learner_state_bytes(const pc_learner *learner); /* moments alone */

/* The state beside the weights: first and second moment of each trained parameter, and the step count. */
pc_status pc_learner_save(const pc_learner *learner, const char *path); /* optimizer.safetensors */
pc_status pc_learner_load(pc_learner *learner, const char *path);

#endif
