#include "decode/end.h"

pc_status pc_end_ids(pc_ids *out, const pc_model *model, const pc_template *chat)
{
    const pc_json *source = model->generation ? model->generation : model->config;
    const pc_json *eos = pc_json_get(source, "eos_token_id");
    PC_TRY(pc_prompt_stop_ids(model->tokenizer, chat, out));
    if (pc_json_is_integer(eos)) {
        PC_TRY(pc_ids_push(out, (int32_t)pc_json_integer(eos, -1)));
    }
    for (size_t i = 0; i < pc_json_length(eos); i++) {
        PC_TRY(pc_ids_push(out, (int32_t)pc_json_integer(pc_json_at(eos, i), -1)));
    }
    /* Who continues raw text and begins another document has ended this one (llama2.c stops there, too). */
    return chat->invite ? PC_OK : pc_ids_push(out, pc_tokenizer_special(model->tokenizer, PC_TOKEN_BOS));
}

bool pc_is_end(const pc_ids *ends, int32_t id)
{
    for (size_t i = 0; i < ends->count; i++) {
        if (ends->data[i] == id) {
            return true;
        }
    }
    return false;
}
