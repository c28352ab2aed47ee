/* What stages with a language model share: the rows that predict an answer's tokens. */
#ifndef PC_TRAIN_STAGE_LANGUAGE_H
#define PC_TRAIN_STAGE_LANGUAGE_H

#include "train/stage.h"

pc_status pc_stage_check_language(const pc_model *model);
/* The inputs of pc_stage_hidden but for pictures; and those of targets, which pc_stage_logits needs besides. */
void pc_stage_reading_inputs(const pc_build *build, const pc_stage_setting *setting, pc_stage_inputs *in);
void pc_stage_target_inputs(const pc_build *build, const pc_stage_setting *setting, pc_stage_inputs *in);
/* Soft tokens [S,D'] of the setting's model and the inputs for them; NULL when there are no pictures. */
pc_tensor *pc_stage_soft_tokens(const pc_build *build, const pc_stage_setting *setting, pc_stage_inputs *in);
/* Hidden states [R,D'] of the rows i32 [R], made without what only the last layer's other rows would need; NULL = [T,D'] of
 * all rows. soft may be NULL. */
pc_tensor *pc_stage_hidden(const pc_build *build, const pc_model *model, const pc_stage_inputs *in, pc_tensor *soft,
                           pc_tensor *rows);
/* Logits [R,V] of the rows that predict a target. soft may be NULL. */
pc_tensor *pc_stage_logits(const pc_build *build, const pc_model *model, const pc_stage_inputs *in, pc_tensor *soft);

/* -log p [R] of the targets under the setting's reference, without gradients. soft: the model's own, reused where it must be
 * the reference's. */
pc_tensor *pc_stage_reference_losses(const pc_build *build, const pc_stage_setting *setting, const pc_stage_inputs *in,
                                     pc_tensor *soft);

#endif
