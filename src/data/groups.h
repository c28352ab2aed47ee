/* Groups of alike lengths: steps whose samples have about the same number of tokens.
 *
 * Draws are taken in windows of 50 steps (as transformers' LengthGroupedSampler takes them); a window's samples are sorted by
 * length, cut into steps, and these come in random order. Which draw comes n-th is a pure function of seed and n.
 */
#ifndef PC_DATA_GROUPS_H
#define PC_DATA_GROUPS_H

#include "data/extents.h"
#include "data/order.h"

/* The window that was looked at last, kept by each thread. Initialise with {0}; release with pc_groups_clear. */
typedef struct pc_groups {
    uint64_t window;
    uint64_t *draws; /* [50 * step], NULL before the first one */
} pc_groups;

/* What is drawn as the n-th, with `step` samples in a step. */
pc_status pc_groups_at(pc_groups *groups, const pc_order *order, const pc_extents *extents, int64_t step, uint64_t n,
                       uint64_t *draw);
void pc_groups_clear(pc_groups *groups);

#endif
