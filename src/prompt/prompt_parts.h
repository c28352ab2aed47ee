/* What makers of prompts share. Internal to prompt/. */
#ifndef PC_PROMPT_PROMPT_PARTS_H
#define PC_PROMPT_PROMPT_PARTS_H

#include "prompt/prompt.h"

void pc_prompt_empty(pc_prompt *prompt); /* its memory stays */
pc_status pc_prompt_push_slot(pc_prompt *out, pc_media_kind kind, int index, size_t first, size_t count);
/* *count = tokens of a medium, at least 1. PC_ERR_DATA for a kind that the model does not take. */
pc_status pc_prompt_slot_tokens(const pc_prompt_options *options, pc_media_kind kind, int index, size_t *count);

#endif
