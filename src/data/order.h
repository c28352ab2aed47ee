/* The order of samples: which sample of which dataset is drawn n-th. A pure function of seed and n.
 *
 * An epoch has N draws, as many as all datasets have samples. Dataset d holds share_d of them (its size, or by weight);
 * draw n of epoch e is place permute(n mod N), and a place in the range of d is the next of d's own draws, which go
 * through d in a permutation of its own for each pass.
 */
#ifndef PC_DATA_ORDER_H
#define PC_DATA_ORDER_H

#include "base/status.h"

#include <stdint.h>

typedef struct pc_order_part {
    int64_t size;  /* samples of the dataset */
    int64_t first; /* its places in an epoch are first .. first + share - 1 */
    int64_t share;
} pc_order_part;

/* Initialise with {0}; release with pc_order_clear. */
typedef struct pc_order {
    pc_order_part *parts;
    int count;
    int64_t total; /* N */
    uint64_t seed;
} pc_order;

/* weights NULL = by size. PC_ERR_USAGE for weights that are negative, not finite, or zero for all datasets that have
 * samples; PC_ERR_DATA when there is no sample at all. */
pc_status pc_order_init(pc_order *order, const int64_t *sizes, const double *weights, int count, uint64_t seed);
void pc_order_clear(pc_order *order);
/* Draw n >= 0. */
void pc_order_at(const pc_order *order, uint64_t draw, int *dataset, int64_t *sample);
/* What takes the place of draw n when its sample is bad, at the attempt-th try (from 0). */
void pc_order_instead(const pc_order *order, uint64_t draw, int attempt, int *dataset, int64_t *sample);

#endif
