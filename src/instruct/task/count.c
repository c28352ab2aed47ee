/* How many of a kind there are, and (LRV's level 2) instructions about a wrong number of them. Crowds are not counted. */
#include "instruct/task.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const right[] = {"name", "names", "number", "counted", NULL}, *const wrong[] = {"counted", "wrong_counted", NULL};

/* 0 when there is a crowd of them. */
static int64_t count_of(const pc_known *known, const char *name)
{
    int64_t count = 0;
    for (size_t i = 0; i < known->thing_count; i++) {
        if (strcmp(known->things[i].name, name) == 0) {
            if (known->things[i].crowd) {
                return 0;
            }
            count++;
        }
    }
    return count;
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

static pc_status say(pc_adapting *a, const char *name, const char *own, int64_t count)
{
    const char *counted, *off, *plural;
    char number[24];
    pc_str names = {0};
    snprintf(number, sizeof number, "%" PRId64, count);
    int64_t wrong_count = pc_rng_below(pc_adapting_rng(a), 2) && count > 2 ? count - 1 : count + 1; /* never 1: templates speak of several */
    PC_TRY(pc_adapting_counted(a, name, count, &counted));
    PC_TRY(pc_adapting_counted(a, name, wrong_count, &off));
    pc_status status = pc_pools_plural(pc_adapting_pools(a), &names, own);
    status = status == PC_OK ? pc_adapting_join(a, &plural, (const char *const[]){names.data, NULL}) : status;
    pc_str_clear(&names);
    PC_TRY(status);
    const pc_variable variables[] = {{"name", own},         {"names", plural},       {"number", number},
                                     {"counted", counted},  {"wrong_counted", off}, {0}};
    PC_TRY(pc_adapt_say(a, "count", PC_POLARITY_POSITIVE, variables));
    return pc_adapt_say(a, "count_not", PC_POLARITY_NEGATIVE, variables);
}

static pc_status make(pc_adapting *a, const pc_known *known)
{
    size_t first = known->thing_count ? (size_t)pc_rng_below(pc_adapting_rng(a), known->thing_count) : 0;
    for (size_t i = 0; i < known->thing_count; i++) {
        size_t at = (first + i) % known->thing_count;
        const char *name = known->things[at].name, *own = pc_pools_name(pc_adapting_pools(a), name);
        int64_t count = own && is_first_of_name(known, at) ? count_of(known, name) : 0;
        PC_TRY(count ? say(a, name, own, count) : PC_OK);
    }
    return PC_OK;
}

const pc_adapt_task pc_adapt_count = {.name = "count", .help = "numbers of things, and wrong numbers", .pools = {{"count", right}, {"count_not", wrong}}, .make = make};
