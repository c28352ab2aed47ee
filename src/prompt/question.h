/* The question of a conversation as a connector with a text side reads it (InstructBLIP): by a tokenizer of its own. */
#ifndef PC_PROMPT_QUESTION_H
#define PC_PROMPT_QUESTION_H

#include "prompt/conversation.h"
#include "text/ids.h"
#include "text/tokenizer.h"

/* *out = the texts of the last user message as `reader` encodes a text by itself, [CLS] and [SEP] included; with more than
 * `limit` ids the text loses its end, not what closes it. Without such a message: no ids. */
pc_status pc_prompt_question(pc_ids *out, const pc_tokenizer *reader, const pc_conversation *conversation, size_t limit);

#endif
