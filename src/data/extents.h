/* How large each sample becomes, for packing and for groups of alike lengths: measured once, without decoding pictures.
 *
 * Flow: datasets + loader options -> every sample's prompt -> tokens, pictures, targets -> packs.h, groups.h.
 * 12 bytes for each sample are held in memory.
 */
#ifndef PC_DATA_EXTENTS_H
#define PC_DATA_EXTENTS_H

#include "data/loader.h"

typedef struct pc_extent {
    int32_t tokens;  /* rows behind the cutoff; 0 = a bad sample */
    int32_t images;
    int32_t targets;
} pc_extent;

/* Initialise with {0}; release with pc_extents_clear. */
typedef struct pc_extents {
    pc_extent *items; /* [count], dataset after dataset */
    int64_t *first;   /* [datasets]: where each one begins */
    int64_t count;
    int64_t bad;
    char reason[320]; /* of the first bad one that was met; empty when the sizes were read from a file */
} pc_extents;

/* Measure all samples with the options' number of workers. file (or NULL): read from there when it holds sizes of as many
 * samples, else measured and written there; its name must change with whatever changes the sizes. PC_ERR_INTERRUPTED when a
 * signal asks to stop. Samples that can't be read count as bad. */
pc_status pc_extents_measure(pc_extents *out, const pc_dataset *const *datasets, int count, const pc_loader_options *options,
                             const char *file);
void pc_extents_clear(pc_extents *extents);
const pc_extent *pc_extent_at(const pc_extents *extents, int dataset, int64_t sample);

#endif
