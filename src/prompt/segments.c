/* Building segments, and writing them as the text that a Jinja template would give. */
#include "prompt/segments.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void pc_segments_reset(pc_segments *segments)
{
    segments->count = 0;
    segments->status = PC_OK;
    segments->trained = false;
    segments->turn = -1;
}

void pc_segments_clear(pc_segments *segments)
{
    pc_free(segments->items);
    memset(segments, 0, sizeof *segments);
}

static void add(pc_segments *segments, pc_segment segment)
{
    if (segments->status != PC_OK) {
        return;
    }
    segments->status = pc_grow(&segments->items, &segments->capacity, segments->count + 1,
                               sizeof *segments->items,
                               "segments of a prompt");
    if (segments->status != PC_OK) {
        return;
    }
    segment.trained = segments->trained;
    segment.turn = segments->turn;
    segments->items[segments->count++] = segment;
}

void pc_segments_text_n(pc_segments *segments, const char *text, size_t length)
{
    if (length > 0) {
        add(segments, (pc_segment){.kind = PC_SEGMENT_TEXT, .text = text, .length = length});
    }
}

void pc_segments_text(pc_segments *segments, const char *text)
{
    pc_segments_text_n(segments, text, strlen(text));
}

void pc_segments_bos(pc_segments *segments)
{
    add(segments, (pc_segment){.kind = PC_SEGMENT_BOS});
}

void pc_segments_eos(pc_segments *segments)
{
    add(segments, (pc_segment){.kind = PC_SEGMENT_EOS});
}

void pc_segments_token(pc_segments *segments, const char *string)
{
    add(segments, (pc_segment){.kind = PC_SEGMENT_TOKEN, .text = string, .length = strlen(string)});
}

void pc_segments_media(pc_segments *segments, pc_media_kind kind, int index)
{
    add(segments, (pc_segment){.kind = PC_SEGMENT_MEDIA, .media = kind, .index = index});
}

void pc_segments_in_place(pc_segments *segments, const pc_conversation *conversation, const pc_message *message)
{
    for (size_t i = message->first; i < message->first + message->count; i++) {
        const pc_part *part = &conversation->parts[i];
        if (part->text) {
            pc_segments_text_n(segments, part->text, part->length);
        } else {
            pc_segments_media(segments, part->kind, part->index);
        }
    }
}

void pc_segments_content(pc_segments *segments, const pc_conversation *conversation,
                         const pc_message *message)
{
    bool opens = true;
    for (size_t i = 0; i < message->count; i++) {
        const pc_part *part = &conversation->parts[message->first + i];
        if (part->text != NULL) {
            pc_segments_text_n(segments, part->text, part->length);
            opens = false;
            continue;
        }
        pc_segments_media(segments, part->kind, part->index);
        if (opens) {
            pc_segments_text(segments, "\n");
        }
    }
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || (c >= '\x1c' && c <= '\x1f');
}

void pc_segments_trim(pc_segments *segments, size_t first)
{
    while (segments->count > first &&
           segments->items[segments->count - 1].kind == PC_SEGMENT_TEXT) {
        pc_segment *last = &segments->items[segments->count - 1];
        while (last->length > 0 && is_space(last->text[last->length - 1])) {
            last->length--;
        }
        if (last->length > 0) {
            break;
        }
        segments->count--;
    }
    while (segments->count > first && segments->items[first].kind == PC_SEGMENT_TEXT) {
        pc_segment *head = &segments->items[first];
        while (head->length > 0 && is_space(head->text[0])) {
            head->text++;
            head->length--;
        }
        if (head->length > 0) {
            break;
        }
        memmove(head, head + 1, (segments->count - first - 1) * sizeof *head);
        segments->count--;
    }
}

void pc_segments_refuse(pc_segments *segments, const char *format, ...)
{
    if (segments->status != PC_OK) {
        return;
    }
    char message[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    segments->status = pc_fail(PC_ERR_DATA, "%s", message);
}

pc_status pc_segments_write(const pc_segments *segments, const char *bos, const char *eos,
                            pc_str *out)
{
    PC_TRY(segments->status);
    for (size_t i = 0; i < segments->count; i++) {
        const pc_segment *segment = &segments->items[i];
        switch (segment->kind) {
        case PC_SEGMENT_BOS: PC_TRY(pc_str_puts(out, bos)); break;
        case PC_SEGMENT_EOS: PC_TRY(pc_str_puts(out, eos)); break;
        case PC_SEGMENT_TEXT:
        case PC_SEGMENT_TOKEN: PC_TRY(pc_str_add(out, segment->text, segment->length)); break;
        case PC_SEGMENT_MEDIA:
            PC_TRY(pc_str_printf(out, "<%s>", pc_media_kind_name(segment->media)));
            break;
        }
    }
    return PC_OK;
}
