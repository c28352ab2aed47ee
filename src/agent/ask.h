/* One question to somebody who answers, with or without a picture. */
#ifndef PC_AGENT_ASK_H
#define PC_AGENT_ASK_H

#include "prompt/answer.h"

/* Append the answer to `question`, without blanks at its ends. picture NULL: text alone. */
pc_status pc_ask(const pc_answerer *who, const pc_answer_media *picture, const char *question, size_t most, pc_str *out);

#endif
