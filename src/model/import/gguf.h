/* What the files that read GGUF models share. */
#ifndef PC_MODEL_IMPORT_GGUF_H
#define PC_MODEL_IMPORT_GGUF_H

#include "store/gguf.h"
#include "text/tokenizer.h"

/* The tokenizer that the keys tokenizer.ggml.* describe; *out NULL when there are none. */
pc_status pc_gguf_tokenizer(pc_tokenizer **out, const pc_gguf *gguf);

#endif
