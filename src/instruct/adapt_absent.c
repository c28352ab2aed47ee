/* Which thing that is not there to ask for: POPE's three samplings (Li et al. 2023, arXiv:2305.10355). eval/pope.h asks for three at once,
 * of pictures with three things at least; here any picture will do. */
#include "instruct/adapt_internal.h"

#include <string.h>

enum { CLASSES_MAX = 4096 /* 64 MiB of pairs */, SAMPLINGS = 3 };

/* Numbers of the picture's classes in `held`. */
static void mark_held(pc_classes *c, const pc_known *known)
{
    memset(c->held, 0, c->count * sizeof *c->held);
    for (size_t i = 0; i < known->thing_count; i++) {
        int id = pc_word_ids_find(c->names, known->things[i].name, strlen(known->things[i].name));
        if (id >= 0) {
            c->held[id] = true;
        }
    }
}

/* First pass: names alone. Classes that the language has no word for are never asked for. */
pc_status pc_classes_count(pc_classes *c, const pc_known *known, const pc_pools *pools)
{
    PC_TRY(c->names ? PC_OK : pc_word_ids_new(&c->names));
    for (size_t i = 0; i < known->thing_count; i++) {
        int id;
        const char *name = known->things[i].name;
        if (pc_pools_name(pools, name)) {
            PC_TRY(pc_word_ids_add(c->names, name, strlen(name), &id));
        }
    }
    return pc_word_ids_count(c->names) <= CLASSES_MAX
               ? PC_OK
               : pc_fail(PC_ERR_DATA, "more than %d different names of things: task existence asks for classes", CLASSES_MAX);
}

pc_status pc_classes_finish(pc_classes *c)
{
    c->count = c->names ? pc_word_ids_count(c->names) : 0;
    PC_TRY(PC_NEW_ARRAY(c->pictures, c->count, "classes"));
    PC_TRY(PC_NEW_ARRAY(c->together, c->count * c->count, "pairs of classes"));
    PC_TRY(PC_NEW_ARRAY(c->held, c->count, "classes"));
    return PC_NEW_ARRAY(c->asked, c->count, "classes");
}

void pc_classes_clear(pc_classes *c)
{
    pc_word_ids_free(c->names);
    pc_free(c->pictures);
    pc_free(c->together);
    pc_free(c->held);
    pc_free(c->asked);
    *c = (pc_classes){0};
}

/* Second pass. */
void pc_classes_note(pc_classes *c, const pc_known *known)
{
    mark_held(c, known);
    for (size_t a = 0; a < c->count; a++) {
        c->pictures[a] += c->held[a];
        for (size_t b = 0; c->held[a] && b < c->count; b++) {
            c->together[a * c->count + b] += c->held[b];
        }
    }
}

static bool is_absent(const pc_classes *c, size_t i)
{
    return !c->held[i] && !c->asked[i];
}

static size_t draw_absent(const pc_classes *c, pc_rng *rng)
{
    size_t absent = 0;
    for (size_t i = 0; i < c->count; i++) {
        absent += is_absent(c, i);
    }
    size_t wanted = absent ? (size_t)pc_rng_below(rng, absent) : 0;
    for (size_t i = 0; i < c->count; i++) {
        if (is_absent(c, i) && wanted-- == 0) {
            return i;
        }
    }
    return c->count;
}

/* The absent class with the largest weight, the first of several; weights [classes]. */
static size_t largest(const pc_classes *c, int sampling, size_t present)
{
    size_t best = c->count;
    int64_t most = 0;
    for (size_t i = 0; i < c->count; i++) {
        int64_t weight = sampling == 1 ? c->pictures[i] : c->together[present * c->count + i];
        if (is_absent(c, i) && weight > most) {
            best = i;
            most = weight;
        }
    }
    return best;
}

const char *pc_adapting_absent(pc_adapting *a, const pc_known *known)
{
    pc_classes *c = &a->classes;
    int sampling = a->sampling++ % SAMPLINGS;
    size_t found = c->count, present = c->count;
    if (!c->count) {
        return NULL;
    }
    mark_held(c, known);
    if (known->thing_count) {
        const char *name = known->things[pc_rng_below(&a->rng, known->thing_count)].name;
        int id = pc_word_ids_find(c->names, name, strlen(name));
        present = id >= 0 ? (size_t)id : c->count;
    }
    if (sampling == 1 || (sampling == 2 && present < c->count)) {
        found = largest(c, sampling, present);
    }
    found = found < c->count ? found : draw_absent(c, &a->rng);
    if (found == c->count) {
        return NULL;
    }
    c->asked[found] = true;
    return pc_word_ids_text(c->names, (int)found);
}
