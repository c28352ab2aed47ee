/* Several answers to each prompt, for a judge to compare: what VLFeedback draws from its pool of models.
 *
 *   a row's prompt and picture -> model, `answers` times -> the row with these in its "completions", behind those that are there
 *
 * One call asks one model; its output is the input of the next. Files: DIR/replies.jsonl (asking.h), then DIR/answers.jsonl. Answers that
 * were cut or failed are left out and counted.
 */
#ifndef PC_INSTRUCT_ANSWERS_H
#define PC_INSTRUCT_ANSWERS_H

#include "instruct/asking.h"

typedef struct pc_answers_options {
    const char *const *rows; /* [row_count] files, completions.h */
    int row_count;
    const char *media_dir;   /* where pictures lie; NULL = beside the first file */
    const char *model;       /* as completions name it */
    int64_t answers;         /* to each prompt */
    int64_t limit;           /* rows; 0 = all */
    pc_asking_options asking;
} pc_answers_options;

typedef struct pc_answers_counts {
    pc_asking_counts asking;
    int64_t rows, answers; /* answers: in all rows, with those that were there */
} pc_answers_counts;

pc_status pc_collect_answers(const pc_answers_options *options, pc_answers_counts *counts);

#endif
