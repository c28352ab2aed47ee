/* The parts of a training, made from its recipe: for the trainer, and for commands that look at a recipe without carrying it
 * out. */
#ifndef PC_TRAIN_SETUP_H
#define PC_TRAIN_SETUP_H

#include "model/adapter.h"
#include "train/learner.h"
#include "train/recipe.h"

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
} pc_setup_parts;
pc_status pc_setup_learner(pc_learner **out, const pc_recipe *recipe, const pc_setup_parts *parts); /* pc_learner_free */

#endif
