/* Noise of a diffusion model's forward process on prepared pixels, for visual contrastive decoding. */
#ifndef PC_DECODE_NOISE_H
#define PC_DECODE_NOISE_H

#include <stddef.h>
#include <stdint.h>

/* pixels = signal * pixels + noise * normal numbers. step: 0 .. 999. */
typedef struct pc_noise_level {
    double beta, signal, noise;
} pc_noise_level;

/* beta_i = sigmoid(x_i) (0.005 - 1e-5) + 1e-5 with 1000 x_i evenly spaced in [-6, 6]; signal = sqrt(prod_{i <= step} (1 -
 * beta_i)), noise = sqrt(1 - signal^2). Source: Leng et al. 2023, arXiv:2311.16922, section 3.2 and its code. */
pc_noise_level pc_noise_at(int step);
/* The numbers depend on (seed, place in the array) alone. */
void pc_noise_add(float *pixels, size_t count, int step, uint64_t seed);

#endif
