/* OpenFlamingo: no roles; each chunk of text behind its picture ends with <|endofchunk|>:
 *
 *   <image>Question:{question} Short answer:{answer}<|endofchunk|><image>...
 *
 * The words round question and answer are the user's own. Source: mlfoundations/open_flamingo, eval/models/open_flamingo.py.
 */
#include "prompt/template.h"

static const char *const stop_tokens[] = {"<|endofchunk|>", NULL};

static void message(pc_segments *segments, const pc_template *self, const pc_conversation *conversation, size_t position)
{
    const pc_message *said = &conversation->messages[position];
    (void)self;
    segments->trained = said->role == PC_ROLE_ASSISTANT;
    for (size_t i = said->first; i < said->first + said->count; i++) {
        const pc_part *part = &conversation->parts[i];
        if (part->text) {
            pc_segments_text_n(segments, part->text, part->length);
        } else {
            pc_segments_media(segments, part->kind, part->index);
        }
    }
    if (segments->trained) {
        pc_segments_token(segments, "<|endofchunk|>");
    }
    segments->trained = false;
}

const pc_template pc_template_open_flamingo = {
    .name = "open_flamingo",
    .help = "OpenFlamingo: texts and pictures as they stand, an answer ends with <|endofchunk|>",
    .jinja = "{% macro parts(message) %}{% if message['content'] is string %}{{ message['content'] }}"
             "{% else %}{% for part in message['content'] %}"
             "{% if part['type'] != 'text' %}{{ '<' + part['type'] + '>' }}{% else %}{{ part['text'] }}{% endif %}"
             "{% endfor %}{% endif %}{% endmacro %}"
             "{% for message in messages %}"
             "{% if message['role'] == 'assistant' %}{% generation %}{{ parts(message) + '<|endofchunk|>' }}{% endgeneration %}"
             "{% else %}{{ parts(message) }}{% endif %}{% endfor %}",
    .stop_tokens = stop_tokens,
    .message = message,
};
