/* LLaVA over Mistral-Instruct: LLaVA 1.6 and LLaVA-Med 1.5.
 *
 *   [INST] <image>\nWhat is it? [/INST] A cat. </s>[INST] Why? [/INST]
 *
 * Source: LLaVA and LLaVA-Med, conversation.py (conv_mistral_instruct: LLaMA-2's style with an empty separator and no system
 * text).
 *
 * Easy to get wrong: BOS stands once, by the tokenizer's own rule; a blank before and behind an answer; no system message.
 */
#include "prompt/template.h"
#include "prompt/template/jinja_content.h"

static const char *const stops[] = {"</s>", NULL};

static void message(pc_segments *segments, const pc_template *self, const pc_conversation *conversation, size_t position)
{
    const pc_message *said = &conversation->messages[position];
    if (said->role != (position % 2 == 0 ? PC_ROLE_USER : PC_ROLE_ASSISTANT)) {
        pc_segments_refuse(segments, "message %zu: chat template %s wants user and assistant in turn, not %s", position + 1,
                           self->name, pc_role_name(said->role));
        return;
    }
    if (said->role == PC_ROLE_USER) {
        pc_segments_text(segments, "[INST] ");
        pc_segments_content(segments, conversation, said);
        pc_segments_text(segments, " [/INST]");
        return;
    }
    pc_segments_text(segments, " ");
    segments->trained = true;
    pc_segments_content(segments, conversation, said);
    pc_segments_text(segments, " ");
    pc_segments_eos(segments);
    segments->trained = false;
}

const pc_template pc_template_mistral_instruct = {
    .name = "mistral_instruct",
    .help = "LLaVA 1.6 and LLaVA-Med 1.5 over Mistral: [INST] ... [/INST] ... </s>",
    .jinja = PC_JINJA_CONTENT
        "{% for message in messages %}"
        "{% if message['role'] != ['user', 'assistant'][loop.index0 % 2] %}"
        "{{ raise_exception('user and assistant must take turns') }}{% endif %}"
        "{% if message['role'] == 'user' %}{{ '[INST] ' + content(message) + ' [/INST]' }}"
        "{% else %}{{ ' ' }}"
        "{% generation %}{{ content(message) + ' ' + eos_token }}{% endgeneration %}"
        "{% endif %}{% endfor %}",
    .stops = stops,
    .message = message,
};
