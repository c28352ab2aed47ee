/* Layouts without roles.
 *
 * plain, LLaVA's first stage, where a connector learns from captions: the media of the user's
 * message, then the caption and a line feed. The user's text ("Describe the image.") is dropped
 * when there are media, as LLaVA does:
 *
 *   <image>A cat on a mat.\n
 *
 * raw, for base models and for prompts that are laid out already: texts and media as they stand, an
 * answer ended by EOS.
 *
 * Source: LLaVA, conversation.py (conv_llava_plain), train.py (preprocess_plain).
 */
#include "prompt/template.h"

static const char *const line_end[] = {"\n", NULL};

static bool has_media(const pc_conversation *conversation, const pc_message *message)
{
    for (size_t i = 0; i < message->count; i++) {
        if (conversation->parts[message->first + i].text == NULL) {
            return true;
        }
    }
    return false;
}

static void put_parts(pc_segments *segments, const pc_conversation *conversation,
                      const pc_message *message,
                      bool texts)
{
    for (size_t i = 0; i < message->count; i++) {
        const pc_part *part = &conversation->parts[message->first + i];
        if (part->text == NULL) {
            pc_segments_media(segments, part->kind, part->index);
        } else if (texts) {
            pc_segments_text_n(segments, part->text, part->length);
        }
    }
}

static void plain_message(pc_segments *segments, const pc_template *self,
                          const pc_conversation *conversation,
                          size_t position)
{
    const pc_message *message = &conversation->messages[position];
    (void)self;
    if (message->role == PC_ROLE_USER) {
        put_parts(segments, conversation, message, !has_media(conversation, message));
    } else if (message->role == PC_ROLE_ASSISTANT) {
        segments->trained = true;
        put_parts(segments, conversation, message, true);
        pc_segments_text(segments, "\n");
        segments->trained = false;
    } else {
        pc_segments_refuse(segments,
                           "message %zu: chat template plain has no place for a %s message",
                           position + 1, pc_role_name(message->role));
    }
}

#define JINJA_PARTS \
    "{% macro parts(message, texts) %}" \
    "{% if message['content'] is string %}{{ message['content'] }}" \
    "{% else %}{% for part in message['content'] %}" \
    "{% if part['type'] != 'text' %}{{ '<' + part['type'] + '>' }}" \
    "{% elif texts %}{{ part['text'] }}{% endif %}" \
    "{% endfor %}{% endif %}{% endmacro %}"

const pc_template pc_template_plain = {
    .name = "plain",
    .help = "LLaVA's first stage: image, caption, line feed; no roles",
    .jinja = JINJA_PARTS
        "{% for message in messages %}"
        "{% if message['role'] == 'user' %}"
        "{% set media = [] if message['content'] is string else "
        "message['content'] | rejectattr('type', 'equalto', 'text') | list %}"
        "{% if media %}{{ parts(message, false) }}{% else %}{{ parts(message, true) }}{% endif %}"
        "{% elif message['role'] == 'assistant' %}"
        "{% generation %}{{ parts(message, true) + '\\n' }}{% endgeneration %}"
        "{% else %}{{ raise_exception('no place for role ' + message['role']) }}"
        "{% endif %}{% endfor %}",
    .stops = line_end,
    .message = plain_message,
};

static void raw_message(pc_segments *segments, const pc_template *self,
                        const pc_conversation *conversation,
                        size_t position)
{
    const pc_message *message = &conversation->messages[position];
    (void)self;
    segments->trained = message->role == PC_ROLE_ASSISTANT;
    put_parts(segments, conversation, message, true);
    if (segments->trained) {
        pc_segments_eos(segments);
    }
    segments->trained = false;
}

const pc_template pc_template_raw = {
    .name = "raw",
    .help = "no layout: texts and media as they stand, for base models",
    .jinja = JINJA_PARTS
        "{% for message in messages %}"
        "{% if message['role'] == 'assistant' %}"
        "{% generation %}{{ parts(message, true) + eos_token }}{% endgeneration %}"
        "{% else %}{{ parts(message, true) }}{% endif %}{% endfor %}",
    .message = raw_message,
};
