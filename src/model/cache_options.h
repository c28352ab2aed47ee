/* How a session keeps keys and values. */
#ifndef PC_MODEL_CACHE_OPTIONS_H
#define PC_MODEL_CACHE_OPTIONS_H

#include "base/dtype.h"

/* All zero: in the type of the products, and everything that was read.
 *
 * With a window (attention sinks; Xiao et al. 2024, arXiv:2309.17453) a token sees the first `sinks` tokens of its row and the
 * newest `window`, itself included, and stands for all of them where it would stand were nothing else there. What lies between is
 * forgotten, page by page, so that a text may go on for ever in the same memory. */
typedef struct pc_cache_options {
    bool typed;            /* in the types below: PC_F32, PC_BF16, PC_F16, PC_Q8_0 or PC_Q4_0 */
    pc_dtype keys, values;
    int64_t sinks;         /* with a window; 0 = window attention without sinks */
    int64_t window;        /* 0 = everything stays */
} pc_cache_options;

#endif
