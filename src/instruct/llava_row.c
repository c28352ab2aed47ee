#include "instruct/llava_row.h"

pc_status pc_llava_add_turn(pc_json *turns, const char *from, const char *before, const char *text)
{
    pc_json *turn = pc_json_new_object();
    pc_str value = {0};
    pc_status status;
    PC_GO(pc_str_printf(&value, "%s%s", before, text));
    PC_GO(pc_json_set(turn, "from", pc_json_new_text(from)));
    PC_GO(pc_json_set(turn, "value", pc_json_new_text_n(value.data, value.length)));
    pc_json *given = turn;
    turn = NULL;
    status = pc_json_push(turns, given);
done:
    pc_json_free(turn);
    pc_str_clear(&value);
    return status;
}
