/* Dense labels: which words each soft token of a picture predicts. Internal to data/.
 *
 *   region's box in the picture -> where it lies behind shift and recipe -> tokens of the g x g grid on it -> word ids
 *
 * A token lies on a region when the middle of its patch does (later regions cover earlier ones), or when the region's
 * middle lies in its patch, which comes first: so a region smaller than a patch has a token, too.
 */
#ifndef PC_DATA_REGIONS_H
#define PC_DATA_REGIONS_H

#include "data/loader.h"

/* Initialise with {0}; release with pc_region_labels_clear. */
typedef struct pc_region_labels {
    struct pc_region_words {
        int32_t ids[PC_REGION_IDS]; /* the words of every token of the region, then those of its middle alone */
        int shared, all;            /* how many ids the region's tokens say, and its middle */
    } *words;                       /* [regions] */
    int *owner;                     /* [Q] region of a token, -1 = none */
    int *middle;                    /* [Q] region whose middle lies in the token, -1 = none */
    size_t words_capacity, owner_capacity, middle_capacity;
    pc_ids ids, other;               /* scratch */
} pc_region_labels;

void pc_region_labels_clear(pc_region_labels *labels);
/* Side g of the grid of Q = g * g soft tokens; 0 when Q is no square. */
int64_t pc_region_grid(int64_t tokens);
/* Fill words, owner and middle for picture `image` of the sample, moved by dx, dy of its own pixels. */
pc_status pc_region_label(pc_region_labels *labels, const pc_loader_options *options, const pc_sample *sample,
                          int image, int dx, int dy);

#endif
