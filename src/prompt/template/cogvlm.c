/* CogVLM's chat models: pictures first, then
 *
 *   Question: {question} Answer: {answer}\nQuestion: {question} Answer:
 *
 * and the same with "Short answer:" for the models that were tuned on short ones (VQA). In training the line feed ends an answer.
 * CogAgent's chat model:
 *
 *    [INST] {question} [/INST] {answer} [INST] {question} [/INST]       with a blank before the first and one behind the last
 *
 * and its VQA model: CogVLM's chat behind the letters <EOI>, which are no token.
 *
 * Source: cogvlm-chat-hf, modeling_cogvlm.py, and cogagent-chat-hf, modeling_cogagent.py (_history_to_prompt). Easy to get wrong: a
 * line feed follows an answer, none the question; nothing marks the end of CogAgent's answers, so it trains as CogVLM's.
 */
#include "prompt/template.h"

/* What stands round questions and answers. */
typedef struct frame {
    const char *ask, *asked, *answer, *answered;
} frame;

static void say(pc_segments *segments, const char *name, const pc_conversation *conversation, size_t position, const frame *round)
{
    const pc_message *said = &conversation->messages[position];
    bool answers = said->role == PC_ROLE_ASSISTANT;
    if (!answers && said->role != PC_ROLE_USER) {
        pc_segments_refuse(segments, "message %zu: chat template %s has no place for a %s message", position + 1, name,
                           pc_role_name(said->role));
        return;
    }
    for (size_t i = said->first; i < said->first + said->count; i++) {
        if (!conversation->parts[i].text) {
            pc_segments_media(segments, conversation->parts[i].kind, conversation->parts[i].index);
        }
    }
    pc_segments_text(segments, answers ? round->answer : round->ask);
    segments->trained = answers;
    for (size_t i = said->first; i < said->first + said->count; i++) {
        const pc_part *part = &conversation->parts[i];
        if (part->text) {
            pc_segments_text_n(segments, part->text, part->length);
        }
    }
    pc_segments_text(segments, answers ? round->answered : round->asked);
    segments->trained = false;
}

static void message(pc_segments *segments, const pc_template *self, const pc_conversation *conversation, size_t position)
{
    static const frame words = {"Question: ", " Answer:", " ", "\n"};
    say(segments, self->name, conversation, position, &words);
}

static void short_message(pc_segments *segments, const pc_template *self, const pc_conversation *conversation, size_t position)
{
    static const frame words = {"Question: ", " Short answer:", " ", "\n"};
    say(segments, self->name, conversation, position, &words);
}

/* The first question behind <EOI>. */
static void agent_vqa_message(pc_segments *segments, const pc_template *self, const pc_conversation *conversation, size_t position)
{
    static const frame first = {"<EOI>Question: ", " Answer:", " ", "\n"}, later = {"Question: ", " Answer:", " ", "\n"};
    say(segments, self->name, conversation, position, position == 0 ? &first : &later);
}

static void agent_message(pc_segments *segments, const pc_template *self, const pc_conversation *conversation, size_t position)
{
    static const frame words = {" [INST] ", " [/INST] ", "", ""};
    say(segments, self->name, conversation, position, &words);
}

#define JINJA(ask, asked, answer, answered)                                                                                              \
    "{% macro texts(message) %}"                                                                                   \
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"  \
    "{% if part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}{% endmacro %}"            \
    "{% for message in messages %}"                                                                                \
    "{% if message['role'] not in ['user', 'assistant'] %}{{ raise_exception('no place for role ' + message['role']) }}{% endif %}" \
    "{% if message['content'] is not string %}{% for part in message['content'] %}"                                \
    "{% if part['type'] != 'text' %}{{ '<' + part['type'] + '>' }}{% endif %}{% endfor %}{% endif %}"              \
    "{% if message['role'] == 'assistant' %}" answer "{% generation %}{{ texts(message)" answered " }}{% endgeneration %}" \
    "{% else %}{{ '" ask "' + texts(message) + '" asked "' }}{% endif %}{% endfor %}"

const pc_template pc_template_cogvlm = {
    .name = "cogvlm",
    .help = "CogVLM's chat models: Question: ... Answer: ...",
    .jinja = JINJA("Question: ", " Answer:", "{{ ' ' }}", " + '\\n'"),
    .message = message,
};

const pc_template pc_template_cogvlm_vqa = {
    .name = "cogvlm_vqa",
    .help = "CogVLM for short answers: Question: ... Short answer: ...",
    .jinja = JINJA("Question: ", " Short answer:", "{{ ' ' }}", " + '\\n'"),
    .message = short_message,
};

const pc_template pc_template_cogagent = {
    .name = "cogagent",
    .help = "CogAgent's chat model: [INST] ... [/INST] ...",
    .jinja = JINJA(" [INST] ", " [/INST] ", "", ""),
    .train_as = "cogvlm",
    .message = agent_message,
};

const pc_template pc_template_cogagent_vqa = {
    .name = "cogagent_vqa",
    .help = "CogAgent's VQA model: <EOI>Question: ... Answer: ...",
    .jinja = JINJA("' + ('<EOI>' if loop.first else '') + 'Question: ", " Answer:", "{{ ' ' }}", " + '\\n'"),
    .message = agent_vqa_message,
};
