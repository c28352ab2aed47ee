/* environment.json of an evaluation's folder: all that holds a time or a machine, so that results.json holds none; and of each
 * task the setup that its answers were got with, so that a run is never continued with another model or other options.
 *
 *   {"tasks": {NAME: {"setup": {...}, "seconds", "threads", "host", "processor", "ended"}}}
 */
#ifndef PC_EVAL_ENVIRONMENT_H
#define PC_EVAL_ENVIRONMENT_H

#include "base/json.h"

/* Note `setup` (taken over, also on failure) before the first question. PC_ERR_USAGE when `samples` exists with another setup; it
 * names the key that differs. */
pc_status pc_environment_claim(const char *folder, const char *task, const char *samples, pc_json *setup);
/* Note how a task went. threads 0 = one for each processor. */
pc_status pc_environment_note(const char *folder, const char *task, double seconds, int threads);

/* What tells one state of a model's files from another without reading them: a digest of the names, sizes and times of change
 * of the files in a folder, or of a file. */
pc_status pc_environment_stamp(char out[65], const char *path);

#endif
