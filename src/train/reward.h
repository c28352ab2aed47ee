/* The reward of a written answer: what a reward model says, what a rule says, and what it costs to be long or not to end.
 *
 * A rule compares the answer's text with the one that the dataset brings. One file in reward/ and one line in its list.h for
 * each.
 */
#ifndef PC_TRAIN_REWARD_H
#define PC_TRAIN_REWARD_H

#include "model/adapter.h"
#include "model/head.h"

typedef struct pc_reward_rule {
    const char *name; /* as recipes say: "match" */
    const char *help;
    /* answer and truth are zero-terminated; either may be "". */
    pc_status (*score)(const char *answer, const char *truth, double *out);
} pc_reward_rule;

const pc_reward_rule *pc_reward_rule_find(const char *name); /* NULL when unknown */
const char *pc_reward_rule_names(void);

/* Which reward an answer gets. */
typedef struct pc_reward {
    const pc_instance *judge;   /* a reward model; or NULL */
    const pc_reward_rule *rule; /* or NULL */
    double rule_weight;
    double missing_end;  /* taken off when the answer does not end */
    double length;       /* taken off in the share length / most */
    int64_t most;        /* tokens of an answer */
} pc_reward;

/* judged: the reward model's number, 0 without one. */
pc_status pc_reward_of(const pc_reward *reward, double judged, const char *answer, const char *truth, int64_t tokens,
                       bool ended, double *out);

/* A reward model as stage rm leaves it: an adapter of `base` with a head, or a model of its own with one. */
typedef struct pc_judge {
    pc_instance instance;
    pc_model *model; /* owned; NULL when it is an adapter */
    pc_adapter *adapter;
    pc_head *head;
} pc_judge;

/* base is borrowed. PC_ERR_DATA when it is of another vocabulary. Clear also after a failure. */
pc_status pc_judge_open(pc_judge *out, const pc_model *base, const char *folder);
void pc_judge_clear(pc_judge *judge);

#endif
