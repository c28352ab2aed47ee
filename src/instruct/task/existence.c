/* Things that are there, and (LRV's level 1) instructions about things that are not. */
#include "instruct/task.h"

#include <string.h>

static const char *const there[] = {"a_name", "name", "where", NULL}, *const absent[] = {"a_name", "name", "listing", NULL};

enum { LISTED = 3 };

/* In which ninth of the picture the middle of a box lies. */
static const char *place_of(const float box[4])
{
    static const char *const places[3][3] = {
        {"top left", "top", "top right"}, {"middle left", "middle", "middle right"}, {"bottom left", "bottom", "bottom right"}};
    int column = (int)((box[0] + box[2]) / 2 * 3), row = (int)((box[1] + box[3]) / 2 * 3);
    return places[row < 3 ? row : 2][column < 3 ? column : 2];
}

static bool is_first_of_name(const pc_known *known, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (strcmp(known->things[i].name, known->things[at].name) == 0) {
            return false;
        }
    }
    return true;
}

/* "a dog, a cat and a tree": up to LISTED different names; NULL when nothing that is there has a name. */
static pc_status list_things(pc_adapting *a, const pc_known *known, const char **text)
{
    const pc_pools *pools = pc_adapting_pools(a);
    const char *comma = pc_pools_word(pools, "comma"), *and = pc_pools_word(pools, "and"), *names[LISTED];
    size_t count = 0;
    *text = NULL;
    for (size_t i = 0; i < known->thing_count && count < LISTED; i++) {
        const char *name = is_first_of_name(known, i) ? pc_pools_name(pools, known->things[i].name) : NULL;
        PC_TRY(name ? pc_adapting_with_article(a, name, &names[count]) : PC_OK);
        count += name != NULL;
    }
    for (size_t i = 0; i < count; i++) {
        const char *between = i == 0 ? "" : i + 1 == count ? (and ? and : ", ") : comma ? comma : ", ";
        PC_TRY(pc_adapting_join(a, text, (const char *const[]){*text ? *text : "", between, names[i], NULL}));
    }
    return PC_OK;
}

static pc_status say_there(pc_adapting *a, const pc_known *known)
{
    const pc_pools *pools = pc_adapting_pools(a);
    size_t first = (size_t)pc_rng_below(pc_adapting_rng(a), known->thing_count);
    for (size_t i = 0; i < known->thing_count; i++) {
        const pc_thing *thing = &known->things[(first + i) % known->thing_count];
        const char *name = pc_pools_name(pools, thing->name), *where = pc_pools_word(pools, place_of(thing->box)), *with_article;
        if (!name || !where || !pc_adapting_unique(known, thing->name, NULL)) {
            continue;
        }
        PC_TRY(pc_adapting_with_article(a, name, &with_article));
        const pc_variable variables[] = {{"name", name}, {"a_name", with_article}, {"where", where}, {0}};
        PC_TRY(pc_adapt_say(a, "existence", PC_POLARITY_POSITIVE, variables));
    }
    return PC_OK;
}

static pc_status say_absent(pc_adapting *a, const pc_known *known)
{
    const char *listing;
    PC_TRY(list_things(a, known, &listing));
    for (size_t i = 0; i < pc_adapting_most(a) && listing; i++) {
        const char *class = pc_adapting_absent(a, known), *name = class ? pc_pools_name(pc_adapting_pools(a), class) : NULL, *with_article;
        if (!name) {
            return PC_OK;
        }
        PC_TRY(pc_adapting_with_article(a, name, &with_article));
        const pc_variable variables[] = {{"name", name}, {"a_name", with_article}, {"listing", listing}, {0}};
        PC_TRY(pc_adapt_say(a, "existence_not", PC_POLARITY_NEGATIVE, variables));
    }
    return PC_OK;
}

static pc_status make(pc_adapting *a, const pc_known *known)
{
    if (!known->thing_count) {
        return PC_OK;
    }
    PC_TRY(say_there(a, known));
    return say_absent(a, known);
}

const pc_adapt_task pc_adapt_existence = {.name = "existence", .help = "things that are there, and things that are not", .pools = {{"existence", there}, {"existence_not", absent}}, .make = make};
