/* The record of what was trained, measured and timed: one SQLite file for all of it.
 *
 * Flow: a command begins a run, adds points while it goes, ends it -> runs.db -> `percept runs` lists, shows, plots.
 * Several processes may write to one file at a time. A handle belongs to one thread.
 */
#ifndef PC_RUNS_RUNS_H
#define PC_RUNS_RUNS_H

#include "base/status.h"

#include <stdint.h>

typedef struct pc_runs pc_runs;

/* Open or make the file and the folders above it. PC_ERR_IO when it can't be written, PC_ERR_DATA when it is no registry or a
 * newer percept's. Close with pc_runs_close, which writes what waits. */
pc_status pc_runs_open(pc_runs **out, const char *path);
void pc_runs_close(pc_runs *runs); /* NULL is fine */

/* What is known at the start; texts are copied. */
typedef struct pc_run_start {
    const char *kind;     /* "train", "eval", "bench" */
    const char *name;     /* for lists: a recipe's or a model's name */
    const char *folder;   /* where its files are, or "" */
    const char *settings; /* recipe or options, as text */
} pc_run_start;

pc_status pc_runs_begin(pc_runs *runs, const pc_run_start *start, int64_t *id);
/* A value of a metric at a step. Kept in memory for up to a second, so that a step costs nothing; not-finite values are left
 * out. A second value for the same step takes the first one's place. */
pc_status pc_runs_point(pc_runs *runs, int64_t id, int64_t step, const char *metric, double value);
/* Append the line "key: value" to the settings: what is known only once the run has begun. */
pc_status pc_runs_setting(pc_runs *runs, int64_t id, const char *key, const char *value);
/* state: "done", "failed", "stopped"; result: JSON or a message, may be "". */
pc_status pc_runs_end(pc_runs *runs, int64_t id, const char *state, const char *result);

typedef struct pc_run {
    int64_t id, pid;
    const char *kind, *name, *folder, *settings, *version;
    const char *started, *ended; /* "2026-11-25T04:17:46Z"; "" while it runs */
    const char *state;           /* "running", "done", "failed", "stopped"; "died": its process is gone */
    const char *result;
    int64_t steps;               /* of its last point */
    double loss;                 /* the last one; NaN when there is none */
} pc_run;

/* The texts live during the call only. Anything but PC_OK ends the walk and is returned. */
typedef pc_status (*pc_run_fn)(void *user, const pc_run *run);
typedef pc_status (*pc_point_fn)(void *user, int64_t step, double value);
typedef pc_status (*pc_metric_fn)(void *user, const char *metric, int64_t points, double last, double least, double most);

/* The newest first, at most `limit` (0 = all). */
pc_status pc_runs_list(pc_runs *runs, int64_t limit, pc_run_fn each, void *user);
/* PC_ERR_USAGE when there is no such run. */
pc_status pc_runs_get(pc_runs *runs, int64_t id, pc_run_fn each, void *user);
pc_status pc_runs_metrics(pc_runs *runs, int64_t id, pc_metric_fn each, void *user);
pc_status pc_runs_points(pc_runs *runs, int64_t id, const char *metric, pc_point_fn each, void *user);

#endif
