#include "decode/noise.h"

#include "base/rng.h"

#include <math.h>

enum { STEPS = 1000 };

pc_noise_level pc_noise_at(int step)
{
    pc_noise_level level = {0};
    double kept = 1;
    for (int i = 0; i <= step && i < STEPS; i++) {
        double x = -6 + 12.0 * i / (STEPS - 1);
        level.beta = (0.005 - 1e-5) / (1 + exp(-x)) + 1e-5;
        kept *= 1 - level.beta;
    }
    level.signal = sqrt(kept);
    level.noise = sqrt(1 - kept);
    return level;
}

void pc_noise_add(float *pixels, size_t count, int step, uint64_t seed)
{
    const pc_noise_level level = pc_noise_at(step);
    pc_rng rng;
    pc_rng_init(&rng, seed, (uint64_t)step);
    for (size_t i = 0; i < count; i++) {
        pixels[i] = (float)(level.signal * (double)pixels[i] + level.noise * pc_rng_normal(&rng));
    }
}
