/* Commands that are worth remembering enter the record of runs (runs/runs.h). A record that can't be kept is a warning, never
 * a failure of the command.
 *
 * The file: PERCEPT_RUNS when it is set (empty: nothing is recorded), else $XDG_DATA_HOME/percept/runs.db, else
 * ~/.local/share/percept/runs.db.
 */
#ifndef PC_CLI_RECORD_H
#define PC_CLI_RECORD_H

#include "runs/runs.h"

/* {0} is closed. */
typedef struct pc_record {
    pc_runs *runs;
    int64_t id;
} pc_record;

/* *out = the path (pc_free), NULL when nothing is to be recorded. */
pc_status pc_record_path(char **out);
void pc_record_begin(pc_record *record, const pc_run_start *start);
void pc_record_point(pc_record *record, int64_t step, const char *metric, double value);
void pc_record_setting(pc_record *record, const char *key, const char *value);
/* result: JSON of what came out, or NULL; a failure's message takes its place. */
void pc_record_end(pc_record *record, pc_status status, const char *result);

#endif
