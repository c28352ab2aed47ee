/* Ids at which an answer ends. */
#ifndef PC_DECODE_END_H
#define PC_DECODE_END_H

#include "model/model.h"
#include "text/ids.h"

/* Append those of the tokenizer, the chat template and generation_config.json (config.json without one). */
pc_status pc_end_ids(pc_ids *out, const pc_model *model, const pc_template *chat);
bool pc_is_end(const pc_ids *ends, int32_t id);

#endif
