/* Vicuna v0, the layout of LLaVA 1.0 and LLaVA-Med 1.0:
 *
 *   A chat ... questions.###Human: <image>\nWhat is it?###Assistant: A cat.###Human: Why?###Assistant:
 *
 * Source: LLaVA, conversation.py (conv_llava_v0); LLaVA-Med, conversation.py (the same).
 *
 * Easy to get wrong: a human, not a user; ### stands behind every message, the system text included, with nothing round it, and
 * ends an answer: it is text, no token of its own.
 */
#include "prompt/template.h"
#include "prompt/template/jinja_content.h"

#define SYSTEM \
    "A chat between a curious human and an artificial intelligence assistant. The assistant gives " \
    "helpful, detailed, and polite answers to the human's questions."

static const char *const stops[] = {"###", "</s>", NULL};

static void begin(pc_segments *segments, const pc_template *self, const pc_conversation *conversation)
{
    if (conversation->messages[0].role != PC_ROLE_SYSTEM) {
        pc_segments_text(segments, self->system);
        pc_segments_text(segments, "###");
    }
}

static void message(pc_segments *segments, const pc_template *self, const pc_conversation *conversation, size_t position)
{
    const pc_message *said = &conversation->messages[position];
    (void)self;
    switch (said->role) {
    case PC_ROLE_USER: pc_segments_text(segments, "Human: "); break;
    case PC_ROLE_ASSISTANT: pc_segments_text(segments, "Assistant: "); break;
    default:
        if (said->role != PC_ROLE_SYSTEM || position > 0) {
            pc_segments_refuse(segments, "message %zu: chat template vicuna_v0 has no place for a %s message", position + 1,
                               pc_role_name(said->role));
            return;
        }
    }
    segments->trained = said->role == PC_ROLE_ASSISTANT;
    pc_segments_content(segments, conversation, said);
    pc_segments_text(segments, "###");
    segments->trained = false;
}

static void invite(pc_segments *segments, const pc_template *self)
{
    (void)self;
    pc_segments_text(segments, "Assistant:");
}

const pc_template pc_template_vicuna_v0 = {
    .name = "vicuna_v0",
    .help = "Vicuna v0, LLaVA 1.0, LLaVA-Med 1.0: SYSTEM###Human: ...###Assistant: ...###",
    .jinja = PC_JINJA_CONTENT
        "{% if messages[0]['role'] == 'system' %}"
        "{% set system = content(messages[0]) %}{% set rest = messages[1:] %}"
        "{% else %}"
        "{% set system = \"" SYSTEM "\" %}{% set rest = messages %}"
        "{% endif %}"
        "{{ system + '###' }}"
        "{% for message in rest %}"
        "{% if message['role'] == 'user' %}{{ 'Human: ' + content(message) + '###' }}"
        "{% elif message['role'] == 'assistant' %}{{ 'Assistant: ' }}"
        "{% generation %}{{ content(message) + '###' }}{% endgeneration %}"
        "{% else %}{{ raise_exception('no place for role ' + message['role']) }}"
        "{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}",
    .stops = stops,
    .system = SYSTEM,
    .begin = begin,
    .message = message,
    .invite = invite,
};
