/* Advantages.
 *
 * Sources: generalised advantage estimation, Schulman et al. 2015 (arXiv:1506.02438), equations 16 and 18; the reward of a
 * token, Ziegler et al. 2019 (arXiv:1909.08593), equation 2; GRPO, Shao et al. 2024 (arXiv:2402.03300), section 4.1; details
 * as in trl's PPOTrainer (the score stands at the last token that was written) and GRPOTrainer.
 * Easy to get wrong: returns are formed before the advantages are whitened; whitening goes over all tokens of the step.
 */
#include "train/advantage.h"

#include <math.h>

static const double TINY_VARIANCE = 1e-8, TINY_DEVIATION = 1e-4; /* trl's */

void pc_estimate_advantages(const double *rewards, const double *values, int64_t count, double gamma, double lambda,
                            double *advantages, double *returns)
{
    double value = 0, advantage = 0;
    for (int64_t t = count - 1; t >= 0; t--) {
        advantage = rewards[t] + gamma * value - values[t] + gamma * lambda * advantage;
        value = values[t];
        advantages[t] = advantage;
        returns[t] = advantage + value;
    }
}

static double mean_of(const double *x, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++) {
        sum += x[i];
    }
    return count > 0 ? sum / (double)count : 0;
}

/* Unbiased; 0 for a single number. */
static double variance_of(const double *x, int64_t count, double mean)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++) {
        sum += (x[i] - mean) * (x[i] - mean);
    }
    return count > 1 ? sum / (double)(count - 1) : 0;
}

void pc_whiten(double *x, int64_t count, bool keep_mean)
{
    double mean = mean_of(x, count), factor = 1 / sqrt(variance_of(x, count, mean) + TINY_VARIANCE);
    for (int64_t i = 0; i < count; i++) {
        x[i] = (x[i] - mean) * factor + (keep_mean ? mean : 0);
    }
}

static int64_t first_of(const pc_judgement *j, int64_t answer)
{
    return answer > 0 ? j->ends[answer - 1] : 0;
}

void pc_advantages_of_values(pc_judgement *j)
{
    int64_t tokens = first_of(j, j->answers);
    for (int64_t a = 0; a < j->answers; a++) {
        for (int64_t t = first_of(j, a); t < j->ends[a]; t++) {
            j->weights[t] = 1;
            j->rewards[t] = -j->params.kl_weight * j->kl[t] + (t + 1 == j->ends[a] ? j->scores[a] : 0);
        }
    }
    if (j->params.whiten_rewards) {
        pc_whiten(j->rewards, tokens, true);
    }
    for (int64_t a = 0; a < j->answers; a++) {
        int64_t first = first_of(j, a);
        pc_estimate_advantages(j->rewards + first, j->values + first, j->ends[a] - first, j->params.gamma, j->params.lambda,
                               j->advantages + first, j->returns + first);
    }
    pc_whiten(j->advantages, tokens, false);
}

void pc_advantages_of_group(pc_judgement *j)
{
    for (int64_t a = 0; a < j->answers; a++) {
        const double *group = j->scores + a / j->params.each * j->params.each;
        double mean = mean_of(group, j->params.each);
        double deviation = sqrt(variance_of(group, j->params.each, mean));
        int64_t first = first_of(j, a);
        for (int64_t t = first; t < j->ends[a]; t++) {
            j->weights[t] = 1 / (double)(j->ends[a] - first);
            j->rewards[t] = j->returns[t] = 0;
            j->advantages[t] = (j->scores[a] - mean) / (deviation + TINY_DEVIATION);
        }
    }
}
