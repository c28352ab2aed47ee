/* The answers to a task's questions in a JSONL file that a stopped run takes up again.
 *
 * A line is {"id", "kind", "question", "truth", "answer", "right"}, with "cut": true when the answer ended at its largest
 * length. It is written at once when its question is answered: what a killed process leaves behind is whole lines and
 * perhaps a part of one.
 */
#ifndef PC_EVAL_SAMPLES_H
#define PC_EVAL_SAMPLES_H

#include "base/json.h"

#include <stdint.h>

typedef struct pc_samples pc_samples;

/* The lines that stand there are read; behind them new ones are appended. PC_ERR_DATA names file and line of what is no
 * sample; PC_ERR_IO also when another process has it open. */
pc_status pc_samples_open(pc_samples **out, const char *path);
/* The next line that stood there, borrowed until the next call; NULL behind the last. */
const pc_json *pc_samples_next(pc_samples *samples);
/* Where the last one of pc_samples_next stands: "file:line". */
const char *pc_samples_where(const pc_samples *samples);
pc_status pc_samples_append(pc_samples *samples, const pc_json *sample);
/* NULL is fine. PC_ERR_IO when the last lines could not be written. */
pc_status pc_samples_close(pc_samples *samples);

#endif
