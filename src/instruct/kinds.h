/* Kinds of instructions that a model writes: what it is told, which examples it sees, how its reply is read. From data files that users
 * extend.
 *
 *   {"kinds": {NAME: {LANGUAGE: {"system": "...", "context": ["captions", "boxes"], "picture": false, "reply": "turns" | "turn" | "answer",
 *                                "ask": ["..."], "seeds": [{"context": "...", "reply": "..."}]}}},
 *    "refusals": {LANGUAGE: ["I'm sorry", ...]}, "leaks": {LANGUAGE: ["caption", ...]}}
 *
 * "turns": questions and answers (replies.h); "turn": exactly one; "answer": the reply answers a question drawn from "ask". A later file's
 * kind takes the place of an earlier one of its name; its refusals and leaks come beside those that are there.
 */
#ifndef PC_INSTRUCT_KINDS_H
#define PC_INSTRUCT_KINDS_H

#include "base/json.h"

#include <stddef.h>

typedef enum pc_reply_form { PC_REPLY_TURNS, PC_REPLY_TURN, PC_REPLY_ANSWER } pc_reply_form;

/* Borrowed from the kinds. */
typedef struct pc_kind {
    const char *name, *system;
    bool captions, boxes; /* the context has them */
    bool picture;         /* the request shows the picture */
    pc_reply_form form;
    const pc_json *ask;   /* list of texts */
    const pc_json *seeds; /* list of {"context", "reply"}; may be none */
} pc_kind;

typedef struct pc_kinds pc_kinds;

/* PC_ERR_DATA names file and kind for what is none. Free with pc_kinds_free. */
pc_status pc_kinds_open(pc_kinds **out, const char *const *paths, int count, const char *language);
void pc_kinds_free(pc_kinds *kinds); /* NULL is fine */
/* PC_ERR_USAGE when there is no kind of this name in the language; the message lists those that are. */
pc_status pc_kinds_find(const pc_kinds *kinds, const char *name, size_t length, pc_kind *out);
/* Texts that mark a refusal; texts that an answer must not say. NULL-terminated. */
const char *const *pc_kinds_refusals(const pc_kinds *kinds);
const char *const *pc_kinds_leaks(const pc_kinds *kinds);

#endif
