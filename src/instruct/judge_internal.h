/* What judging keeps. Internal to judge.c and judge_rows.c. */
#ifndef PC_INSTRUCT_JUDGE_INTERNAL_H
#define PC_INSTRUCT_JUDGE_INTERNAL_H

#include "data/row_file.h"
#include "instruct/completions.h"
#include "instruct/judge.h"
#include "instruct/row_source.h"

typedef struct pc_judging {
    const pc_judge_options *options;
    pc_judge_counts *counts;
    pc_json *rules;
    const char *system, *single; /* rules for all answers of a row, and for one */
    const char *aspects[PC_RATING_ASPECTS], *about[PC_RATING_ASPECTS];
    size_t aspect_count;
    pc_row_source source;
    int64_t *first;  /* [rows + 1]: a row's first request */
    pc_completions row;
    int64_t at;      /* the row at hand; -1 = none */
    size_t order[PC_COMPLETIONS_MOST]; /* in which its answers are shown */
    pc_ratings ratings;
    bool whole;      /* every reply of the row so far was good */
    char *media_dir;
    pc_str text;
    pc_row_file rated, pairs, apart;
} pc_judging;

/* The row that a request belongs to becomes the one at hand. */
pc_status pc_judging_look_at(pc_judging *judging, int64_t row);
/* j->ratings of the row at hand, whose answers are rated: its lines in the files. */
pc_status pc_judging_write(pc_judging *judging);

#endif
