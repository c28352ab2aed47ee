/* Questions answered with yes or no: how an answer is read, and the counts that precision and recall come from. */
#ifndef PC_EVAL_METRIC_YES_NO_H
#define PC_EVAL_METRIC_YES_NO_H

#include "eval/metric/metric.h"

typedef enum pc_yes_no { PC_NO, PC_YES, PC_NEITHER } pc_yes_no;

/* POPE's rule: "No", "no" or "not" among the words of the first sentence, without commas, is no; all else is yes. */
pc_yes_no pc_yes_no_pope(const char *text);
/* MME's rule, in lower case: "yes" or "no" within the first four characters. */
pc_yes_no pc_yes_no_mme(const char *text);
/* What references[0] says, in any case: yes/no, true/false, 1/0. PC_ERR_DATA for anything else. */
pc_status pc_yes_no_truth(pc_yes_no *out, const pc_metric_item *item);
const char *pc_yes_no_name(pc_yes_no answer);

typedef struct pc_confusion {
    int64_t tp, fp, tn, fn; /* positive = yes; an answer that is neither counts against its truth */
} pc_confusion;

void pc_confusion_add(pc_confusion *counts, pc_yes_no answer, pc_yes_no truth);
/* accuracy, precision, recall, f1, yes_ratio (each in percent) and n. */
pc_status pc_confusion_set(pc_json *into, const pc_confusion *counts);

#endif
