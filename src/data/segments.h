/* Which tokens of two answers differ: the segments that a corrected answer rewrites.
 *
 * Flow: ids of the chosen and of the rejected answer -> weights of their tokens (batch.h).
 */
#ifndef PC_DATA_SEGMENTS_H
#define PC_DATA_SEGMENTS_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

/* x_weights[x_count], y_weights[y_count] = `weight` inside segments that differ, 1 elsewhere. Segments lie between the runs
 * of at least three tokens that Ratcliff and Obershelp's matching finds in both; one that is empty in either answer (a pure
 * insertion) weighs 1. PC_ERR_MEMORY. */
pc_status pc_segments_weigh(const int32_t *x, size_t x_count, const int32_t *y, size_t y_count, float weight,
                            float *x_weights, float *y_weights);

#endif
