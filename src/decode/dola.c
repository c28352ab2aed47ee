/* Decoding by contrasting layers: what the last layer knows beyond an earlier one.
 *
 *   M = the layer whose distribution is farthest from the last one's (Jensen-Shannon)
 *   scores = ln p_N - ln p_M, among tokens with p_N >= relative_top max p_N
 *
 * Source: Chuang et al. 2023, arXiv:2309.03883, equations 3 to 6; layers "low" and "high" are transformers' halves. States
 * pass through the final norm before the head.
 */
#include "decode/method.h"

#include <math.h>

typedef struct dola_config {
    int layers;
    double relative_top;
} dola_config;

static const char *const halves[] = {"low", "high", NULL};

static const pc_field fields[] = {
    {.name = "layers", .type = PC_FIELD_CHOICE, .offset = offsetof(dola_config, layers), .choices = halves,
     .help = "early layers: every second of the lower or of the upper half"},
    {.name = "relative_top", .type = PC_FIELD_FLOAT, .offset = offsetof(dola_config, relative_top), .fallback = "0.1",
     .low = 0, .high = 1, .help = "tokens less likely than this share of the likeliest are never taken"},
};

static int layers(const void *config, int64_t count, int *out)
{
    bool high = ((const dola_config *)config)->layers == 1;
    int64_t half = count <= 40 ? count / 2 : 20;
    int64_t from = !high ? 0 : count <= 40 ? half : count - half, to = high ? count : half;
    int found = 0;
    for (int64_t layer = from; layer < to && found < PC_METHOD_LAYERS; layer += 2) {
        out[found++] = (int)layer;
    }
    if (!found) { /* a model of one layer */
        out[found++] = 0;
    }
    return found;
}

/* Twice the Jensen-Shannon divergence of two rows of logits. */
static double divergence(const float *a, const float *b, int64_t count)
{
    double sum_a = pc_log_sum(a, count), sum_b = pc_log_sum(b, count), sum = 0;
    for (int64_t i = 0; i < count; i++) {
        double p = (double)a[i] - sum_a, q = (double)b[i] - sum_b;
        double middle = (exp(p) + exp(q)) / 2;
        sum += middle > 0 ? middle * (2 * log(middle) - p - q) : 0;
    }
    return sum;
}

static void mix(const void *config, const pc_method_step *step, float *scores)
{
    int64_t count = step->vocabulary;
    const float *early = step->layers;
    double farthest = -1;
    for (int i = 0; i < step->layer_count && step->layer_count > 1; i++) {
        double distance = divergence(step->plain, step->layers + i * count, count);
        if (distance > farthest) {
            farthest = distance;
            early = step->layers + i * count;
        }
    }
    double late_sum = pc_log_sum(step->plain, count), early_sum = pc_log_sum(early, count);
    double least = (double)pc_largest(step->plain, count) + log(((const dola_config *)config)->relative_top);
    for (int64_t i = 0; i < count; i++) {
        double late = (double)step->plain[i];
        scores[i] = late < least ? -INFINITY : (float)(late - late_sum - (double)early[i] + early_sum);
    }
}

const pc_method pc_method_dola = {
    .name = "dola",
    .help = "contrast of layers: against what an early layer would say",
    .fields = {fields, sizeof fields / sizeof fields[0]},
    .config_size = sizeof(dola_config),
    .layers = layers,
    .mix = mix,
};
