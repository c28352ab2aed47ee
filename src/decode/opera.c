/* OPERA: beam search that distrusts answers which lean on one of their own words.
 *
 * The search itself is over_trust.c. Source: Huang et al. 2023, arXiv:2311.17911; settings as its authors spell them.
 */
#include "decode/method.h"

static const pc_field fields[] = {
    {.name = "scale_factor", .type = PC_FIELD_FLOAT, .offset = offsetof(pc_over_trust, scale_factor), .fallback = "50",
     .low = 0, .high = 1e6, .help = "of the attention weights that are multiplied along a column"},
    {.name = "threshold", .type = PC_FIELD_INT, .offset = offsetof(pc_over_trust, threshold), .fallback = "15", .low = 0,
     .high = 1 << 20, .help = "steps that point at one token before the search goes back to it"},
    {.name = "num_attn_candidates", .type = PC_FIELD_INT, .offset = offsetof(pc_over_trust, candidates), .fallback = "5",
     .low = 1, .high = 64, .help = "tokens of each beam that are read before one is taken"},
    {.name = "penalty_weights", .type = PC_FIELD_FLOAT, .offset = offsetof(pc_over_trust, penalty_weights), .fallback = "1",
     .low = 0, .high = 1e6, .help = "weight of the penalty; 0 = none"},
    {.name = "window_size", .type = PC_FIELD_INT, .offset = offsetof(pc_over_trust, window), .fallback = "512", .low = 12,
     .high = 1 << 16, .help = "steps that are remembered"},
};

static const pc_over_trust *over_trust(const void *config)
{
    return config;
}

const pc_method pc_method_opera = {
    .name = "opera",
    .help = "beam search (5 beams unless told) with a penalty on over-trust, going back where answers lean on one token",
    .fields = {fields, sizeof fields / sizeof fields[0]},
    .config_size = sizeof(pc_over_trust),
    .over_trust = over_trust,
    .beams = 5,
};
