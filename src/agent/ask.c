#include "agent/ask.h"

#include <string.h>

static void add_trimmed(pc_str *out, const char *text, size_t length, pc_status *status)
{
    while (length && strchr(" \t\r\n", text[length - 1])) {
        length--;
    }
    while (length && strchr(" \t\r\n", *text)) {
        text++;
        length--;
    }
    *status = pc_str_add(out, text, length);
}

pc_status pc_ask(const pc_answerer *who, const pc_answer_media *picture, const char *question, size_t most, pc_str *out)
{
    pc_conversation said = {0};
    pc_answer answer = {0};
    pc_status status;
    PC_GO(pc_conversation_begin(&said, PC_ROLE_USER));
    if (picture) {
        PC_GO(pc_conversation_add_media(&said, PC_MEDIA_IMAGE, 0));
    }
    PC_GO(pc_conversation_add_text(&said, question, strlen(question)));
    PC_GO(who->answer(who->self, &(pc_answer_request){.conversation = &said, .media = picture, .media_count = picture ? 1 : 0,
                                                      .max_tokens = most}, &answer));
    add_trimmed(out, answer.text.data ? answer.text.data : "", answer.text.length, &status);
done:
    pc_answer_clear(&answer);
    pc_conversation_clear(&said);
    return status;
}
