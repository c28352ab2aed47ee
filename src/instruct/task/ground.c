/* Where a thing is: its box. Only things that their name, or name and colour, tells from all others. */
#include "instruct/task.h"

static const char *const variables_known[] = {"phrase", "box", NULL};

static pc_status make(pc_adapting *a, const pc_known *known)
{
    return pc_adapting_say_boxes(a, known, "ground");
}

const pc_adapt_task pc_adapt_ground = {.name = "ground", .help = "where things are: boxes", .pools = {{"ground", variables_known}}, .make = make};
