/* Adapters in files, as PEFT lays them out: adapter_config.json and adapter_model.safetensors.
 *
 * Flow: folder -> pc_adapter_load -> pc_session_options.adapter, or training; pc_adapter_save -> a folder that PEFT opens.
 */
#ifndef PC_MODEL_ADAPTER_H
#define PC_MODEL_ADAPTER_H

#include "model/model.h"
#include "nn/adapter.h"

/* Which weights compute: those of a model, changed by an adapter, read out by a head. The same weights serve any number of
 * instances; everything is borrowed. */
typedef struct pc_instance {
    const pc_model *model;
    const pc_adapter *adapter;     /* NULL: the weights as they are */
    const pc_linear_weights *head; /* hidden state -> numbers (value, reward), or NULL */
} pc_instance;

/* An adapter of `model`, which it borrows, with values of its own in f32. PC_ERR_DATA names what doesn't fit: a tensor of
 * which the model knows no layer, shapes, kinds other than LoRA. Free with pc_adapter_free. */
pc_status pc_adapter_load(pc_adapter **out, const pc_model *model, const char *folder);
/* Copy the values of an adapter file of the same layers; PC_ERR_DATA when one is missing. */
pc_status pc_adapter_load_values(pc_adapter *adapter, const pc_model *model, const char *folder);

/* Both files; `base` names the model that it belongs to (base_model_name_or_path). The folder is made when missing. */
pc_status pc_adapter_save(const pc_adapter *adapter, const pc_model *model, const char *folder, const char *base,
                          pc_dtype dtype);
pc_status pc_adapter_save_weights(const pc_adapter *adapter, const pc_model *model, const char *folder, pc_dtype dtype);

/* A new adapter for training: attached by `choice`, initialised. */
pc_status pc_adapter_create(pc_adapter **out, const pc_model *model, const pc_lora_config *config,
                            const pc_adapter_choice *choice, uint64_t seed);

#endif
