/* The sparse stage of MoE-LLaVA: a dense language model's MLPs become experts, all equal at first, with a new router.
 *
 * Takes: a dense model and moe_* of a recipe. Gives: a model of the same family whose language model has the keys of
 * llm/decoder.h for experts, which training, saving and answering know like any other.
 *
 * Source: Lin et al. 2024 (arXiv:2401.15947), section 3.3.
 */
#ifndef PC_TRAIN_SPARSE_H
#define PC_TRAIN_SPARSE_H

#include "model/model.h"
#include "train/recipe.h"

/* Replace *model, which owns its parameters (pc_params_own) and is released; untouched after a failure. Nothing happens when
 * keys->experts is 0. PC_ERR_USAGE when its language model can have no experts, or has some. */
pc_status pc_sparse_make(pc_model **model, const pc_sparse_keys *keys, uint64_t seed);

#endif
