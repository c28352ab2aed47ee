/* ChatML, and Qwen's versions of it, which say something when the conversation has no system
 * message (no line feed between the rows but those that are written):
 *
 *   <|im_start|>system\n{system}<|im_end|>\n
 *   <|im_start|>user\n{question}<|im_end|>\n
 *   <|im_start|>assistant\n{answer}<|im_end|>\n
 *
 * Source: FastChat, conversation.py (qwen-7b-chat); the chat_template of the Qwen2 checkpoints.
 *
 * Easy to get wrong: the line feed behind an answer's <|im_end|> is no target of the loss.
 */
#include "prompt/template.h"
#include "prompt/template/jinja_content.h"

static const char *const stop_tokens[] = {"<|im_end|>", "<|endoftext|>", NULL};

static void open_message(pc_segments *segments, pc_role role)
{
    pc_segments_token(segments, "<|im_start|>");
    pc_segments_text(segments, pc_role_name(role));
    pc_segments_text(segments, "\n");
}

static void chatml_begin(pc_segments *segments, const pc_template *self,
                         const pc_conversation *conversation)
{
    if (self->system != NULL && conversation->messages[0].role != PC_ROLE_SYSTEM) {
        open_message(segments, PC_ROLE_SYSTEM);
        pc_segments_text(segments, self->system);
        pc_segments_token(segments, "<|im_end|>");
        pc_segments_text(segments, "\n");
    }
}

static void put_message(pc_segments *segments, const pc_conversation *conversation, size_t position,
                        void (*content)(pc_segments *, const pc_conversation *, const pc_message *))
{
    const pc_message *message = &conversation->messages[position];
    open_message(segments, message->role);
    segments->trained = message->role == PC_ROLE_ASSISTANT;
    content(segments, conversation, message);
    pc_segments_token(segments, "<|im_end|>");
    segments->trained = false;
    pc_segments_text(segments, "\n");
}

static void chatml_message(pc_segments *segments, const pc_template *self,
                           const pc_conversation *conversation,
                           size_t position)
{
    (void)self;
    put_message(segments, conversation, position, pc_segments_content);
}

static void chatml_invite(pc_segments *segments, const pc_template *self)
{
    (void)self;
    open_message(segments, PC_ROLE_ASSISTANT);
}

#define JINJA(begin) JINJA_OF(PC_JINJA_CONTENT, begin)

#define JINJA_OF(content, begin) \
    content begin \
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' }}" \
    "{% if message['role'] == 'assistant' %}" \
    "{% generation %}{{ content(message) + '<|im_end|>' }}{% endgeneration %}" \
    "{% else %}{{ content(message) + '<|im_end|>' }}{% endif %}{{ '\\n' }}{% endfor %}" \
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"

#define JINJA_SYSTEM(text) \
    "{% if messages[0]['role'] != 'system' %}" \
    "{{ '<|im_start|>system\\n" text "<|im_end|>\\n' }}{% endif %}"

#define JINJA_NO_TOOL \
    "{% for message in messages %}{% if message['role'] == 'tool' %}" \
    "{{ raise_exception('no place for role tool') }}{% endif %}{% endfor %}"

/* The template that most fine-tunes carry; its form that first makes sure that
 * add_generation_prompt is defined; and its form with the tags of ChatML as literal text. */
static const char *const chatml_known[] = {
    "e9fadf7a9fa7955aa00fd7d2e02bb754", "3d7ec39f03a1c836da028e572867126a",
    "86ddb34e1e50aa96b116a3f749a0d61e", NULL};

const pc_template pc_template_chatml = {
    .name = "chatml",
    .help = "ChatML without a system text of its own: <|im_start|>user ... <|im_end|>",
    .jinja = JINJA(""),
    .known = chatml_known,
    .stop_tokens = stop_tokens,
    .message = chatml_message,
    .invite = chatml_invite,
};

#define QWEN2_SYSTEM "You are a helpful assistant."

/* The chat_template of Qwen2-0.5B-Instruct and its sizes. */
static const char *const qwen2_known[] = {"30e066d4a516898a83745ddd8e331e45", NULL};

const pc_template pc_template_qwen2 = {
    .name = "qwen2",
    .help = "Qwen and Qwen2: ChatML with \"You are a helpful assistant.\"",
    .jinja = JINJA(JINJA_SYSTEM(QWEN2_SYSTEM)),
    .known = qwen2_known,
    .stop_tokens = stop_tokens,
    .system = QWEN2_SYSTEM,
    .begin = chatml_begin,
    .message = chatml_message,
    .invite = chatml_invite,
};

/* Digit by digit, for segments borrow their texts. */
static void put_number(pc_segments *segments, int number)
{
    static const char *const digits[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
    int unit = 1;
    while (number / unit >= 10) {
        unit *= 10;
    }
    for (; unit > 0; unit /= 10) {
        pc_segments_text(segments, digits[number / unit % 10]);
    }
}

/* Qwen-VL: each picture of the conversation has its number, "Picture 1: <img>...</img>\n", before the text. */
static void qwen_vl_message(pc_segments *segments, const pc_template *self, const pc_conversation *conversation, size_t position)
{
    const pc_message *message = &conversation->messages[position];
    (void)self;
    open_message(segments, message->role);
    segments->trained = message->role == PC_ROLE_ASSISTANT;
    for (size_t i = message->first; i < message->first + message->count; i++) {
        const pc_part *part = &conversation->parts[i];
        if (part->text) {
            pc_segments_text_n(segments, part->text, part->length);
            continue;
        }
        pc_segments_text(segments, "Picture ");
        put_number(segments, part->index + 1);
        pc_segments_text(segments, ": ");
        pc_segments_media(segments, part->kind, part->index);
        pc_segments_text(segments, "\n");
    }
    pc_segments_token(segments, "<|im_end|>");
    segments->trained = false;
    pc_segments_text(segments, "\n");
}

const pc_template pc_template_qwen_vl = {
    .name = "qwen_vl",
    .help = "Qwen-VL-Chat: ChatML, \"Picture 1: \" before each picture",
    .jinja = "{% set seen = namespace(pictures=0) %}" JINJA_SYSTEM(QWEN2_SYSTEM)
             "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' }}"
             "{% set said = namespace(text='') %}"
             "{% if message['content'] is string %}{% set said.text = message['content'] %}{% else %}{% for part in message['content'] %}"
             "{% if part['type'] == 'text' %}{% set said.text = said.text + part['text'] %}{% else %}"
             "{% set seen.pictures = seen.pictures + 1 %}"
             "{% set said.text = said.text + 'Picture ' ~ seen.pictures ~ ': <' ~ part['type'] ~ '>\\n' %}{% endif %}{% endfor %}{% endif %}"
             "{% if message['role'] == 'assistant' %}{% generation %}{{ said.text + '<|im_end|>' }}{% endgeneration %}"
             "{% else %}{{ said.text + '<|im_end|>' }}{% endif %}{{ '\\n' }}{% endfor %}"
             "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    .stop_tokens = stop_tokens,
    .system = QWEN2_SYSTEM,
    .begin = chatml_begin,
    .message = qwen_vl_message,
    .invite = chatml_invite,
};

#define QWEN2_5_SYSTEM "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."

/* Qwen2.5 frames the results of tools in a user message, which is not done here. */
static void qwen2_5_message(pc_segments *segments, const pc_template *self,
                            const pc_conversation *conversation,
                            size_t position)
{
    if (conversation->messages[position].role == PC_ROLE_TOOL) {
        pc_segments_refuse(segments,
                           "message %zu: chat template qwen2_5 has no place for a tool message",
                           position + 1);
        return;
    }
    chatml_message(segments, self, conversation, position);
}

/* The chat_template of Qwen2.5-0.5B-Instruct and its sizes. */
static const char *const qwen2_5_known[] = {"010e60a19adcd7078a27f727f6f31a37", NULL};

const pc_template pc_template_qwen2_5 = {
    .name = "qwen2_5",
    .help = "Qwen2.5 without tools: ChatML with \"You are Qwen, ...\"",
    .jinja = JINJA(JINJA_NO_TOOL JINJA_SYSTEM(QWEN2_5_SYSTEM)),
    .known = qwen2_5_known,
    .stop_tokens = stop_tokens,
    .system = QWEN2_5_SYSTEM,
    .begin = chatml_begin,
    .message = qwen2_5_message,
    .invite = chatml_invite,
};

/* The chat_template of Qwen2-VL and of Qwen2.5-VL: pictures stand where they are; what opens and closes them comes with
 * their soft tokens. */
static const char *const qwen2_vl_known[] = {"a8e0354ba243796a60d8a4fff93c07a6", NULL};

static void qwen2_vl_message(pc_segments *segments, const pc_template *self,
                             const pc_conversation *conversation,
                             size_t position)
{
    (void)self;
    put_message(segments, conversation, position, pc_segments_in_place);
}

const pc_template pc_template_qwen2_vl = {
    .name = "qwen2_vl",
    .help = "Qwen2-VL and Qwen2.5-VL: Qwen2's, pictures in their places",
    .jinja = JINJA_OF(PC_JINJA_IN_PLACE, JINJA_SYSTEM(QWEN2_SYSTEM)),
    .known = qwen2_vl_known,
    .stop_tokens = stop_tokens,
    .system = QWEN2_SYSTEM,
    .begin = chatml_begin,
    .message = qwen2_vl_message,
    .invite = chatml_invite,
};
