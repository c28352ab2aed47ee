/* Rows with a list of messages: LLaVA, ShareGPT, OpenAI, ms-swift.
 *
 *   {"conversations": [{"from": "human", "value": "<image>\nWhat is it?"}, {"from": "gpt", "value": "A cat."}],
 *    "image": "a.png" | ["a.png", ...]}
 *   {"messages": [{"role": "user", "content": "text" | [{"type": "text", "text": ...}, {"type": "image"},
 *                                                       {"type": "image_url", "image_url": {"url": ...}}]}, ...],
 *    "images": [...]}
 *
 * Easy to get wrong: LLaVA (the column "image") moves marks to the front of their message and trims the rest
 * (llava/train/train.py, preprocess_multimodal); LLaMA-Factory and ms-swift (the column "images") leave them in place. In
 * answers "<image>" is text. A conversation that a model opens loses that message, as LLaVA does it.
 */
#include "data/rows.h"

#include <string.h>

static const char *const usual_tags[PC_TAGS][2] = {
    [PC_TAG_ROLE] = {"from", "role"},
    [PC_TAG_CONTENT] = {"value", "content"},
};

static const pc_json *tagged(const pc_row *row, const pc_json *message, pc_tag tag)
{
    if (row->format && row->format->tags[tag][0]) {
        return pc_json_get(message, row->format->tags[tag]);
    }
    const pc_json *value = pc_json_get(message, usual_tags[tag][0]);
    return value ? value : pc_json_get(message, usual_tags[tag][1]);
}

static bool is_tag(const pc_row *row, pc_tag tag, const char *usual, const char *name)
{
    const char *own = row->format ? row->format->tags[tag] : "";
    return strcmp(*own ? own : usual, name) == 0;
}

static pc_status role_of(const pc_row *row, const char *name, pc_role *out)
{
    static const struct {
        pc_tag tag;
        const char *usual;
        pc_role role;
    } tags[] = {
        {PC_TAG_USER, "human", PC_ROLE_USER},
        {PC_TAG_ASSISTANT, "gpt", PC_ROLE_ASSISTANT},
        {PC_TAG_OBSERVATION, "observation", PC_ROLE_TOOL},
        {PC_TAG_SYSTEM, "system", PC_ROLE_SYSTEM},
    };
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
        if (is_tag(row, tags[i].tag, tags[i].usual, name)) {
            *out = tags[i].role;
            return PC_OK;
        }
    }
    if (is_tag(row, PC_TAG_FUNCTION, "function_call", name)) {
        return pc_fail(PC_ERR_DATA, "messages of '%s' can't be trained on yet", name);
    }
    return pc_role_parse(out, name);
}

static bool has_mark(const char *text, size_t length)
{
    return memmem(text, length, "<image>", 7) || memmem(text, length, "<video>", 7) ||
           memmem(text, length, "<audio>", 7);
}

/* LLaVA's rule holds where its column is. */
static pc_markers markers_of(const pc_row *row)
{
    bool named = row->format && row->format->columns[PC_COLUMN_IMAGES][0];
    return !named && !pc_json_is_null(pc_json_get(row->json, "image")) ? PC_MARKERS_FIRST : PC_MARKERS_IN_PLACE;
}

static pc_status add_content_text(const pc_row *row, pc_conversation *out, const pc_json *content, pc_role role)
{
    const char *text = pc_json_text(content);
    size_t length = pc_json_text_length(content);
    return role == PC_ROLE_USER && has_mark(text, length)
               ? pc_conversation_add_marked(out, text, length, markers_of(row))
               : pc_conversation_add_text(out, text, length);
}

pc_status pc_row_add_text(const pc_row *row, pc_sample *out, const pc_json *text, pc_role role)
{
    pc_conversation *conversation = &out->conversation;
    PC_TRY(pc_conversation_begin(conversation, role));
    if (!pc_json_is_string(text)) {
        return pc_fail(PC_ERR_DATA, "message %zu has no text", conversation->count);
    }
    return add_content_text(row, conversation, text, role);
}

/* Where the picture of a part is: {"type": "image_url", "image_url": {"url": U}} or U itself; {"type": "image", "image": U},
 * also "path" or "url"; NULL when it is the next one of the row's column. */
static const pc_json *picture_of(const pc_json *part)
{
    static const char *const keys[] = {"image_url", "image", "path", "url"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const pc_json *value = pc_json_get(part, keys[i]);
        if (!pc_json_is_null(value)) {
            return pc_json_is_object(value) ? pc_json_get(value, "url") : value;
        }
    }
    return NULL;
}

static pc_status add_part(const pc_row *row, pc_sample *out, const pc_json *part)
{
    pc_conversation *conversation = &out->conversation;
    const char *type = pc_json_get_text(part, "type", "");
    const pc_json *text = pc_json_get(part, "text");
    if (strcmp(type, "text") == 0 && pc_json_is_string(text)) {
        return pc_conversation_add_text(conversation, pc_json_text(text), pc_json_text_length(text));
    }
    if (strcmp(type, "image") != 0 && strcmp(type, "image_url") != 0) {
        return pc_fail(PC_ERR_DATA, "a part of message %zu is neither text nor image", conversation->count);
    }
    const pc_json *picture = picture_of(part);
    PC_TRY(pc_conversation_add_media(conversation, PC_MEDIA_IMAGE, conversation->media_count[PC_MEDIA_IMAGE]));
    return picture ? pc_row_load_picture(row, out, picture) : PC_OK;
}

static pc_status add_content(const pc_row *row, pc_sample *out, const pc_json *content, pc_role role)
{
    if (pc_json_is_array(content)) {
        for (size_t i = 0; i < pc_json_length(content); i++) {
            PC_TRY(add_part(row, out, pc_json_at(content, i)));
        }
        return PC_OK;
    }
    if (!pc_json_is_string(content)) {
        return pc_fail(PC_ERR_DATA, "message %zu has no text", out->conversation.count);
    }
    return add_content_text(row, &out->conversation, content, role);
}

pc_status pc_row_add_message(const pc_row *row, pc_sample *out, const pc_json *message, bool *asked)
{
    const pc_json *name = tagged(row, message, PC_TAG_ROLE);
    pc_role role;
    if (!pc_json_is_string(name)) {
        return pc_fail(PC_ERR_DATA, "message %zu does not say who speaks (\"from\" or \"role\")",
                       out->conversation.count + 1);
    }
    PC_TRY(role_of(row, pc_json_text(name), &role));
    if (!pc_json_is_null(pc_json_get(message, "tool_calls"))) {
        return pc_fail(PC_ERR_DATA, "'tool_calls' can't be trained on yet");
    }
    if (role == PC_ROLE_ASSISTANT && !*asked) {
        return PC_OK; /* the model speaks first */
    }
    *asked = *asked || role == PC_ROLE_USER;
    PC_TRY(pc_conversation_begin(&out->conversation, role));
    return add_content(row, out, tagged(row, message, PC_TAG_CONTENT), role);
}

pc_status pc_row_add_said(const pc_row *row, pc_sample *out, const pc_json *said, pc_role role)
{
    bool asked = out->conversation.count > 0 || role == PC_ROLE_ASSISTANT;
    if (pc_json_is_string(said)) {
        return pc_row_add_text(row, out, said, role);
    }
    if (pc_json_is_object(said)) {
        return pc_row_add_message(row, out, said, &asked);
    }
    if (!pc_json_is_array(said)) {
        return pc_fail(PC_ERR_DATA, "expected a text, a message or a list of messages");
    }
    for (size_t i = 0; i < pc_json_length(said); i++) {
        PC_TRY(pc_row_add_message(row, out, pc_json_at(said, i), &asked));
    }
    return PC_OK;
}

static bool matches(const pc_row *row)
{
    return pc_json_is_array(pc_row_column(row, PC_COLUMN_MESSAGES));
}

static pc_status read(const pc_row *row, pc_sample *out)
{
    const pc_json *messages = pc_row_column(row, PC_COLUMN_MESSAGES);
    bool asked = false;
    PC_TRY(pc_row_add_system(row, out));
    for (size_t i = 0; i < pc_json_length(messages); i++) {
        PC_TRY(pc_row_add_message(row, out, pc_json_at(messages, i), &asked));
    }
    return PC_OK;
}

const pc_row_shape pc_row_messages = {.name = "messages", .matches = matches, .read = read};
