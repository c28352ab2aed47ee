/* Two evaluations of the same questions, compared pair by pair.
 *
 * Flow: samples_TASK.jsonl of two folders -> pc_compare_samples -> difference, its interval, p.
 */
#ifndef PC_EVAL_COMPARE_H
#define PC_EVAL_COMPARE_H

#include "base/status.h"

#include <stdint.h>

typedef struct pc_comparison {
    int64_t asked;
    int64_t right_a, right_b;
    int64_t only_a, only_b;    /* right in one alone */
    double difference;         /* accuracy of B - accuracy of A */
    double low, high;          /* 95 %, from 2000 resamplings of the questions (paired bootstrap) */
    double p;                  /* McNemar's exact test, two-sided: both equally often right alone */
} pc_comparison;

/* a, b: files whose lines have "id" and "right". PC_ERR_DATA when they don't hold the same ids in the same order. */
pc_status pc_compare_samples(pc_comparison *out, const char *a, const char *b);
/* The probability of min(only_a, only_b) or fewer of one kind and of the other tail, if each had probability 1/2. */
double pc_mcnemar(int64_t only_a, int64_t only_b);

#endif
