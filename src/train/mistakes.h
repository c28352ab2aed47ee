/* Pairs for preference training from a model's own mistakes: it answers what a dataset asks, several times; a rule says how good
 * each answer is against the one that the dataset brings; the best stands against the worst.
 *
 * Flow: recipe of a stage that writes answers (ppo, grpo) -> prompts -> generate.h -> reward.h -> pairs.jsonl, images/.
 * The pairs are rows that stage dpo and rm read: images, messages, chosen, rejected.
 */
#ifndef PC_TRAIN_MISTAKES_H
#define PC_TRAIN_MISTAKES_H

#include "tensor/backend.h"
#include "train/recipe.h"

typedef struct pc_mistake_options {
    const char *folder; /* gets pairs.jsonl and images/ */
    int64_t most;       /* prompts that are asked; 0 = all there are */
    int64_t pairs;      /* as soon as there are so many, it ends; 0 = never */
    void *user;
    void (*progress)(void *user, int64_t asked, int64_t pairs); /* NULL = not wanted */
    int (*stop)(void *user); /* non-zero ends it with PC_ERR_INTERRUPTED; NULL = never */
} pc_mistake_options;

typedef struct pc_mistake_counts {
    int64_t asked;   /* prompts */
    int64_t skipped; /* samples that can't be asked: broken, too long */
    int64_t pairs;
    int64_t agreed;  /* prompts without a pair: all answers equally good */
    int64_t truths;  /* pairs whose chosen answer is the dataset's, since no answer was as good */
    int64_t answers, cut; /* written; of them, those that max_new_tokens cut or that are no UTF-8: they are in no pair */
    double score;    /* mean over the answers */
} pc_mistake_counts;

/* PC_ERR_USAGE when the recipe's stage writes no answers, or gives no reward_rule. The same recipe gives the same pairs. */
pc_status pc_mistakes_make(const pc_recipe *recipe, const pc_backend *backend, const pc_mistake_options *options,
                           pc_mistake_counts *counts);

#endif
