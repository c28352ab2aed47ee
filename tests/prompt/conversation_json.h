/* Reading the conversations of tests/golden/prompt: messages as transformers takes them, content
 * one text or parts. */
#ifndef PC_TESTS_PROMPT_CONVERSATION_JSON_H
#define PC_TESTS_PROMPT_CONVERSATION_JSON_H

#include "base/json.h"
#include "prompt/conversation.h"

#include <string.h>

static inline pc_status add_part(pc_conversation *out, const pc_json *part)
{
    const char *type = pc_json_get_text(part, "type", "");
    if (strcmp(type, "text") == 0) {
        const pc_json *text = pc_json_get(part, "text");
        return pc_conversation_add_text(out, pc_json_text(text), pc_json_text_length(text));
    }
    for (int kind = 0; kind < PC_MEDIA_KINDS; kind++) {
        if (strcmp(type, pc_media_kind_name((pc_media_kind)kind)) == 0) {
            return pc_conversation_add_media(out, (pc_media_kind)kind, out->media_count[kind]);
        }
    }
    return pc_fail(PC_ERR_DATA, "part of type %s", type);
}

static inline pc_status conversation_from_json(pc_conversation *out, const pc_json *messages)
{
    for (size_t i = 0; i < pc_json_length(messages); i++) {
        const pc_json *message = pc_json_at(messages, i);
        const pc_json *content = pc_json_get(message, "content");
        pc_role role;
        PC_TRY(pc_role_parse(&role, pc_json_get_text(message, "role", "")));
        PC_TRY(pc_conversation_begin(out, role));
        if (pc_json_is_string(content)) {
            PC_TRY(pc_conversation_add_text(out, pc_json_text(content),
                                            pc_json_text_length(content)));
        }
        for (size_t k = 0; pc_json_is_array(content) && k < pc_json_length(content); k++) {
            PC_TRY(add_part(out, pc_json_at(content, k)));
        }
    }
    return PC_OK;
}

#endif
