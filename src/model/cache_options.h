/* How a session keeps keys and values. */
#ifndef PC_MODEL_CACHE_OPTIONS_H
#define PC_MODEL_CACHE_OPTIONS_H

#include "base/dtype.h"

/* All zero: in the type of the products. */
typedef struct pc_cache_options {
    bool typed;            /* in the types below: PC_F32, PC_BF16, PC_F16, PC_Q8_0 or PC_Q4_0 */
    pc_dtype keys, values;
} pc_cache_options;

#endif
