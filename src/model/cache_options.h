/* How a session keeps keys and values. */
#ifndef PC_MODEL_CACHE_OPTIONS_H
#define PC_MODEL_CACHE_OPTIONS_H

#include "base/dtype.h"
#include "base/status.h"

/* All zero: in the type of the products, and everything that was read.
 *
 * With a window (attention sinks; Xiao et al. 2024, arXiv:2309.17453) a token sees the first `sinks` tokens of its row and the
 * newest `window`, itself included, and stands for all of them where it would stand were nothing else there. What lies between is
 * forgotten, page by page, so that a text may go on for ever in the same memory. */
typedef struct pc_cache_options {
    bool typed;            /* in the types below: PC_F32, PC_BF16, PC_F16, PC_Q8_0 or PC_Q4_0 */
    pc_dtype keys, values;
    bool spread;           /* keys (and queries) go through a Hadamard matrix first, so that no number of a head stands out */
    int64_t sinks;         /* with a window; 0 = window attention without sinks */
    int64_t window;        /* 0 = everything stays */
} pc_cache_options;

enum { PC_CACHE_SINKS = 4 }; /* as a rule: Xiao et al. 2024, section 3.2 */

/* *out = the type of this name, as llama.cpp spells it: f32, f16, bf16, q8_0 or q4_0; NULL: `usual`. PC_ERR_USAGE for others, with
 * `option` in the message. */
pc_status pc_cache_type_read(pc_dtype *out, const char *option, const char *name, pc_dtype usual);

#endif
