/* The last step of a correction: the record's text by what its looks found. Both add `corrected` and fill `corrections`. */
#ifndef PC_AGENT_REWRITE_H
#define PC_AGENT_REWRITE_H

#include "base/json.h"
#include "prompt/answer.h"

pc_status pc_rewrite_by_rules(pc_json *record);
pc_status pc_rewrite_by_model(const pc_answerer *language, pc_json *record);

#endif
