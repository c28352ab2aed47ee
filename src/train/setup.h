/* The parts of a training, made from its recipe: for the trainer, and for commands that look at a recipe without carrying it
 * out. */
#ifndef PC_TRAIN_SETUP_H
#define PC_TRAIN_SETUP_H

#include "model/adapter.h"
#include "train/data.h"
#include "train/learner.h"
#include "train/recipe.h"
#include "train/rollout.h"

/* PC_ERR_USAGE when a key's value can't be meant; *stage = the stage. */
pc_status pc_setup_check(const pc_recipe *recipe, const pc_stage **stage);
/* The model with weights that are its own, its chat template and tokenizer as the recipe wants them. pc_model_free. */
pc_status pc_setup_model(pc_model **out, const pc_recipe *recipe);
/* The adapter that trains, new or gone on from; *out = NULL when the weights train themselves. pc_adapter_free. */
pc_status pc_setup_adapter(pc_adapter **out, const pc_recipe *recipe, const pc_model *model);
/* The model that the stage compares with, as it lies on the disk; *out = NULL when none is needed or the model without its
 * adapter serves. pc_model_free. */
pc_status pc_setup_reference(pc_model **out, const pc_recipe *recipe, const pc_stage *stage);
/* The head of a stage that has one, fresh; *out = NULL for others. pc_head_free. */
pc_status pc_setup_head(pc_head **out, const pc_recipe *recipe, const pc_model *model, const pc_stage *stage);
/* Steps of the whole training. */
int64_t pc_setup_steps(const pc_recipe *recipe, const pc_loader *loader);
/* What a learner is made of; all borrowed. */
typedef struct pc_setup_parts {
    pc_model *model;
    const pc_model *reference; /* or NULL */
    pc_adapter *adapter;       /* or NULL */
    pc_head *head;             /* or NULL */
    const pc_backend *backend;
    const pc_stage *stage;
    const pc_loader *loader;
    const pc_instance *judge;  /* a reward model, or NULL */
} pc_setup_parts;
pc_status pc_setup_learner(pc_learner **out, const pc_recipe *recipe, const pc_setup_parts *parts); /* pc_learner_free */
/* *out = NULL for stages that learn from data. pc_rollout_free. */
pc_status pc_setup_rollout(pc_rollout **out, const pc_recipe *recipe, const pc_setup_parts *parts);

/* All of them. Initialise with {0}; close also after a failure. */
typedef struct pc_training {
    const pc_stage *stage;
    pc_model *model, *reference /* or NULL */;
    pc_adapter *adapter; /* what trains; NULL = the model */
    pc_head *head;       /* trains as well; NULL = none */
    pc_model *base;      /* of a reward model that is an adapter, where the model itself trains; or NULL */
    pc_judge judge;      /* {0} without a reward model */
    pc_train_data data;
    pc_learner *learner;
    pc_rollout *rollout; /* or NULL */
} pc_training;
pc_status pc_training_open(pc_training *out, const pc_recipe *recipe, const pc_backend *backend);
void pc_training_close(pc_training *training);

#endif
