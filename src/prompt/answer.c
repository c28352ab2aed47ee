/* Answers: the result's release and the names of the ways to end. */
#include "prompt/answer.h"

#include <string.h>

void pc_answer_clear(pc_answer *answer)
{
    pc_str_clear(&answer->text);
    pc_str_clear(&answer->steps);
    pc_free(answer->choices);
    memset(answer, 0, sizeof *answer);
}

const char *pc_answer_end_name(pc_answer_end end)
{
    static const char *const names[] = {"stop", "length", "cancelled"};
    return names[end];
}
