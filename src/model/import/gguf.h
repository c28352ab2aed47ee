/* What the files that read and write GGUF models share. */
#ifndef PC_MODEL_IMPORT_GGUF_H
#define PC_MODEL_IMPORT_GGUF_H

#include "model/model.h"
#include "store/gguf.h"
#include "text/tokenizer.h"

/* The tokenizer that the keys tokenizer.ggml.* describe; *out NULL when there are none. */
pc_status pc_gguf_tokenizer(pc_tokenizer **out, const pc_gguf *gguf);

/* model->config from the keys of the language model, as a config.json has them; *architecture = "llama" or "qwen2". */
pc_status pc_gguf_llm_config(pc_model *model, const pc_gguf *gguf, const char **architecture);
/* The same for the vision side: vision_config and the mm_* keys of LLaVA's own layout are added. */
pc_status pc_gguf_vision_config(pc_model *model, const pc_gguf *gguf);

/* Names of tensors for names of parameters behind the prefix of their part; false when there is none. `swapped`: the two
 * layers of a tower's MLP have each other's names. */
bool pc_gguf_llm_name(const char *name, char *out, size_t size);
bool pc_gguf_tower_name(const char *name, bool swapped, char *out, size_t size);

#endif
