/* Counter-based random numbers (Philox 4x32-10, Salmon et al. 2011): the value is a pure function of
 * (seed, stream, counter), so results do not depend on threads, and a resumed run draws what the first one would have. */
#ifndef PC_BASE_RNG_H
#define PC_BASE_RNG_H

#include <stdint.h>

typedef struct pc_rng {
    uint64_t seed;    /* key */
    uint64_t stream;  /* which sequence, e.g. a sample's index */
    uint64_t counter; /* position in it; saving the three fields saves the state */
    uint32_t block[4];
    int left; /* unread words of block */
} pc_rng;

void pc_rng_init(pc_rng *rng, uint64_t seed, uint64_t stream);
uint32_t pc_rng_u32(pc_rng *rng);
uint64_t pc_rng_u64(pc_rng *rng);
uint64_t pc_rng_below(pc_rng *rng, uint64_t n); /* uniform in [0, n), unbiased; 0 when n is 0 */
double pc_rng_uniform(pc_rng *rng);             /* [0, 1), 53 bits */
double pc_rng_normal(pc_rng *rng);              /* mean 0, variance 1 (Box-Muller, one value a call) */
/* A permutation without a table: position -> element of [0, n), a keyed bijection (Feistel with cycle walking). */
uint64_t pc_rng_permute(uint64_t seed, uint64_t stream, uint64_t n, uint64_t position);
/* The four words of one counter, without state. */
void pc_philox(uint64_t seed, uint64_t stream, uint64_t counter, uint32_t out[4]);

#endif
