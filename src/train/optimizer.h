/* An optimizer: what is kept for each parameter, and the nodes that change it. One file in optim/ and one line in its list.h
 * for each. */
#ifndef PC_TRAIN_OPTIMIZER_H
#define PC_TRAIN_OPTIMIZER_H

#include "tensor/graph.h"

enum { PC_OPTIMIZER_MOMENTS = 2, PC_OPTIMIZER_STEP = 128 };

typedef struct pc_optimizer_settings {
    double beta1, beta2, eps; /* AdamW */
    double momentum;          /* SGD; 0 = none */
    double muon_momentum;
} pc_optimizer_settings;

/* What a step is made with; the optimizer's own struct in `step` is filled by begin. */
typedef struct pc_optimizer_now {
    int64_t number;        /* of updates, from 1 */
    double gradient_scale; /* g = grad * gradient_scale */
    double scale_rate;     /* schedule's factor on every rate */
} pc_optimizer_now;

typedef struct pc_optimizer_slot {
    pc_tensor *param, *grad, *moments[PC_OPTIMIZER_MOMENTS]; /* NULL behind the last moment */
    double rate, decay;
    pc_dtype compute; /* of products, PC_F32 or PC_BF16 */
} pc_optimizer_slot;

typedef struct pc_optimizer {
    const char *name; /* as recipes say: "adamw_torch" */
    /* Buffers of the parameter's shape that begin at 0; checkpoints call them "first" and "second". */
    int (*moments)(const pc_optimizer_settings *settings, const pc_param *param);
    void (*begin)(void *step, const pc_optimizer_settings *settings, const pc_optimizer_now *now);
    /* step is filled before each run of the graph and outlives it. */
    void (*update)(pc_graph *graph, const pc_optimizer_slot *slot, const void *step);
} pc_optimizer;

const pc_optimizer *pc_optimizer_find(const char *name); /* NULL when unknown */
const char *pc_optimizer_names(void);

#define PC_OPTIMIZER(name) extern const pc_optimizer pc_optimizer_##name;
#include "train/optim/list.h"
#undef PC_OPTIMIZER

#endif
