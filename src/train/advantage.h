/* How much better each token of a written answer was than expected: PPO's and GRPO's ways to tell.
 *
 * Takes: scores of whole answers, and each token's distance to the reference and value. Gives: advantages and returns.
 */
#ifndef PC_TRAIN_ADVANTAGE_H
#define PC_TRAIN_ADVANTAGE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct pc_advantage_params {
    double kl_weight; /* what distance to the reference costs, for each token */
    double gamma, lambda;
    bool whiten_rewards; /* rewards of all tokens get variance 1 first; their mean stays */
    int64_t each;        /* answers to one prompt, one behind the other */
} pc_advantage_params;

/* All answers of a step, N tokens one behind the other. */
typedef struct pc_judgement {
    pc_advantage_params params;
    int64_t answers;       /* A */
    const int64_t *ends;   /* [A]: behind each answer */
    const double *scores;  /* [A] */
    const double *kl;      /* [N]: log p - log p_ref */
    const double *values;  /* [N] */
    double *rewards;       /* [N]: written, as what follows */
    double *advantages, *returns;
    double *weights;       /* [N]: of each token in the loss */
} pc_judgement;

typedef void pc_advantages(pc_judgement *judgement);

/* PPO: rewards -kl_weight (log p - log p_ref) at each token, the score at the last one; generalised advantage estimation
 * over the values; the advantages of all tokens together get mean 0 and variance 1. */
pc_advantages pc_advantages_of_values;
/* GRPO: the score against those of the other answers to the prompt, (score - mean) / (deviation + 1e-4), for each token of
 * the answer, in which a token counts 1 / length. */
pc_advantages pc_advantages_of_group;

/* One answer: A_t = r_t + gamma V_t+1 - V_t + gamma lambda A_t+1, behind the last token V = A = 0; R_t = A_t + V_t. */
void pc_estimate_advantages(const double *rewards, const double *values, int64_t count, double gamma, double lambda,
                            double *advantages, double *returns);
/* Variance 1 (by the unbiased estimate), and mean 0 unless keep_mean. */
void pc_whiten(double *x, int64_t count, bool keep_mean);

#endif
