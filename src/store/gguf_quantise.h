/* A GGUF file anew with its matrices in another type. */
#ifndef PC_STORE_GGUF_QUANTISE_H
#define PC_STORE_GGUF_QUANTISE_H

#include "base/dtype.h"
#include "base/status.h"

typedef struct pc_quantise_report {
    size_t tensors, changed; /* all, and those that got another type */
    uint64_t bytes_before, bytes_after; /* of the tensors */
} pc_quantise_report;

/* Write the GGUF model `from` to `to` with its matrices as `dtype`: F32, F16, BF16 or one of pc_block_quantises. Vectors, and
 * the vision side, stay as they are; the head is Q6_K when dtype has fewer bits; rows that are no whole blocks become
 * Q8_0, or F16. PC_ERR_DATA names a tensor with a number that is not finite. */
pc_status pc_gguf_quantise(pc_quantise_report *out, const char *from, const char *to, pc_dtype dtype);

#endif
