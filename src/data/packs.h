/* Packs: samples put together until they fill cutoff_len tokens, so that every micro-batch costs about the same.
 *
 * Flow: order (the draws of the first epoch) + extents -> packs -> loader, which shuffles them anew each epoch.
 * Draws are taken in windows; in each window the largest sample goes first, into the first pack that has room (first fit
 * decreasing). Samples of one pack don't see each other: packing changes what a step holds, not what a sample learns.
 */
#ifndef PC_DATA_PACKS_H
#define PC_DATA_PACKS_H

#include "data/extents.h"
#include "data/order.h"

/* Initialise with {0}; release with pc_packs_clear. */
typedef struct pc_packs {
    uint64_t *draws; /* [drawn]: members of pack 0, then those of pack 1, ... */
    int64_t *ends;   /* [count]: where the members of each pack end */
    int64_t count, drawn;
    int64_t tokens, images, targets, samples; /* the most that a pack holds */
} pc_packs;

/* order->total draws from draw 0 on; bad samples are left out. PC_ERR_DATA when none is left. */
pc_status pc_packs_make(pc_packs *out, const pc_order *order, const pc_extents *extents, int64_t cutoff);
void pc_packs_clear(pc_packs *packs);

#endif
