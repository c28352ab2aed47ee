/* Where a thing is: its box. Only things that their name, or name and colour, tells from all others. */
#include "instruct/task.h"

static const char *const variables_known[] = {"phrase", "box", NULL};

static pc_status make(pc_adapting *a, const pc_known *known)
{
    size_t first = known->thing_count ? (size_t)pc_rng_below(pc_adapting_rng(a), known->thing_count) : 0;
    for (size_t i = 0; i < known->thing_count; i++) {
        size_t at = (first + i) % known->thing_count;
        const char *phrase, *box;
        PC_TRY(pc_adapting_phrase(a, known, at, &phrase));
        PC_TRY(pc_adapting_box(a, known, known->things[at].box, &box));
        if (phrase && box) {
            PC_TRY(pc_adapt_say(a, "ground", PC_POLARITY_NONE, (const pc_variable[]){{"phrase", phrase}, {"box", box}, {0}}));
        }
    }
    return PC_OK;
}

const pc_adapt_task pc_adapt_ground = {.name = "ground", .help = "where things are: boxes", .pools = {{"ground", variables_known}}, .make = make};
