/* Segments: what a chat template makes of a conversation, before any token exists.
 *
 * Flow: template.h (conversation) -> segments -> prompt.h (ids), or -> the text that Hugging Face's
 * Jinja would give.
 *
 * A segment is a piece of text, one control token, or one medium. Control tokens enter here and
 * only here; texts are never searched for them. Neighbouring texts are tokenised together, as the
 * rendered string would be. Texts are borrowed from the conversation and from constant strings, so
 * segments live no longer than their conversation.
 *
 * The builder is sticky: after a failure the add functions do nothing, and `status` keeps the code.
 * A template so needs no checks. Initialise with {0}, release with pc_segments_clear.
 */
#ifndef PC_PROMPT_SEGMENTS_H
#define PC_PROMPT_SEGMENTS_H

#include "base/str.h"
#include "prompt/conversation.h"

#include <stdbool.h>

typedef enum pc_segment_kind {
    PC_SEGMENT_TEXT,
    PC_SEGMENT_BOS,   /* the tokenizer's token for the beginning of a sequence */
    PC_SEGMENT_EOS,   /* ... and for the end */
    PC_SEGMENT_TOKEN, /* the control token whose string is `text` */
    PC_SEGMENT_MEDIA,
} pc_segment_kind;

typedef struct pc_segment {
    pc_segment_kind kind;
    bool trained;       /* the loss counts: an answer and the token that ends it */
    int turn;           /* 0 for the first user message and its answer; -1 before it */
    const char *text;   /* PC_SEGMENT_TEXT, PC_SEGMENT_TOKEN; not NUL-terminated */
    size_t length;      /* bytes */
    pc_media_kind media; /* PC_SEGMENT_MEDIA */
    int index;          /* which medium of its kind */
} pc_segment;

typedef struct pc_segments {
    pc_segment *items;
    size_t count;
    size_t capacity;
    pc_status status; /* of the first failure */
    bool trained;     /* given to each new segment */
    int turn;         /* given to each new segment */
} pc_segments;

void pc_segments_reset(pc_segments *segments); /* empty, memory kept */
void pc_segments_clear(pc_segments *segments);

/* constant string; "" adds nothing */
void pc_segments_text(pc_segments *segments, const char *text);
void pc_segments_text_n(pc_segments *segments, const char *text, size_t length);
void pc_segments_bos(pc_segments *segments);
void pc_segments_eos(pc_segments *segments);
void pc_segments_token(pc_segments *segments, const char *string);
void pc_segments_media(pc_segments *segments, pc_media_kind kind, int index);

/* All parts of a message. Media that open it are each followed by a line feed (LLaVA: "<image>\n"
 * before the text); media behind text stand bare where they were put. */
void pc_segments_content(pc_segments *segments, const pc_conversation *conversation,
                         const pc_message *message);

/* The same with all media where they stand, and nothing between. */
void pc_segments_in_place(pc_segments *segments, const pc_conversation *conversation, const pc_message *message);

/* Trim white space (as Python's str.strip, ASCII only) at both ends of what was added from segment
 * `first` on: a text at the very front loses its beginning, texts at the very end their ends. */
void pc_segments_trim(pc_segments *segments, size_t first);

/* Record a failure from a template: message + PC_ERR_DATA. */
void pc_segments_refuse(pc_segments *segments, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Append the string that the checkpoint's Jinja template gives: control tokens by their strings,
 * media as "<image>", "<video>", "<audio>". For showing and for tests; ids are never made from it.
 */
pc_status pc_segments_write(const pc_segments *segments, const char *bos, const char *eos,
                            pc_str *out);

#endif
