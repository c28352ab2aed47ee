/* In-context learning: solved examples that stand before each question.
 *
 * Flow: questions of another task (or the same with other data) -> a pool -> for each question N examples -> turns of the
 * conversation before it: picture and question, then the answer.
 *
 *   random    N of the pool, drawn once
 *   balanced  the same, as many of each answer as can be
 *   similar   the N whose pictures are most like the question's, the most alike last (RICES, Yang et al. 2022): by the cosine of the mean of the
 *             soft tokens that the model's own encoder and connector give
 *
 * The first two put the same turns before every question, so that their keys and values are computed once.
 */
#ifndef PC_EVAL_SHOTS_H
#define PC_EVAL_SHOTS_H

#include "decode/local.h"
#include "eval/task.h"

enum { PC_SHOTS_MOST = 32 };

typedef struct pc_shot {
    char *question, *answer, *path; /* path: of the picture's file, or NULL */
    pc_image *image;                /* or the picture itself, or NULL */
    float *features;                /* [D'], of length 1; NULL: no picture, or not wanted */
} pc_shot;

typedef struct pc_shots_options {
    const char *select;  /* "random", "balanced" or "similar" */
    int64_t count;       /* N, 1 .. PC_SHOTS_MOST */
    int64_t pool;        /* questions that are looked at, at least N */
    uint64_t seed;       /* of the drawing */
    const pc_task *task; /* whose questions are the pool */
    pc_task_options task_options;
    pc_local *local;     /* who looks at pictures for "similar"; NULL = nobody */
} pc_shots_options;

typedef struct pc_shots pc_shots;

/* PC_ERR_USAGE for an unknown way to select and when the pool has fewer questions than N; further failures are the task's. */
pc_status pc_shots_new(pc_shots **out, const pc_shots_options *options);
void pc_shots_free(pc_shots *shots); /* NULL is fine */

size_t pc_shots_count(const pc_shots *shots);
/* chosen [N]: the examples for a question, in the order in which they are shown; borrowed. */
pc_status pc_shots_choose(pc_shots *shots, const pc_task_question *question, const pc_shot **chosen);

#endif
