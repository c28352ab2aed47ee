/* What is at a box. */
#include "instruct/task.h"

static const char *const variables_known[] = {"phrase", "box", NULL};

static pc_status make(pc_adapting *a, const pc_known *known)
{
    return pc_adapting_say_boxes(a, known, "refer");
}

const pc_adapt_task pc_adapt_refer = {.name = "refer", .help = "what is at a box", .pools = {{"refer", variables_known}}, .make = make};
