/* Preference data from a judge: VLFeedback's ratings and Silkie's pairs (Li et al. 2023, arXiv:2312.10665, section 3).
 *
 *   rows with several answers (completions.h) -> judge rates each answer from 1 to 5 on each aspect -> score = mean over the aspects
 *   -> every two answers of a row whose scores differ are a pair, the better one chosen
 *
 * By text: one request for a row has all its answers, in a drawn order, and asks for ratings with rationales (ratings_reply.h). By
 * likelihood, for local models, which need not follow a grammar: one request for each answer and aspect, and the rating is the mean of 1 to
 * 5 under the model's probabilities of these texts.
 *
 * Files: DIR/replies.jsonl (asking.h), then DIR/ratings.jsonl (VLFeedback's shape), DIR/pairs.jsonl (rows with chosen and rejected, for
 * stages dpo, rm ...), DIR/apart.jsonl. A row with a reply that is not good has no ratings.
 */
#ifndef PC_INSTRUCT_JUDGE_H
#define PC_INSTRUCT_JUDGE_H

#include "instruct/asking.h"
#include "instruct/ratings_reply.h"

enum { PC_JUDGE_MODELS = 32 };

typedef struct pc_judge_options {
    const char *const *rows; /* [row_count] files */
    int row_count;
    const char *rules;       /* file of the judge's rules and aspects: recipes/instruct/judge.json */
    const char *media_dir;   /* where pictures lie; NULL = beside the first file */
    const char *model;       /* for the settings: who judges */
    bool likelihood;         /* else by text */
    double margin;           /* scores of a pair differ by more than this; 0 = at all */
    int64_t limit;           /* rows; 0 = all */
    pc_asking_options asking;
} pc_judge_options;

/* What a model's answers were given in the mean. */
typedef struct pc_judged_model {
    char name[64];
    int64_t answers;
    double sum[PC_RATING_ASPECTS];
} pc_judged_model;

typedef struct pc_judge_counts {
    pc_asking_counts asking;
    int64_t rows, answers, pairs, ties; /* rows that were rated; ties: two answers whose scores don't differ enough */
    char aspects[PC_RATING_ASPECTS][64];
    int aspect_count;
    pc_judged_model models[PC_JUDGE_MODELS]; /* the first ones */
    int model_count;
} pc_judge_counts;

pc_status pc_judge(const pc_judge_options *options, pc_judge_counts *counts);

#endif
