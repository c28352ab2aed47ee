/* Records as they stand in the files -> what is known. Internal to facts. */
#ifndef PC_INSTRUCT_FACTS_INTERNAL_H
#define PC_INSTRUCT_FACTS_INTERNAL_H

#include "instruct/facts.h"

/* The name of a row's picture, or NULL. */
const char *pc_facts_image_of(const pc_json *row);
/* Add what a row holds; the row stays the caller's and must outlive *out. */
pc_status pc_facts_take_row(pc_known *out, const pc_json *row);
/* A thing of this name with the box of `node`; name NULL = as the node calls it. Nothing is added when there is none. */
pc_status pc_facts_take_thing(pc_known *out, const pc_json *node, const char *name);
pc_status pc_facts_take_caption(pc_known *out, const char *text);
/* An answer to a question, in VQA v2's spelling or a plain one. */
pc_status pc_facts_take_answer(pc_known *out, const char *question, const pc_json *node);

#endif
