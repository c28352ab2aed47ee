/* SmolVLM's layout: no blank between "User:" and a picture that opens the message.
 *
 *   <|im_start|>User:<image>{question}<end_of_utterance>\n
 *   Assistant: {answer}<end_of_utterance>\n
 *
 * Source: the chat_template of SmolVLM-Instruct and SmolVLM2; transformers models/smolvlm (processing_smolvlm.py).
 */
#include "prompt/template.h"
#include "prompt/template/jinja_content.h"

static const char *const stop_tokens[] = {"<end_of_utterance>", "<|im_end|>", NULL};

/* With and without videos; transformers' own for videos, which takes plain strings. */
static const char *const known[] = {"5c73b2dd1c3f4c29a5bb41c064067ab2", "24cd8061caab1286a9a5019262588b96",
                                    "1aed7001b9b1b09d21b1d563500490c9", NULL};

static void begin(pc_segments *segments, const pc_template *self, const pc_conversation *conversation)
{
    (void)self;
    (void)conversation;
    pc_segments_token(segments, "<|im_start|>");
}

static void message(pc_segments *segments, const pc_template *self, const pc_conversation *conversation, size_t position)
{
    static const char *const names[] = {
        [PC_ROLE_SYSTEM] = "System", [PC_ROLE_USER] = "User", [PC_ROLE_ASSISTANT] = "Assistant", [PC_ROLE_TOOL] = "Tool"};
    const pc_message *said = &conversation->messages[position];
    bool picture = said->count && !conversation->parts[said->first].text;
    (void)self;
    pc_segments_text(segments, names[said->role]);
    pc_segments_text(segments, picture ? ":" : ": ");
    segments->trained = said->role == PC_ROLE_ASSISTANT;
    pc_segments_in_place(segments, conversation, said);
    pc_segments_token(segments, "<end_of_utterance>");
    segments->trained = false;
    pc_segments_text(segments, "\n");
}

static void invite(pc_segments *segments, const pc_template *self)
{
    (void)self;
    pc_segments_text(segments, "Assistant:");
}

const pc_template pc_template_smolvlm = {
    .name = "smolvlm",
    .help = "SmolVLM: User: ... <end_of_utterance>, pictures in their places",
    .jinja = PC_JINJA_IN_PLACE
        "{{ '<|im_start|>' }}{% for message in messages %}{{ message['role'] | capitalize }}"
        "{% if message['content'] is string or message['content'][0]['type'] == 'text' %}{{ ': ' }}{% else %}{{ ':' }}{% endif %}"
        "{% if message['role'] == 'assistant' %}"
        "{% generation %}{{ content(message) + '<end_of_utterance>' }}{% endgeneration %}"
        "{% else %}{{ content(message) + '<end_of_utterance>' }}{% endif %}{{ '\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}",
    .known = known,
    .stop_tokens = stop_tokens,
    .begin = begin,
    .message = message,
    .invite = invite,
};
