/* First fit decreasing in windows of the draws. Source: Johnson 1973, "Near-optimal bin packing algorithms". */
#include "data/packs.h"

#include "base/memory.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW = 1024 }; /* draws that may share a pack: large enough to fill, small enough to stay shuffled */

typedef struct item {
    uint64_t draw;
    const pc_extent *extent;
    int64_t pack; /* of the window */
} item;

typedef struct room {
    int64_t left, images, targets, samples;
} room;

typedef struct packing {
    pc_packs *out;
    item *items; /* [WINDOW] */
    room *rooms; /* [WINDOW] */
    int64_t count, packs;
    int64_t cutoff;
    size_t draw_capacity, end_capacity;
} packing;

void pc_packs_clear(pc_packs *packs)
{
    pc_free(packs->draws);
    pc_free(packs->ends);
    *packs = (pc_packs){0};
}

static int larger_first(const void *a, const void *b)
{
    const item *x = a, *y = b;
    if (x->extent->tokens != y->extent->tokens) {
        return x->extent->tokens > y->extent->tokens ? -1 : 1;
    }
    return x->draw < y->draw ? -1 : x->draw > y->draw;
}

static void place(packing *p, item *it)
{
    const pc_extent *e = it->extent;
    int64_t at = 0;
    while (at < p->packs && p->rooms[at].left < e->tokens) {
        at++;
    }
    if (at == p->packs) {
        p->rooms[p->packs++] = (room){.left = p->cutoff};
    }
    room *r = &p->rooms[at];
    r->left -= e->tokens;
    r->images += e->images;
    r->targets += e->targets;
    r->samples++;
    it->pack = at;
}

static int by_pack(const void *a, const void *b)
{
    const item *x = a, *y = b;
    if (x->pack != y->pack) {
        return x->pack < y->pack ? -1 : 1;
    }
    return x->draw < y->draw ? -1 : x->draw > y->draw;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static pc_status write_out(packing *p)
{
    pc_packs *out = p->out;
    PC_TRY(pc_grow(&out->draws, &p->draw_capacity, (size_t)(out->drawn + p->count), sizeof *out->draws, "packs of samples"));
    PC_TRY(pc_grow(&out->ends, &p->end_capacity, (size_t)(out->count + p->packs), sizeof *out->ends, "packs of samples"));
    for (int64_t i = 0; i < p->count; i++) {
        out->draws[out->drawn++] = p->items[i].draw;
        out->ends[out->count + p->items[i].pack] = out->drawn;
    }
    out->count += p->packs;
    for (int64_t i = 0; i < p->packs; i++) {
        const room *r = &p->rooms[i];
        out->tokens = larger(out->tokens, p->cutoff - r->left);
        out->images = larger(out->images, r->images);
        out->targets = larger(out->targets, r->targets);
        out->samples = larger(out->samples, r->samples);
    }
    return PC_OK;
}

static pc_status pack_window(packing *p)
{
    qsort(p->items, (size_t)p->count, sizeof *p->items, larger_first);
    p->packs = 0;
    for (int64_t i = 0; i < p->count; i++) {
        place(p, &p->items[i]);
    }
    qsort(p->items, (size_t)p->count, sizeof *p->items, by_pack);
    pc_status status = write_out(p);
    p->count = 0;
    return status;
}

static pc_status pack_all(packing *p, const pc_order *order, const pc_extents *extents)
{
    for (int64_t draw = 0; draw < order->total; draw++) {
        int dataset;
        int64_t sample;
        pc_order_at(order, (uint64_t)draw, &dataset, &sample);
        const pc_extent *extent = pc_extent_at(extents, dataset, sample);
        if (extent->tokens > 0) {
            p->items[p->count++] = (item){.draw = (uint64_t)draw, .extent = extent};
        }
        if (p->count == WINDOW) {
            PC_TRY(pack_window(p));
        }
    }
    PC_TRY(p->count > 0 ? pack_window(p) : PC_OK);
    return p->out->count > 0 ? PC_OK : pc_fail(PC_ERR_DATA, "no sample can be packed; the first one: %s", extents->reason);
}

pc_status pc_packs_make(pc_packs *out, const pc_order *order, const pc_extents *extents, int64_t cutoff)
{
    packing p = {.out = out, .cutoff = cutoff};
    pc_status status;
    *out = (pc_packs){0};
    PC_GO(PC_NEW_ARRAY(p.items, WINDOW, "packs of samples"));
    PC_GO(PC_NEW_ARRAY(p.rooms, WINDOW, "packs of samples"));
    PC_GO(pack_all(&p, order, extents));
done:
    pc_free(p.items);
    pc_free(p.rooms);
    if (status != PC_OK) {
        pc_packs_clear(out);
    }
    return status;
}
