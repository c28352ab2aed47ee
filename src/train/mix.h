/* Shares of several datasets in an epoch.
 *
 *   weight_d = factor_d * size_d^(1/T)        share_d = weight_d / sum of the weights
 *
 * T = 1 draws each sample as often as any other; T = 2 is InstructBLIP's square root of the size (Dai et al. 2023, arXiv:2305.06500,
 * section 2.3), whose corrections by hand are the factors; a large T gives all datasets the same.
 */
#ifndef PC_TRAIN_MIX_H
#define PC_TRAIN_MIX_H

#include "base/status.h"

#include <stdint.h>

typedef enum pc_mix {
    PC_MIX_CONCAT,      /* by size; or the factors are the shares themselves */
    PC_MIX_SQRT,        /* T = 2 */
    PC_MIX_TEMPERATURE, /* T is said */
} pc_mix;

/* weights [count]: overwritten; sizes >= 0, temperature > 0, factors [count] >= 0 or NULL for 1. A dataset without samples has
 * weight 0. Not for PC_MIX_CONCAT. */
void pc_mix_weights(double *weights, const int64_t *sizes, const double *factors, int count, double temperature);

#endif
