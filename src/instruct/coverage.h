/* Which task a question and its answer are: what a dataset covers, and how evenly.
 *
 * By words and by the shape of the answer, in English and Chinese; the first task in the order of pc_coverage_name that fits. It is a rule,
 * not a judgement: a question in unusual words counts as "other". */
#ifndef PC_INSTRUCT_COVERAGE_H
#define PC_INSTRUCT_COVERAGE_H

#include <stddef.h>

enum { PC_COVERAGE_TASKS = 14 };

/* One exchange. */
typedef struct pc_exchange {
    const char *question, *answer; /* NUL-terminated UTF-8 */
    int pictures;                  /* that the conversation has */
} pc_exchange;

/* 0 .. PC_COVERAGE_TASKS - 1; the last is "other". */
int pc_coverage_task(const pc_exchange *exchange);
const char *pc_coverage_name(int task);

#endif
