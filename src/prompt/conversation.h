/* A conversation: messages of text and media parts, in the order in which they were said.
 *
 * Flow: a chat, a request or a dataset line -> pc_conversation -> template.h (segments) -> prompt.h
 * (token ids).
 *
 * Text is only ever text: nothing in it is read as a control token or as a place of an image. A
 * dataset whose texts mark media by "<image>" calls pc_conversation_add_marked, which is the one
 * function that looks. Media parts name their medium by index, counted for each kind on its own;
 * the pixels are held elsewhere.
 */
#ifndef PC_PROMPT_CONVERSATION_H
#define PC_PROMPT_CONVERSATION_H

#include "base/memory.h"
#include "base/status.h"

#include <stddef.h>

typedef enum pc_role { PC_ROLE_SYSTEM, PC_ROLE_USER, PC_ROLE_ASSISTANT, PC_ROLE_TOOL } pc_role;

typedef enum pc_media_kind { PC_MEDIA_IMAGE, PC_MEDIA_VIDEO, PC_MEDIA_AUDIO } pc_media_kind;
#define PC_MEDIA_KINDS 3

/* "image", "video", "audio"; "system", "user", "assistant", "tool". */
const char *pc_media_kind_name(pc_media_kind kind);
const char *pc_role_name(pc_role role);
/* PC_ERR_DATA for a name that no role has. Also takes the names of LLaVA JSON: "human" and "gpt".
 */
pc_status pc_role_parse(pc_role *out, const char *name);

typedef struct pc_part {
    const char *text;   /* UTF-8, NUL-terminated; NULL for a media part */
    size_t length;      /* bytes of text */
    pc_media_kind kind; /* of a media part */
    int index;          /* which image (video, audio) of this conversation, from 0 */
} pc_part;

typedef struct pc_message {
    pc_role role;
    size_t first; /* its parts are parts[first .. first + count) of the conversation */
    size_t count;
} pc_message;

/* Initialise with {0}. Owns its texts. */
typedef struct pc_conversation {
    pc_message *messages;
    size_t count;
    pc_part *parts;
    size_t part_count;
    int media_count[PC_MEDIA_KINDS]; /* parts of each kind */
    size_t message_capacity;
    size_t part_capacity;
    pc_arena texts;
} pc_conversation;

/* releases; leaves it empty and reusable */
void pc_conversation_clear(pc_conversation *conversation);

/* Open a new message; the add functions append to the newest one (PC_ERR_USAGE when there is none).
 * On failure the conversation is as it was. */
pc_status pc_conversation_begin(pc_conversation *conversation, pc_role role);
pc_status pc_conversation_add_text(pc_conversation *conversation, const char *text, size_t length);
pc_status pc_conversation_add_media(pc_conversation *conversation, pc_media_kind kind, int index);
/* begin + add_text of a NUL-terminated text. */
pc_status pc_conversation_say(pc_conversation *conversation, pc_role role, const char *text);
/* Take the newest message back (its texts keep their memory until the end). */
void pc_conversation_drop(pc_conversation *conversation);

/* Where marked media stand. */
typedef enum pc_markers {
    /* Where the mark is, not a byte of the text changed (raw prompts). */
    PC_MARKERS_EXACT,
    /* Where the mark is; one line feed behind a mark that opens the message is dropped, since
     * templates write it themselves. */
    PC_MARKERS_IN_PLACE,
    /* LLaVA's rule: every mark is taken out, the rest is trimmed of white space, and the media go
     * before it. */
    PC_MARKERS_FIRST,
} pc_markers;

/* add_text for dataset texts: each "<image>", "<video>" or "<audio>" becomes a media part, indices
 * continuing with the number of parts of that kind that the conversation has so far. */
pc_status pc_conversation_add_marked(pc_conversation *conversation, const char *text, size_t length,
                                     pc_markers markers);

/* The rule for media that no message mentions: of the media 0 .. count-1 of a kind, those that no
 * part refers to go to the front of the first user message, in order. PC_ERR_DATA when a part
 * refers to a medium >= count, or when media are left and there is no user message. */
pc_status pc_conversation_place_media(pc_conversation *conversation, pc_media_kind kind, int count);

#endif
