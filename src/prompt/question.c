#include "prompt/question.h"

static const pc_message *last_of_user(const pc_conversation *conversation)
{
    for (size_t m = conversation->count; m-- > 0;) {
        if (conversation->messages[m].role == PC_ROLE_USER) {
            return &conversation->messages[m];
        }
    }
    return NULL;
}

static pc_status encode(pc_ids *out, const pc_tokenizer *reader, const pc_conversation *conversation,
                        const pc_message *message, pc_str *text)
{
    for (size_t p = message->first; p < message->first + message->count; p++) {
        const pc_part *part = &conversation->parts[p];
        if (part->text) {
            PC_TRY(pc_str_add(text, part->text, part->length));
        }
    }
    return pc_tokenizer_encode(reader, text->data ? text->data : "", text->length, PC_TOKENIZE_ADD_SPECIAL, out);
}

pc_status pc_prompt_question(pc_ids *out, const pc_tokenizer *reader, const pc_conversation *conversation, size_t limit)
{
    const pc_message *message = last_of_user(conversation);
    pc_str text = {0};
    pc_ids_reset(out);
    if (!message || !limit) {
        return PC_OK;
    }
    pc_status status = encode(out, reader, conversation, message, &text);
    pc_str_clear(&text);
    if (status == PC_OK && out->count > limit) {
        out->data[limit - 1] = out->data[out->count - 1];
        out->count = limit;
    }
    return status;
}
