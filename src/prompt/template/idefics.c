/* IDEFICS-1's instructed models, whose texts and pictures come in any order:
 *
 *   User: {question}<image><end_of_utterance>\nAssistant: {answer}<end_of_utterance>\nUser: ...
 *
 * Source: the model card of idefics-9b-instruct. Easy to get wrong: no blank between "User:" and a picture that comes first;
 * the line feed stands before a message, not behind it, and is no target of the loss.
 */
#include "prompt/template.h"

static const char *const stop_tokens[] = {"<end_of_utterance>", NULL};
static const char *const stops[] = {"\nUser:", NULL};

static void message(pc_segments *segments, const pc_template *self, const pc_conversation *conversation, size_t position)
{
    const pc_message *said = &conversation->messages[position];
    bool answers = said->role == PC_ROLE_ASSISTANT;
    (void)self;
    if (!answers && said->role != PC_ROLE_USER) {
        pc_segments_refuse(segments, "message %zu: chat template idefics has no place for a %s message", position + 1,
                           pc_role_name(said->role));
        return;
    }
    pc_segments_text(segments, position == 0 ? "" : "\n");
    pc_segments_text(segments, answers ? "Assistant:" : "User:");
    segments->trained = answers;
    for (size_t i = said->first; i < said->first + said->count; i++) {
        const pc_part *part = &conversation->parts[i];
        if (!part->text) {
            pc_segments_media(segments, part->kind, part->index);
            continue;
        }
        pc_segments_text(segments, i == said->first ? " " : "");
        pc_segments_text_n(segments, part->text, part->length);
    }
    pc_segments_token(segments, "<end_of_utterance>");
    segments->trained = false;
}

static void invite(pc_segments *segments, const pc_template *self)
{
    (void)self;
    pc_segments_text(segments, "\nAssistant:");
}

const pc_template pc_template_idefics = {
    .name = "idefics",
    .help = "IDEFICS-1: User: ...<end_of_utterance>, pictures anywhere",
    .jinja =
        "{% for message in messages %}"
        "{% if message['role'] not in ['user', 'assistant'] %}{{ raise_exception('no place for role ' + message['role']) }}{% endif %}"
        "{% if not loop.first %}{{ '\\n' }}{% endif %}"
        "{{ 'Assistant:' if message['role'] == 'assistant' else 'User:' }}"
        "{% if message['content'] is string %}{{ ' ' + message['content'] }}"
        "{% else %}{% for part in message['content'] %}"
        "{% if part['type'] != 'text' %}{{ '<' + part['type'] + '>' }}"
        "{% else %}{% if loop.first %}{{ ' ' }}{% endif %}{{ part['text'] }}{% endif %}"
        "{% endfor %}{% endif %}{{ '<end_of_utterance>' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '\\nAssistant:' }}{% endif %}",
    .stops = stops,
    .stop_tokens = stop_tokens,
    .message = message,
    .invite = invite,
};
