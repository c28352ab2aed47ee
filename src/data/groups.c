#include "data/groups.h"

#include "base/memory.h"
#include "base/rng.h"

#include <stdlib.h>

enum { STEPS = 50 };
static const uint64_t GROUP_STREAM = UINT64_C(3) << 61;

typedef struct sized {
    uint64_t draw;
    int32_t tokens;
} sized;

void pc_groups_clear(pc_groups *groups)
{
    pc_free(groups->draws);
    *groups = (pc_groups){0};
}

static int longer_first(const void *a, const void *b)
{
    const sized *x = a, *y = b;
    if (x->tokens != y->tokens) {
        return x->tokens > y->tokens ? -1 : 1;
    }
    return x->draw < y->draw ? -1 : x->draw > y->draw;
}

static pc_status make_window(pc_groups *groups, const pc_order *order, const pc_extents *extents, int64_t step,
                             uint64_t window)
{
    size_t size = (size_t)step * STEPS;
    sized *all = NULL;
    PC_TRY(PC_NEW_ARRAY(all, size, "groups of lengths"));
    if (!groups->draws && PC_NEW_ARRAY(groups->draws, size, "groups of lengths") != PC_OK) {
        pc_free(all);
        return PC_ERR_MEMORY;
    }
    for (size_t i = 0; i < size; i++) {
        int dataset;
        int64_t sample;
        all[i].draw = window * size + i;
        pc_order_at(order, all[i].draw, &dataset, &sample);
        all[i].tokens = pc_extent_at(extents, dataset, sample)->tokens;
    }
    qsort(all, size, sizeof *all, longer_first);
    for (size_t i = 0; i < size; i++) {
        uint64_t from = pc_rng_permute(order->seed, GROUP_STREAM + window, STEPS, i / (size_t)step);
        groups->draws[i] = all[from * (uint64_t)step + i % (size_t)step].draw;
    }
    groups->window = window;
    pc_free(all);
    return PC_OK;
}

pc_status pc_groups_at(pc_groups *groups, const pc_order *order, const pc_extents *extents, int64_t step, uint64_t n,
                       uint64_t *draw)
{
    uint64_t size = (uint64_t)step * STEPS, window = n / size;
    if (!groups->draws || groups->window != window) {
        PC_TRY(make_window(groups, order, extents, step, window));
    }
    *draw = groups->draws[n % size];
    return PC_OK;
}
