/* report.html: what an evaluation found, on one page without other files: accuracy by kind, metrics, and questions with their
 * pictures, answers and truths to leaf through. The same answers give the same bytes. */
#ifndef PC_EVAL_REPORT_H
#define PC_EVAL_REPORT_H

#include "eval/tally.h"

/* All borrowed. */
typedef struct pc_report_task {
    const char *name, *metric; /* metric: its key in the result, "" = none */
    const pc_task *task;
    pc_task_options options; /* the task is opened again for its pictures */
    const pc_tally *score;
    const pc_json *samples;  /* array, in the task's order */
    const pc_json *result;   /* of results.json */
} pc_report_task;

enum { PC_REPORT_SHOWN = 60 }; /* questions with their pictures, of each task; wrong ones first */

pc_status pc_report_write(const char *path, const char *title, const pc_report_task *tasks, int count);

#endif
