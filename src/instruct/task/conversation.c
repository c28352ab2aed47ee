/* Conversations that the annotations hold, as they are: InstructBLIP takes LLaVA's that way. */
#include "instruct/task.h"

static pc_status make(pc_adapting *a, const pc_known *known)
{
    for (size_t i = 0; i < known->asked_count; i++) {
        if (known->asked[i].as_is) {
            PC_TRY(pc_adapt_repeat(a, known->asked[i].question, known->asked[i].answer));
        }
    }
    return PC_OK;
}

const pc_adapt_task pc_adapt_conversation = {.name = "conversation", .help = "turns that are there already, as they are", .pools = {{NULL}}, .given = true, .make = make};
