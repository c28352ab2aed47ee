/* What the files that read and write GGUF models share. */
#ifndef PC_MODEL_IMPORT_GGUF_H
#define PC_MODEL_IMPORT_GGUF_H

#include "model/model.h"
#include "store/gguf_write.h"
#include "text/tokenizer.h"

/* The tokenizer that the keys tokenizer.ggml.* describe; *out NULL when there are none. */
pc_status pc_gguf_tokenizer(pc_tokenizer **out, const pc_gguf *gguf);

/* model->config from the keys of the language model, as a config.json has them; *architecture = "llama" or "qwen2". */
pc_status pc_gguf_llm_config(pc_model *model, const pc_gguf *gguf, const char **architecture);
/* The same for the vision side: a config of LlavaForConditionalGeneration, or of LlavaNextForConditionalGeneration, when
 * `placeholder` is the id of a token for pictures; else (-1) vision_config and the mm_* keys of LLaVA's own layout are added. */
pc_status pc_gguf_vision_config(pc_model *model, const pc_gguf *gguf, int64_t placeholder);

/* The name of the tensor that holds a parameter; false when there is none. *vision: it is in the file of the vision side.
 * swapped: the two layers of a tower's MLP have each other's names. */
bool pc_gguf_name(const pc_model *model, const char *name, bool swapped, bool *vision, char *out, size_t size);

/* The keys of what is written; PC_ERR_DATA says what they can't tell. blocks: layers of the tower that are in the file. */
pc_status pc_gguf_put_llm_keys(pc_gguf_writer *writer, const pc_model *model, const char *path);
pc_status pc_gguf_put_vision_keys(pc_gguf_writer *writer, const pc_model *model, int64_t blocks);

#endif
