/* The parts of a training, made from its recipe: for the trainer, and for commands that look at a recipe without carrying it
 * out. */
#ifndef PC_TRAIN_SETUP_H
#define PC_TRAIN_SETUP_H

#include "train/learner.h"
#include "train/recipe.h"

/* PC_ERR_USAGE when a key's value can't be meant; *stage = the stage. */
pc_status pc_setup_check(const pc_recipe *recipe, const pc_stage **stage);
/* The model with weights that are its own, its chat template and tokenizer as the recipe wants them. pc_model_free. */
pc_status pc_setup_model(pc_model **out, const pc_recipe *recipe);
/* Borrows model and backend. pc_learner_free. */
pc_status pc_setup_learner(pc_learner **out, const pc_recipe *recipe, pc_model *model, const pc_backend *backend,
                           const pc_stage *stage, const pc_loader *loader);

#endif
