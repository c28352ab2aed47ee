/* Steps of loading that import files of other formats than safetensors share with load.c. */
#ifndef PC_MODEL_LOAD_INTERNAL_H
#define PC_MODEL_LOAD_INTERNAL_H

#include "model/model.h"

/* The parameter takes an array of its shape: points at the mapped bytes where their type serves, else converts. */
pc_status pc_model_attach(pc_param_entry *entry, const pc_array *array);
/* model->chat and chat_text from the text of a chat template; an unknown one is noted in model->chat_unknown. */
pc_status pc_model_recognise_template(pc_model *model, const char *text, size_t length);
/* The picture recipe when no file has one: what the encoder's processor does by default, at the encoder's size. */
pc_status pc_model_usual_recipe(pc_model *model);

/* Beside the model: the tokenizer of its connector. */
#define PC_READER_FOLDER "qformer_tokenizer"

#endif
