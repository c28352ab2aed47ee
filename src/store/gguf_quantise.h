/* A GGUF file anew with its matrices in another type. */
#ifndef PC_STORE_GGUF_QUANTISE_H
#define PC_STORE_GGUF_QUANTISE_H

#include "base/dtype.h"
#include "base/status.h"

typedef struct pc_quantise_report {
    size_t tensors, changed; /* all, and those that got another type */
    uint64_t bytes_before, bytes_after; /* of the tensors */
} pc_quantise_report;

/* The type of a language model's tensor [.., row] when the wanted one is `dtype`: vectors F32, a head with few bits Q6_K,
 * rows that are no whole blocks Q8_0, or F16. head: output.weight, or token_embd.weight when it is tied. */
pc_dtype pc_gguf_type_for(pc_dtype dtype, int ndim, int64_t row, bool head);
/* The number of general.file_type as llama.cpp has them. */
uint32_t pc_gguf_file_type(pc_dtype dtype);
/* PC_ERR_USAGE unless dtype is F32, F16, BF16 or one of pc_block_quantises. */
pc_status pc_gguf_check_type(pc_dtype dtype);

/* Write the GGUF model `from` to `to` with its matrices as `dtype`: F32, F16, BF16 or one of pc_block_quantises. Vectors, and
 * the vision side, stay as they are; the head is Q6_K when dtype has fewer bits; rows that are no whole blocks become
 * Q8_0, or F16. PC_ERR_DATA names a tensor with a number that is not finite. */
pc_status pc_gguf_quantise(pc_quantise_report *out, const char *from, const char *to, pc_dtype dtype);

#endif
