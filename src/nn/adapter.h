/* Adapters: small parameters beside the frozen ones of a model, chosen when a graph is built (pc_build.adapter).
 *
 * LoRA adds a product of two thin matrices to a linear layer, on the logical projection, whatever the executor fuses below;
 * whole copies stand in place of a parameter ("modules to save"). One set of weights serves any number of adapters at once.
 *
 * Flow: pc_params of a model + patterns -> pc_adapter_choose -> graphs; model/adapter.h reads and writes files.
 */
#ifndef PC_NN_ADAPTER_H
#define PC_NN_ADAPTER_H

#include "nn/layers.h"

typedef struct pc_lora_config {
    int64_t rank;      /* r >= 1 */
    double alpha;
    bool rank_stabilised; /* alpha / sqrt(r) in place of alpha / r (rsLoRA) */
    bool decomposed;   /* length and direction of each row apart (DoRA) */
} pc_lora_config;

/* One adapted linear layer. */
typedef struct pc_lora {
    const pc_param *weight; /* [N,K], the model's */
    pc_param *a, *b;        /* [r,K], [N,r] */
    pc_param *magnitude;    /* [N] of DoRA, or NULL */
    double scale;
} pc_lora;

/* A parameter of its own in place of the model's. */
typedef struct pc_whole {
    const pc_param *instead;
    pc_param *own;
} pc_whole;

struct pc_adapter {
    char *name;       /* how requests choose it; may be NULL */
    pc_lora_config config;
    pc_params params; /* a, b, magnitude, copies; parts as those of the parameters they belong to */
    pc_lora *loras;
    size_t lora_count, lora_capacity;
    pc_whole *wholes;
    size_t whole_count, whole_capacity;
};

void pc_adapter_free(pc_adapter *adapter); /* NULL is fine */

/* Add low-rank matrices to a linear layer's weight; *out (or NULL) is valid until the next call. */
pc_status pc_adapter_add_lora(pc_adapter *adapter, const pc_param *weight, const pc_lora_config *config, pc_lora **out);
/* Take a copy of `param`: its shape, no values yet. */
pc_status pc_adapter_add_whole(pc_adapter *adapter, pc_param *param, pc_param **out);

typedef struct pc_adapter_choice {
    /* Separated by commas: "all" (every linear layer but those of connectors and the language head), the last words of names
     * ("q_proj", "mlp.fc1"), or patterns with '*' over whole names. */
    const char *targets;
    const char *wholes;              /* modules that train as copies, by words of their names ("multi_modal_projector"); or NULL */
    bool (*frozen)(void *user, const char *part); /* parts that get no low-rank matrices; NULL = none */
    void *user;
} pc_adapter_choice;

/* Attach to the parameters that `choice` names; PC_ERR_USAGE when a word of it fits none. */
pc_status pc_adapter_choose(pc_adapter *adapter, const pc_params *params, const pc_adapter_choice *choice);
/* Values of a fresh adapter, which changes nothing: A uniform as in PEFT (a pure function of seed and name), B zero,
 * magnitudes the lengths of the weights' rows, copies the values as they are. */
pc_status pc_adapter_initialise(pc_adapter *adapter, uint64_t seed);
/* Write the change into the weights, which must be owned f32 (pc_params_own). */
pc_status pc_adapter_merge(const pc_adapter *adapter);

const pc_lora *pc_adapter_find(const pc_adapter *adapter, const pc_param *weight); /* NULL when there is none */

/* y = x W^T + b + scale (x A^T) B^T + residual; DoRA: y = m / |W + scale BA| * (x W^T + scale (x A^T) B^T) + b + residual. */
pc_tensor *pc_lora_forward(const pc_build *build, const pc_lora *lora, const pc_linear_weights *weights, pc_tensor *x,
                           pc_tensor *residual);

#endif
