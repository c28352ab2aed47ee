/* Stop texts: where an answer ends although the model goes on.
 *
 * Flow: text pieces as they are decoded -> pc_stop_push -> text that is certain. What may be the
 * beginning of a stop text is held back until it is decided. A stop text is never part of the
 * output; nor is anything behind it. Given whole UTF-8 characters (pc_token_stream gives them) and
 * stop texts of whole characters, the output is whole too.
 */
#ifndef PC_DECODE_STOP_H
#define PC_DECODE_STOP_H

#include "base/status.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

/* Initialise with {0}; release with pc_stop_clear. */
typedef struct pc_stop {
    struct pc_stop_text *texts;
    size_t count;
    size_t capacity;
    pc_str held; /* bytes that may begin a stop text */
    bool stopped;
} pc_stop;

/* Add one stop text (copied). PC_ERR_USAGE when it is empty. */
pc_status pc_stop_add(pc_stop *stop, const char *text);
/* Add each of a NULL-terminated list; NULL adds nothing. */
pc_status pc_stop_add_all(pc_stop *stop, const char *const *texts);
void pc_stop_clear(pc_stop *stop);
/* Begin a new answer; the stop texts stay. */
void pc_stop_reset(pc_stop *stop);

/* Append to *out what has become certain. After a match stop->stopped is true, and further pushes
 * add nothing. When two stop texts end at the same byte, the longer one counts. */
pc_status pc_stop_push(pc_stop *stop, const char *bytes, size_t length, pc_str *out);
/* The answer is over: append what was held back, unless stopped. */
pc_status pc_stop_finish(pc_stop *stop, pc_str *out);

#endif
