/* The replies of a model to numbered requests, a JSON object in each line, which a stopped run takes up again.
 *
 *   {"settings": {...}}                                       what the replies depend on
 *   {"request": 0, "verdict": "good", "reply": "...", ...}    line by line in the order of the requests
 *
 * A line is written at once when its reply is there: what a killed process leaves behind is whole lines and perhaps a part of one.
 * Nothing is held in memory.
 */
#ifndef PC_INSTRUCT_JOURNAL_H
#define PC_INSTRUCT_JOURNAL_H

#include "base/json.h"

#include <stdio.h>

/* Called with each line behind the first; not PC_OK ends the reading. */
typedef pc_status (*pc_journal_line)(void *user, const pc_json *line);

/* Initialise with {0}. */
typedef struct pc_journal {
    char *path;
    FILE *file;
    pc_str line;
    int64_t count; /* lines behind the first */
} pc_journal;

/* Opened or begun. PC_ERR_USAGE names the first setting that differs from those it was begun with; PC_ERR_IO also when another
 * process has it open; PC_ERR_DATA for lines that are none. Close also after a failure. */
pc_status pc_journal_open(pc_journal *out, const char *path, const pc_json *settings, pc_journal_line take, void *user);
pc_status pc_journal_append(pc_journal *journal, const pc_json *line);
/* All lines from the first request on. */
pc_status pc_journal_read(const pc_journal *journal, pc_journal_line take, void *user);
void pc_journal_close(pc_journal *journal);

#endif
