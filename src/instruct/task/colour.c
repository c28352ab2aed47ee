/* Colours of things, and (LRV's level 2) instructions about the thing in a wrong colour. */
#include "instruct/task.h"

#include <string.h>

static const char *const right[] = {"name", "colour", NULL}, *const wrong[] = {"name", "colour", "wrong", NULL};

/* A colour that the thing does not have, in the pools' language. */
static const char *other_colour(pc_adapting *a, const char *colour)
{
    const pc_pools *pools = pc_adapting_pools(a);
    size_t count = 0;
    for (; pc_pools_any_colour(pools, count); count++) {
    }
    size_t first = count ? (size_t)pc_rng_below(pc_adapting_rng(a), count) : 0;
    for (size_t i = 0; i < count; i++) {
        const char *other = pc_pools_any_colour(pools, (first + i) % count);
        if (strcmp(other, colour) != 0) {
            return pc_pools_colour(pools, other);
        }
    }
    return NULL;
}

static pc_status make(pc_adapting *a, const pc_known *known)
{
    const pc_pools *pools = pc_adapting_pools(a);
    size_t first = known->thing_count ? (size_t)pc_rng_below(pc_adapting_rng(a), known->thing_count) : 0;
    for (size_t i = 0; i < known->thing_count; i++) {
        const pc_thing *thing = &known->things[(first + i) % known->thing_count];
        const char *name = pc_pools_name(pools, thing->name), *colour = thing->colour ? pc_pools_colour(pools, thing->colour) : NULL;
        const char *off = colour ? other_colour(a, thing->colour) : NULL;
        if (!name || !off || !pc_adapting_unique(known, thing->name, NULL)) {
            continue;
        }
        const pc_variable variables[] = {{"name", name}, {"colour", colour}, {"wrong", off}, {0}};
        PC_TRY(pc_adapt_say(a, "colour", PC_POLARITY_POSITIVE, variables));
        PC_TRY(pc_adapt_say(a, "colour_not", PC_POLARITY_NEGATIVE, variables));
    }
    return PC_OK;
}

const pc_adapt_task pc_adapt_colour = {.name = "colour", .help = "colours of things, and wrong colours", .pools = {{"colour", right}, {"colour_not", wrong}}, .make = make};
