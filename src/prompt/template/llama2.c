/* LLaMA-2 chat, and LLaVA's version of it with a system text of its own (no line feed between the
 * rows):
 *
 *   <s>[INST] <<SYS>>\n{system}\n<</SYS>>\n\n{question} [/INST] {answer} </s>
 *   <s>[INST] {question} [/INST]
 *
 * Source: LLaMA 2 (Touvron et al. 2023), reference generation code; LLaVA, conversation.py
 * (conv_llava_llama_2).
 *
 * Easy to get wrong: BOS stands before every [INST], by the template and not by the tokenizer; the
 * system text is part of the first question; a question (with the system text in front) and an
 * answer are stripped of white space at both ends; nothing but [/INST] invites an answer, whose
 * first blank the model writes itself.
 */
#include "prompt/template.h"
#include "prompt/template/jinja_content.h"

#define LLAVA_SYSTEM \
    "You are a helpful language and vision assistant. You are able to understand the visual " \
    "content that the user provides, and assist the user with a variety of tasks using natural language."

static const char *const stops[] = {"</s>", NULL};

/* The system text in its frame, at the front of the first question. */
static void put_system(pc_segments *segments, const pc_template *self,
                       const pc_conversation *conversation)
{
    const pc_message *first = &conversation->messages[0];
    bool given = first->role == PC_ROLE_SYSTEM;
    if (!given && self->system == NULL) {
        return;
    }
    pc_segments_text(segments, "<<SYS>>\n");
    if (given) {
        pc_segments_content(segments, conversation, first);
    } else {
        pc_segments_text(segments, self->system);
    }
    pc_segments_text(segments, "\n<</SYS>>\n\n");
}

/* Questions and answers take turns, a question first. */
static bool fits(const pc_conversation *conversation, size_t position)
{
    bool system = conversation->messages[0].role == PC_ROLE_SYSTEM;
    pc_role wanted = (position - system) % 2 == 0 ? PC_ROLE_USER : PC_ROLE_ASSISTANT;
    return conversation->messages[position].role == wanted;
}

static void llama2_message(pc_segments *segments, const pc_template *self,
                           const pc_conversation *conversation,
                           size_t position)
{
    const pc_message *message = &conversation->messages[position];
    if (position == 0 && message->role == PC_ROLE_SYSTEM) {
        return;
    }
    if (!fits(conversation, position)) {
        pc_segments_refuse(segments,
                           "message %zu: chat template %s wants user and assistant in turn, not %s",
                           position + 1, self->name, pc_role_name(message->role));
        return;
    }
    if (message->role == PC_ROLE_USER) {
        pc_segments_bos(segments);
        pc_segments_text(segments, "[INST] ");
        size_t first = segments->count;
        if (segments->turn == 0) {
            put_system(segments, self, conversation);
        }
        pc_segments_content(segments, conversation, message);
        pc_segments_trim(segments, first);
        pc_segments_text(segments, " [/INST]");
        return;
    }
    pc_segments_text(segments, " ");
    segments->trained = true;
    size_t first = segments->count;
    pc_segments_content(segments, conversation, message);
    pc_segments_trim(segments, first);
    pc_segments_text(segments, " ");
    pc_segments_eos(segments);
    segments->trained = false;
}

#define JINJA(no_system) \
    PC_JINJA_CONTENT \
    "{% if messages[0]['role'] == 'system' %}" \
    "{% set system = '<<SYS>>\\n' + content(messages[0]) + '\\n<</SYS>>\\n\\n' %}" \
    "{% set rest = messages[1:] %}" \
    "{% else %}{% set system = " no_system " %}{% set rest = messages %}{% endif %}" \
    "{% for message in rest %}" \
    "{% if message['role'] != ['user', 'assistant'][loop.index0 % 2] %}" \
    "{{ raise_exception('user and assistant must take turns') }}{% endif %}" \
    "{% if message['role'] == 'user' %}" \
    "{% set question = (system if loop.first else '') + content(message) %}" \
    "{{ bos_token + '[INST] ' + question.strip() + ' [/INST]' }}" \
    "{% else %}{{ ' ' }}" \
    "{% generation %}{{ content(message).strip() + ' ' + eos_token }}{% endgeneration %}" \
    "{% endif %}{% endfor %}"

/* The chat_template of meta-llama/Llama-2-7b-chat-hf and its sizes, and the same with `| trim` for
 * .strip(). */
static const char *const known[] = {"fe9258efd83e8fb2b012de4a740254a3",
                                    "e0d968a9ad192543394cce33e3190428", NULL};

const pc_template pc_template_llama2 = {
    .name = "llama2",
    .help = "LLaMA-2 chat: <s>[INST] ... [/INST] ... </s>",
    .jinja = JINJA("''"),
    .known = known,
    .stops = stops,
    .message = llama2_message,
};

const pc_template pc_template_llava_llama2 = {
    .name = "llava_llama2",
    .help = "LLaVA on LLaMA-2 chat: the same with LLaVA's system text",
    .jinja = JINJA("'<<SYS>>\\n" LLAVA_SYSTEM "\\n<</SYS>>\\n\\n'"),
    .stops = stops,
    .system = LLAVA_SYSTEM,
    .message = llama2_message,
};
