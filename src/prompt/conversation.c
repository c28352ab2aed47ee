/* Conversations: building, and the two rules of datasets about where media stand. */
#include "prompt/conversation.h"

#include "base/str.h"

#include <stdbool.h>
#include <string.h>

/* of one kind in one conversation; keeps indices far from overflow */
#define PC_MAX_MEDIA (1 << 16)

static const char *const media_names[PC_MEDIA_KINDS] = {"image", "video", "audio"};
static const char *const role_names[] = {"system", "user", "assistant", "tool"};

const char *pc_media_kind_name(pc_media_kind kind)
{
    return media_names[kind];
}

const char *pc_role_name(pc_role role)
{
    return role_names[role];
}

pc_status pc_role_parse(pc_role *out, const char *name)
{
    static const struct {
        const char *name;
        pc_role role;
    } names[] = {{"system", PC_ROLE_SYSTEM}, {"user", PC_ROLE_USER},   {"human", PC_ROLE_USER},
                 {"assistant", PC_ROLE_ASSISTANT}, {"gpt", PC_ROLE_ASSISTANT}, {"tool",
                                                                                PC_ROLE_TOOL}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i].name) == 0) {
            *out = names[i].role;
            return PC_OK;
        }
    }
    return pc_fail(PC_ERR_DATA,
                   "role \"%.40s\" is none of system, user (human), assistant (gpt), tool", name);
}

void pc_conversation_clear(pc_conversation *conversation)
{
    pc_free(conversation->messages);
    pc_free(conversation->parts);
    pc_arena_free(&conversation->texts);
    memset(conversation, 0, sizeof *conversation);
}

pc_status pc_conversation_begin(pc_conversation *conversation, pc_role role)
{
    PC_TRY(pc_grow(&conversation->messages, &conversation->message_capacity,
                   conversation->count + 1,
                   sizeof *conversation->messages, "messages of a conversation"));
    conversation->messages[conversation->count] = (pc_message){.role = role,
                                                               .first = conversation->part_count};
    conversation->count++;
    return PC_OK;
}

/* Put a part at position `at` of the newest message or of an earlier one; the parts behind it move
 * up. */
static pc_status insert_part(pc_conversation *conversation, size_t message, size_t at, pc_part part)
{
    PC_TRY(pc_grow(&conversation->parts, &conversation->part_capacity, conversation->part_count + 1,
                   sizeof *conversation->parts, "parts of a conversation"));
    pc_part *place = conversation->parts + at;
    memmove(place + 1, place, (conversation->part_count - at) * sizeof *place);
    *place = part;
    conversation->part_count++;
    conversation->messages[message].count++;
    if (part.text == NULL) {
        conversation->media_count[part.kind]++;
    }
    for (size_t m = message + 1; m < conversation->count; m++) {
        conversation->messages[m].first++;
    }
    return PC_OK;
}

static pc_status append_part(pc_conversation *conversation, pc_part part)
{
    if (conversation->count == 0) {
        return pc_fail(PC_ERR_USAGE, "a part was added to a conversation without messages");
    }
    return insert_part(conversation, conversation->count - 1, conversation->part_count, part);
}

pc_status pc_conversation_add_text(pc_conversation *conversation, const char *text, size_t length)
{
    size_t size;
    char *copy = pc_add_size(length, 1, &size) ? pc_arena_alloc(&conversation->texts, size,
                                                                1) : NULL;
    if (copy == NULL) {
        return pc_fail_memory(length, "a message's text");
    }
    if (length > 0) {
        memcpy(copy, text, length);
    }
    return append_part(conversation, (pc_part){.text = copy, .length = length});
}

pc_status pc_conversation_add_media(pc_conversation *conversation, pc_media_kind kind, int index)
{
    if (index < 0 || index >= PC_MAX_MEDIA) {
        return pc_fail(PC_ERR_DATA, "%s index %d is outside 0 .. %d", media_names[kind], index,
                       PC_MAX_MEDIA - 1);
    }
    return append_part(conversation, (pc_part){.kind = kind, .index = index});
}

/* Take back what a composed call added after `mark` (the texts stay in the arena until the end). */
static void cut_back(pc_conversation *conversation, const pc_conversation *mark)
{
    conversation->count = mark->count;
    conversation->part_count = mark->part_count;
    memcpy(conversation->media_count, mark->media_count, sizeof mark->media_count);
    if (mark->count > 0) {
        pc_message *last = &conversation->messages[mark->count - 1];
        last->count = mark->part_count - last->first;
    }
}

pc_status pc_conversation_say(pc_conversation *conversation, pc_role role, const char *text)
{
    pc_conversation mark = *conversation;
    PC_TRY(pc_conversation_begin(conversation, role));
    pc_status status = pc_conversation_add_text(conversation, text, strlen(text));
    if (status != PC_OK) {
        cut_back(conversation, &mark);
    }
    return status;
}

void pc_conversation_drop(pc_conversation *conversation)
{
    if (conversation->count == 0) {
        return;
    }
    const pc_message *last = &conversation->messages[--conversation->count];
    for (size_t p = last->first; p < conversation->part_count; p++) {
        if (conversation->parts[p].text == NULL) {
            conversation->media_count[conversation->parts[p].kind]--;
        }
    }
    conversation->part_count = last->first;
}

/* The first "<image>", "<video>" or "<audio>" at or behind `from`; returns its offset, or length
 * when none. */
static size_t find_mark(const char *text, size_t length, size_t from, pc_media_kind *kind,
                        size_t *mark_length)
{
    for (size_t i = from; i < length; i++) {
        if (text[i] != '<') {
            continue;
        }
        for (int k = 0; k < PC_MEDIA_KINDS; k++) {
            size_t n = strlen(media_names[k]);
            if (length - i >= n + 2 && memcmp(text + i + 1, media_names[k], n) == 0 &&
                text[i + 1 + n] == '>') {
                *kind = (pc_media_kind)k;
                *mark_length = n + 2;
                return i;
            }
        }
    }
    return length;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static pc_status add_in_place(pc_conversation *conversation, const char *text, size_t length,
                              pc_markers markers)
{
    size_t at = 0;
    bool opens = true; /* only media so far */
    while (at < length) {
        pc_media_kind kind = PC_MEDIA_IMAGE;
        size_t mark_length = 0;
        size_t mark = find_mark(text, length, at, &kind, &mark_length);
        if (mark > at) {
            PC_TRY(pc_conversation_add_text(conversation, text + at, mark - at));
            opens = false;
        }
        if (mark == length) {
            break;
        }
        PC_TRY(pc_conversation_add_media(conversation, kind, conversation->media_count[kind]));
        at = mark + mark_length;
        if (opens && markers == PC_MARKERS_IN_PLACE && at < length && text[at] == '\n') {
            at++;
        }
    }
    return PC_OK;
}

/* LLaVA: preprocess_multimodal replaces every mark by nothing, strips, and writes the marks in
 * front. */
static pc_status add_media_first(pc_conversation *conversation, const char *text, size_t length)
{
    pc_str rest = {0};
    pc_status status = PC_OK;
    for (size_t at = 0; at < length;) {
        pc_media_kind kind = PC_MEDIA_IMAGE;
        size_t mark_length = 0;
        size_t mark = find_mark(text, length, at, &kind, &mark_length);
        PC_GO(pc_str_add(&rest, text + at, mark - at));
        if (mark < length) {
            PC_GO(pc_conversation_add_media(conversation, kind, conversation->media_count[kind]));
        }
        at = mark + mark_length;
    }
    size_t first = 0;
    size_t last = rest.length;
    while (first < last && is_space(rest.data[first])) {
        first++;
    }
    while (last > first && is_space(rest.data[last - 1])) {
        last--;
    }
    if (last > first) {
        PC_GO(pc_conversation_add_text(conversation, rest.data + first, last - first));
    }
done:
    pc_str_clear(&rest);
    return status;
}

pc_status pc_conversation_add_marked(pc_conversation *conversation, const char *text, size_t length,
                                     pc_markers markers)
{
    pc_conversation mark = *conversation;
    if (conversation->count == 0) {
        return pc_fail(PC_ERR_USAGE, "a part was added to a conversation without messages");
    }
    pc_status status = markers == PC_MARKERS_FIRST ? add_media_first(conversation, text, length)
                                                   : add_in_place(conversation, text, length,
                                                                  markers);
    if (status != PC_OK) {
        cut_back(conversation, &mark);
    }
    return status;
}

/* seen[i] = some part refers to medium i; PC_ERR_DATA when one refers to a medium that is not
 * there. */
static pc_status note_mentioned(const pc_conversation *conversation, pc_media_kind kind, int count,
                                bool *seen)
{
    for (size_t i = 0; i < conversation->part_count; i++) {
        const pc_part *part = &conversation->parts[i];
        if (part->text != NULL || part->kind != kind) {
            continue;
        }
        if (part->index >= count) {
            return pc_fail(PC_ERR_DATA, "the conversation mentions %s %d, but only %d %s given",
                           media_names[kind],
                           part->index + 1, count, count == 1 ? "is" : "are");
        }
        seen[part->index] = true;
    }
    return PC_OK;
}

pc_status pc_conversation_place_media(pc_conversation *conversation, pc_media_kind kind, int count)
{
    bool *seen = NULL;
    pc_status status = PC_OK;
    if (count < 0 || count > PC_MAX_MEDIA) {
        return pc_fail(PC_ERR_DATA, "%d %ss in one conversation: at most %d are taken", count,
                       media_names[kind],
                       PC_MAX_MEDIA);
    }
    PC_GO(PC_NEW_ARRAY(seen, (size_t)count, "places of media"));
    PC_GO(note_mentioned(conversation, kind, count, seen));
    size_t user = 0;
    while (user < conversation->count && conversation->messages[user].role != PC_ROLE_USER) {
        user++;
    }
    size_t at = user < conversation->count ? conversation->messages[user].first : 0;
    for (int index = 0; index < count; index++) {
        if (seen[index]) {
            continue;
        }
        if (user == conversation->count) {
            status = pc_fail(PC_ERR_DATA,
                             "%s %d has no place: the conversation has no user message",
                             media_names[kind], index + 1);
            goto done;
        }
        PC_GO(insert_part(conversation, user, at, (pc_part){.kind = kind, .index = index}));
        at++;
    }
done:
    pc_free(seen);
    return status;
}
