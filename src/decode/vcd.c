/* Visual contrastive decoding: what the model says of a noisy picture comes from its language, not from its eyes.
 *
 *   scores = (1 + alpha) l(picture) - alpha l(noisy picture), among tokens with p >= beta max p
 *
 * Source: Leng et al. 2023, arXiv:2311.16922, equations 3 and 4. The noise goes on the normalised pixels (decode/noise.h).
 * With `instruction` in place of noise it is the instruction contrast of Wang et al. 2024 (arXiv:2403.18715).
 *
 * Easy to get wrong: the plausible tokens are those of the true picture's logits, not of the contrast.
 */
#include "decode/method.h"

#include <math.h>

typedef struct vcd_config {
    double alpha, beta;
    int64_t noise, noise_seed;
} vcd_config;

typedef struct icd_config {
    double alpha, beta;
    char *instruction;
} icd_config;

static const pc_field vcd_fields[] = {
    {.name = "alpha", .type = PC_FIELD_FLOAT, .offset = offsetof(vcd_config, alpha), .fallback = "1", .low = 0, .high = 100,
     .help = "weight of the contrast; 0 = none"},
    {.name = "beta", .type = PC_FIELD_FLOAT, .offset = offsetof(vcd_config, beta), .fallback = "0.1", .low = 0, .high = 1,
     .help = "tokens less likely than this share of the likeliest are never taken"},
    {.name = "noise", .type = PC_FIELD_INT, .offset = offsetof(vcd_config, noise), .fallback = "500", .low = 0, .high = 999,
     .help = "diffusion step of the noisy picture, of 1000"},
    {.name = "noise_seed", .type = PC_FIELD_INT, .offset = offsetof(vcd_config, noise_seed), .fallback = "0", .low = 0,
     .high = 9e15, .help = "of the noise"},
};

static const pc_field icd_fields[] = {
    {.name = "alpha", .type = PC_FIELD_FLOAT, .offset = offsetof(icd_config, alpha), .fallback = "1", .low = 0, .high = 100,
     .help = "weight of the contrast; 0 = none"},
    {.name = "beta", .type = PC_FIELD_FLOAT, .offset = offsetof(icd_config, beta), .fallback = "0.1", .low = 0, .high = 1,
     .help = "tokens less likely than this share of the likeliest are never taken"},
    {.name = "instruction", .type = PC_FIELD_TEXT, .offset = offsetof(icd_config, instruction),
     .fallback = "You are a confused object detector to provide a fuzzy overview or impression of the image. ",
     .help = "what disturbs the second view"},
};

static bool vcd_view(const void *config, pc_view *view)
{
    const vcd_config *c = config;
    view->noise = (int)c->noise + 1;
    view->seed = (uint64_t)c->noise_seed;
    return true;
}

static bool icd_view(const void *config, pc_view *view)
{
    view->instruction = ((const icd_config *)config)->instruction;
    return true;
}

static void contrast(const pc_method_step *step, double alpha, double beta, float *scores)
{
    double least = (double)pc_largest(step->plain, step->vocabulary) + log(beta);
    for (int64_t i = 0; i < step->vocabulary; i++) {
        double plain = (double)step->plain[i], mixed = (1 + alpha) * plain - alpha * (double)step->other[i];
        scores[i] = plain < least ? -INFINITY : (float)mixed;
    }
}

static void vcd_mix(const void *config, const pc_method_step *step, float *scores)
{
    const vcd_config *c = config;
    contrast(step, c->alpha, c->beta, scores);
}

static void icd_mix(const void *config, const pc_method_step *step, float *scores)
{
    const icd_config *c = config;
    contrast(step, c->alpha, c->beta, scores);
}

const pc_method pc_method_vcd = {
    .name = "vcd",
    .help = "visual contrast: against the same question about a noisy picture",
    .fields = {vcd_fields, sizeof vcd_fields / sizeof vcd_fields[0]},
    .config_size = sizeof(vcd_config),
    .view = vcd_view,
    .mix = vcd_mix,
};

const pc_method pc_method_icd = {
    .name = "icd",
    .help = "instruction contrast: against the same question behind a disturbing instruction",
    .fields = {icd_fields, sizeof icd_fields / sizeof icd_fields[0]},
    .config_size = sizeof(icd_config),
    .view = icd_view,
    .mix = icd_mix,
};
