/* Turns of LLaVA JSON. */
#ifndef PC_INSTRUCT_LLAVA_ROW_H
#define PC_INSTRUCT_LLAVA_ROW_H

#include "base/json.h"

/* Append {"from": from, "value": before + text} to the list. */
pc_status pc_llava_add_turn(pc_json *turns, const char *from, const char *before, const char *text);

#endif
