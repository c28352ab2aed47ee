/* What models reply, taken apart by a grammar; anything else is malformed, with the reason. */
#ifndef PC_INSTRUCT_REPLIES_H
#define PC_INSTRUCT_REPLIES_H

#include "base/memory.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

enum { PC_REPLY_REASON = 160 };

/* A question with its answer, in the arena. */
typedef struct pc_turn {
    const char *question, *answer;
} pc_turn;

/* Initialise with {0}; reusable; release with pc_turns_clear. */
typedef struct pc_turns {
    pc_turn *turn;
    size_t count, room;
    pc_arena texts;
} pc_turns;
void pc_turns_clear(pc_turns *turns);

/* LLaVA's grammar of self-instruction: blocks that begin with a label, in English or Chinese, "Question:" and "Answer:" by turns, lines
 * of "=" between them left out:
 *
 *   Question:
 *   What is the man doing?
 *   ===
 *   Answer:
 *   He is riding a horse.
 *
 * What stands before the first label is left out. *good = false and a reason when a question has no answer or the other way round, when
 * one is empty, or when there is none. */
pc_status pc_reply_turns(pc_turns *out, const char *reply, bool *good, char reason[PC_REPLY_REASON]);

/* Numbered texts: "[1] ...", "[2] ..." from 1 to `count`, each beginning a line. out[i].answer is the text; questions are NULL. */
pc_status pc_reply_numbered(pc_turns *out, const char *reply, size_t count, bool *good, char reason[PC_REPLY_REASON]);

/* Does the beginning of a reply say one of these (NULL-terminated, any case of ASCII letters)? */
bool pc_reply_begins_with_any(const char *reply, const char *const *phrases);

#endif
