/* Which sample is drawn n-th. */
#include "data/order.h"

#include "base/memory.h"
#include "base/rng.h"

#include <math.h>

/* Streams of random numbers: epochs count from 0, passes over dataset d from (d + 1) << 32, replacements apart. */
enum { PART_SHIFT = 32 };
static const uint64_t INSTEAD = UINT64_C(1) << 63;

static pc_status check_weights(const int64_t *sizes, const double *weights, int count, double *sum)
{
    *sum = 0;
    for (int i = 0; i < count; i++) {
        if (!(weights[i] >= 0) || !isfinite(weights[i])) {
            return pc_fail(PC_ERR_USAGE, "share %d of the datasets is %g; shares are numbers from 0 on", i + 1,
                           weights[i]);
        }
        if (weights[i] > 0 && sizes[i] == 0) {
            return pc_fail(PC_ERR_DATA, "dataset %d has a share but no samples", i + 1);
        }
        *sum += weights[i];
    }
    return *sum > 0 && isfinite(*sum) ? PC_OK : pc_fail(PC_ERR_USAGE, "all shares of the datasets are 0");
}

/* Round the running sum, so that the shares add up to the total. */
static void share_out(pc_order *order, const double *weights, double sum)
{
    double running = 0;
    int64_t given = 0;
    for (int i = 0; i < order->count; i++) {
        running += weights[i];
        int64_t until = weights[i] > 0 ? (int64_t)llround(running / sum * (double)order->total) : given;
        until = until > order->total ? order->total : until;
        order->parts[i].share = until - given;
        given = until;
    }
}

static pc_status fill(pc_order *order, const int64_t *sizes, const double *weights)
{
    double sum;
    for (int i = 0; i < order->count; i++) {
        order->parts[i].size = order->parts[i].share = sizes[i];
        if (__builtin_add_overflow(order->total, sizes[i], &order->total)) {
            return pc_fail(PC_ERR_DATA, "the datasets have too many samples");
        }
    }
    if (order->total == 0) {
        return pc_fail(PC_ERR_DATA, "the datasets have no samples");
    }
    if (weights) {
        PC_TRY(check_weights(sizes, weights, order->count, &sum));
        share_out(order, weights, sum);
    }
    for (int i = 1; i < order->count; i++) {
        order->parts[i].first = order->parts[i - 1].first + order->parts[i - 1].share;
    }
    return PC_OK;
}

pc_status pc_order_init(pc_order *order, const int64_t *sizes, const double *weights, int count, uint64_t seed)
{
    *order = (pc_order){.count = count, .seed = seed};
    PC_TRY(PC_NEW_ARRAY(order->parts, (size_t)count, "the order of the samples"));
    pc_status status = fill(order, sizes, weights);
    if (status != PC_OK) {
        pc_order_clear(order);
    }
    return status;
}

void pc_order_clear(pc_order *order)
{
    pc_free(order->parts);
    *order = (pc_order){0};
}

/* The sample at a place of an epoch. */
static void at_place(const pc_order *order, uint64_t epoch, int64_t place, int *dataset, int64_t *sample)
{
    int d = 0;
    while (place >= order->parts[d].first + order->parts[d].share) {
        d++;
    }
    const pc_order_part *part = &order->parts[d];
    uint64_t size = (uint64_t)part->size;
    uint64_t own = epoch * (uint64_t)part->share + (uint64_t)(place - part->first);
    uint64_t stream = ((uint64_t)(d + 1) << PART_SHIFT) + own / size;
    *dataset = d;
    *sample = (int64_t)pc_rng_permute(order->seed, stream, size, own % size);
}

void pc_order_at(const pc_order *order, uint64_t draw, int *dataset, int64_t *sample)
{
    uint64_t total = (uint64_t)order->total;
    uint64_t epoch = draw / total;
    uint64_t place = pc_rng_permute(order->seed, epoch, total, draw % total);
    at_place(order, epoch, (int64_t)place, dataset, sample);
}

void pc_order_instead(const pc_order *order, uint64_t draw, int attempt, int *dataset, int64_t *sample)
{
    pc_rng rng;
    pc_rng_init(&rng, order->seed, INSTEAD + draw);
    uint64_t place = 0;
    for (int i = 0; i <= attempt; i++) {
        place = pc_rng_below(&rng, (uint64_t)order->total);
    }
    at_place(order, draw / (uint64_t)order->total, (int64_t)place, dataset, sample);
}
