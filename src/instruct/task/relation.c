/* Where two things stand to each other, and (LRV's level 2) instructions about the opposite. A pair counts when the middles are apart by a
 * fifth of the picture in one direction and by less than half as much in the other. */
#include "instruct/task.h"

#include <math.h>

static const char *const right[] = {"a", "b", "relation", NULL}, *const wrong[] = {"a", "b", "relation", "wrong", NULL};

static const float APART = 0.2f;

static void middle(const pc_thing *thing, float out[2])
{
    out[0] = (thing->box[0] + thing->box[2]) / 2;
    out[1] = (thing->box[1] + thing->box[3]) / 2;
}

/* Where a is, seen from b; false when it is not clear. */
static bool relate(const pc_thing *a, const pc_thing *b, const char **relation, const char **opposite)
{
    float at[2], from[2];
    middle(a, at);
    middle(b, from);
    float x = at[0] - from[0], y = at[1] - from[1];
    bool flat = fabsf(x) >= APART && fabsf(y) < fabsf(x) / 2, steep = fabsf(y) >= APART && fabsf(x) < fabsf(y) / 2;
    *relation = flat ? (x < 0 ? "left" : "right") : y < 0 ? "above" : "below";
    *opposite = flat ? (x < 0 ? "right" : "left") : y < 0 ? "below" : "above";
    return flat || steep;
}

static pc_status say(pc_adapting *a, const pc_known *known, size_t one, size_t two)
{
    const pc_pools *pools = pc_adapting_pools(a);
    const char *relation, *opposite, *first, *second;
    if (!relate(&known->things[one], &known->things[two], &relation, &opposite)) {
        return PC_OK;
    }
    PC_TRY(pc_adapting_phrase(a, known, one, &first));
    PC_TRY(pc_adapting_phrase(a, known, two, &second));
    relation = pc_pools_word(pools, relation);
    opposite = pc_pools_word(pools, opposite);
    if (!first || !second || !relation || !opposite) {
        return PC_OK;
    }
    const pc_variable variables[] = {{"a", first}, {"b", second}, {"relation", relation}, {"wrong", opposite}, {0}};
    PC_TRY(pc_adapt_say(a, "relation", PC_POLARITY_POSITIVE, variables));
    return pc_adapt_say(a, "relation_not", PC_POLARITY_NEGATIVE, variables);
}

/* Every thing with one drawn other, so that the number of pairs grows with the things, not with their square. */
static pc_status make(pc_adapting *a, const pc_known *known)
{
    size_t count = known->thing_count, first = count ? (size_t)pc_rng_below(pc_adapting_rng(a), count) : 0;
    for (size_t i = 0; i < count && count > 1; i++) {
        size_t one = (first + i) % count, two = (size_t)pc_rng_below(pc_adapting_rng(a), count - 1);
        PC_TRY(say(a, known, one, two + (two >= one)));
    }
    return PC_OK;
}

const pc_adapt_task pc_adapt_relation = {.name = "relation", .help = "how two things stand to each other, and the opposite", .pools = {{"relation", right}, {"relation_not", wrong}}, .make = make};
