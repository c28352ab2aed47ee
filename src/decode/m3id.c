/* Multi-modal mutual-information decoding: the longer an answer, the more it is pulled to what depends on the picture.
 *
 *   scores = l_c + [max p_c < confident] (1 - g) / g (l_c - l_u), g = exp(-decay t)
 *
 * l_c: log-probabilities with the pictures, l_u: without them; t: tokens of the answer so far. Source: Favero et al. 2024,
 * arXiv:2403.14003, equation 5.
 */
#include "decode/method.h"

#include <math.h>

typedef struct m3id_config {
    double decay, confident;
} m3id_config;

static const pc_field fields[] = {
    {.name = "decay", .type = PC_FIELD_FLOAT, .offset = offsetof(m3id_config, decay), .fallback = "0.02", .low = 0, .high = 10,
     .help = "how fast an answer forgets the picture, for each token"},
    {.name = "confident", .type = PC_FIELD_FLOAT, .offset = offsetof(m3id_config, confident), .fallback = "0.4", .low = 0,
     .high = 1, .help = "a likeliest token of at least this probability is left alone"},
};

static bool view(const void *config, pc_view *view)
{
    (void)config;
    view->without_media = true;
    return true;
}

static void mix(const void *config, const pc_method_step *step, float *scores)
{
    const m3id_config *c = config;
    double with = pc_log_sum(step->plain, step->vocabulary), without = pc_log_sum(step->other, step->vocabulary);
    double left = exp(-c->decay * (double)step->written);
    bool sure = exp((double)pc_largest(step->plain, step->vocabulary) - with) >= c->confident;
    double pull = sure || left <= 0 ? 0 : (1 - left) / left;
    for (int64_t i = 0; i < step->vocabulary; i++) {
        double seen = (double)step->plain[i] - with, unseen = (double)step->other[i] - without;
        scores[i] = (float)(seen + pull * (seen - unseen));
    }
}

const pc_method pc_method_m3id = {
    .name = "m3id",
    .help = "mutual information: against the same question without pictures, more so the longer the answer",
    .fields = {fields, sizeof fields / sizeof fields[0]},
    .config_size = sizeof(m3id_config),
    .view = view,
    .mix = mix,
};
