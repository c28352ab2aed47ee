/* A trained model whose vocabulary changes: for a new language, or for new words of a subject.
 *
 *   model_name_or_path: weights ---+
 *   model_init: shapes, tokenizer -+-> the new model: every other tensor copied; each row of a table of the vocabulary is the
 *                                      row of the same token, or the mean over the pieces that the old tokenizer cut it into
 */
#ifndef PC_TRAIN_VOCABULARY_H
#define PC_TRAIN_VOCABULARY_H

#include "model/model.h"

/* Fill `model` (own f32 parameters, initialised) from `donor`: both need a tokenizer. A table of the vocabulary is a tensor
 * of the language model with a row for each token; rows that no token has keep their initial values.
 * PC_ERR_DATA names the first tensor that is missing in the donor or has another shape. *kept (may be NULL) = tokens that
 * both have. */
pc_status pc_vocabulary_carry_over(pc_model *model, const pc_model *donor, int64_t *kept);

#endif
