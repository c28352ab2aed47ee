#include "decode/think.h"

#include <string.h>

/* Append a copy. */
static pc_status add_messages(pc_conversation *to, const pc_conversation *from)
{
    for (size_t i = 0; i < from->count; i++) {
        const pc_message *message = &from->messages[i];
        PC_TRY(pc_conversation_begin(to, message->role));
        for (size_t p = message->first; p < message->first + message->count; p++) {
            const pc_part *part = &from->parts[p];
            PC_TRY(part->text ? pc_conversation_add_text(to, part->text, part->length)
                              : pc_conversation_add_media(to, part->kind, part->index));
        }
    }
    return PC_OK;
}

static pc_status ask_for_steps(const pc_think *self, const pc_answer_request *request, pc_conversation *said, pc_answer *steps)
{
    pc_answer_request first = *request;
    PC_TRY(add_messages(said, request->conversation));
    PC_TRY(pc_conversation_add_text(said, "\n", 1));
    PC_TRY(pc_conversation_add_text(said, self->trigger, strlen(self->trigger)));
    first.conversation = said;
    first.choices = NULL;
    first.on_text = NULL;
    return self->inner->answer(self->inner->self, &first, steps);
}

static pc_status ask_for_answer(const pc_think *self, const pc_answer_request *request, pc_conversation *said, pc_answer *steps,
                                pc_answer *out)
{
    pc_answer_request second = *request;
    PC_TRY(pc_conversation_say(said, PC_ROLE_ASSISTANT, steps->text.data ? steps->text.data : ""));
    PC_TRY(pc_conversation_say(said, PC_ROLE_USER, self->conclude ? self->conclude : PC_THINK_CONCLUDE));
    second.conversation = said;
    PC_TRY(self->inner->answer(self->inner->self, &second, out));
    out->prompt_tokens += steps->prompt_tokens;
    out->media_tokens += steps->media_tokens;
    out->completion_tokens += steps->completion_tokens;
    out->steps = steps->text;
    steps->text = (pc_str){0};
    return PC_OK;
}

static pc_status answer(void *any, const pc_answer_request *request, pc_answer *out)
{
    const pc_think *self = any;
    pc_conversation said = {0};
    pc_answer steps = {0};
    pc_status status;
    pc_answer_clear(out);
    PC_GO(ask_for_steps(self, request, &said, &steps));
    if (steps.end == PC_ANSWER_CANCELLED) {
        out->end = steps.end;
        goto done;
    }
    PC_GO(ask_for_answer(self, request, &said, &steps, out));
done:
    pc_conversation_clear(&said);
    pc_answer_clear(&steps);
    return status;
}

pc_answerer pc_think_answerer(pc_think *think)
{
    return (pc_answerer){.self = think, .name = think->inner->name, .answer = answer, .parallel = think->inner->parallel};
}
