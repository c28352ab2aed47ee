/* Vicuna v1.1, the layout of LLaVA-1.5:
 *
 *   A chat ... questions. USER: <image>\nWhat is it? ASSISTANT: A cat.</s>USER: Why? ASSISTANT:
 *
 * and the layout of the chat_template in the llava-hf/llava-1.5-*-hf checkpoints, which says
 * nothing before the first message, puts media before text whatever their order, and does not mark
 * the end of an answer:
 *
 *   USER: <image>\nWhat is it? ASSISTANT: A cat. USER: Why? ASSISTANT:
 *
 * Source: FastChat, conversation.py (vicuna_v1.1); LLaVA, conversation.py (conv_vicuna_v1).
 *
 * Easy to get wrong: one blank after the system text, after "USER:", before "ASSISTANT:" and after
 * it when an answer follows, none when one is awaited; </s> directly behind the answer and no blank
 * before the next "USER:".
 */
#include "prompt/template.h"
#include "prompt/template/jinja_content.h"

#define SYSTEM \
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives " \
    "helpful, detailed, and polite answers to the user's questions."

static const char *const stops[] = {"</s>", NULL};

static void vicuna_begin(pc_segments *segments, const pc_template *self,
                         const pc_conversation *conversation)
{
    if (conversation->messages[0].role != PC_ROLE_SYSTEM) {
        pc_segments_text(segments, self->system);
        pc_segments_text(segments, " ");
    }
}

static void vicuna_message(pc_segments *segments, const pc_template *self,
                           const pc_conversation *conversation,
                           size_t position)
{
    const pc_message *message = &conversation->messages[position];
    (void)self;
    if (message->role == PC_ROLE_USER) {
        pc_segments_text(segments, "USER: ");
        pc_segments_content(segments, conversation, message);
        pc_segments_text(segments, " ");
    } else if (message->role == PC_ROLE_ASSISTANT) {
        pc_segments_text(segments, "ASSISTANT: ");
        segments->trained = true;
        pc_segments_content(segments, conversation, message);
        pc_segments_eos(segments);
        segments->trained = false;
    } else if (message->role == PC_ROLE_SYSTEM && position == 0) {
        size_t before = segments->count;
        pc_segments_content(segments, conversation, message);
        if (segments->count > before) { /* an empty system message asks for none at all */
            pc_segments_text(segments, " ");
        }
    } else {
        pc_segments_refuse(segments,
                           "message %zu: chat template vicuna_v1 has no place for a %s message",
                           position + 1, pc_role_name(message->role));
    }
}

static void vicuna_invite(pc_segments *segments, const pc_template *self)
{
    (void)self;
    pc_segments_text(segments, "ASSISTANT:");
}

const pc_template pc_template_vicuna_v1 = {
    .name = "vicuna_v1",
    .help = "Vicuna v1.1 and v1.5, LLaVA-1.5: SYSTEM USER: ... ASSISTANT: ...</s>",
    .jinja = PC_JINJA_CONTENT
        "{% if messages[0]['role'] == 'system' %}"
        "{% set system = content(messages[0]) %}{% set rest = messages[1:] %}"
        "{% else %}"
        "{% set system = \"" SYSTEM "\" %}{% set rest = messages %}"
        "{% endif %}"
        "{% if system %}{{ system + ' ' }}{% endif %}"
        "{% for message in rest %}"
        "{% if message['role'] == 'user' %}{{ 'USER: ' + content(message) + ' ' }}"
        "{% elif message['role'] == 'assistant' %}{{ 'ASSISTANT: ' }}"
        "{% generation %}{{ content(message) + eos_token }}{% endgeneration %}"
        "{% else %}{{ raise_exception('no place for role ' + message['role']) }}"
        "{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}",
    .stops = stops,
    .system = SYSTEM,
    .begin = vicuna_begin,
    .message = vicuna_message,
    .invite = vicuna_invite,
};

static void llava_hf_message(pc_segments *segments, const pc_template *self,
                             const pc_conversation *conversation,
                             size_t position)
{
    const pc_message *message = &conversation->messages[position];
    const pc_part *parts = conversation->parts + message->first;
    (void)self;
    switch (message->role) {
    case PC_ROLE_SYSTEM: break;
    case PC_ROLE_USER: pc_segments_text(segments, "USER: "); break;
    case PC_ROLE_ASSISTANT: pc_segments_text(segments, "ASSISTANT: "); break;
    case PC_ROLE_TOOL:
        pc_segments_refuse(segments,
                           "message %zu: chat template llava_hf has no place for a tool message",
                           position + 1);
        return;
    }
    for (size_t i = 0; i < message->count; i++) {
        if (parts[i].text == NULL) {
            pc_segments_media(segments, parts[i].kind, parts[i].index);
            pc_segments_text(segments, "\n");
        }
    }
    segments->trained = message->role == PC_ROLE_ASSISTANT;
    for (size_t i = 0; i < message->count; i++) {
        if (parts[i].text != NULL) {
            pc_segments_text_n(segments, parts[i].text, parts[i].length);
            pc_segments_text(segments, " ");
        }
    }
    segments->trained = false;
}

/* The chat_template of llava-hf/llava-1.5-7b-hf and llava-v1.6-vicuna-7b-hf, and its first form
 * without {% generation %}. */
static const char *const llava_hf_known[] = {"27566d7518c8e0bdb8695a386ceb150c",
                                             "0860407856aec719f85028e13df626eb", NULL};

const pc_template pc_template_llava_hf = {
    .name = "llava_hf",
    .help = "the template in llava-hf/llava-1.5 checkpoints: USER: <image> ... ASSISTANT: ...",
    .jinja = "{% for message in messages %}"
             "{% if message['role'] == 'tool' %}{{ raise_exception('no place for role tool') }}"
             "{% elif message['role'] != 'system' %}{{ message['role'] | upper + ': ' }}{% endif %}"
             "{% if message['content'] is string %}"
             "{% set parts = [{'type': 'text', 'text': message['content']}] %}"
             "{% else %}{% set parts = message['content'] %}{% endif %}"
             "{% for part in parts %}{% if part['type'] != 'text' %}"
             "{{ '<' + part['type'] + '>\\n' }}{% endif %}{% endfor %}"
             "{% for part in parts %}{% if part['type'] == 'text' %}"
             "{% if message['role'] == 'assistant' %}"
             "{% generation %}{{ part['text'] + ' ' }}{% endgeneration %}"
             "{% else %}{{ part['text'] + ' ' }}{% endif %}{% endif %}{% endfor %}"
             "{% endfor %}"
             "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}",
    .known = llava_hf_known,
    .stops = stops,
    .train_as = "vicuna_v1",
    .message = llava_hf_message,
    .invite = vicuna_invite,
};
