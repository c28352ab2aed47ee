/* Philox 4x32-10: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011), section 4.
 * The 128-bit counter is (counter, stream), low words first; the key is the seed. */
#include "base/rng.h"

#include <math.h>

enum {
    PHILOX_ROUNDS = 10,
    FEISTEL_ROUNDS = 6,
};

void pc_philox(uint64_t seed, uint64_t stream, uint64_t counter, uint32_t out[4])
{
    uint32_t c[4] = {(uint32_t)counter, (uint32_t)(counter >> 32), (uint32_t)stream, (uint32_t)(stream >> 32)};
    uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        uint64_t a = (uint64_t)0xD2511F53u * c[0];
        uint64_t b = (uint64_t)0xCD9E8D57u * c[2];
        c[0] = (uint32_t)(b >> 32) ^ c[1] ^ key[0];
        c[2] = (uint32_t)(a >> 32) ^ c[3] ^ key[1];
        c[1] = (uint32_t)b;
        c[3] = (uint32_t)a;
        key[0] += 0x9E3779B9u; /* golden ratio */
        key[1] += 0xBB67AE85u; /* sqrt(3) - 1 */
    }
    for (int i = 0; i < 4; i++) {
        out[i] = c[i];
    }
}

void pc_rng_init(pc_rng *rng, uint64_t seed, uint64_t stream)
{
    *rng = (pc_rng){.seed = seed, .stream = stream};
}

/* `counter` counts words, not blocks: so it alone tells the position, and a state restored from the three saved
 * fields (left == 0) computes its block again and goes on in the middle of it. */
uint32_t pc_rng_u32(pc_rng *rng)
{
    if (rng->left == 0) {
        pc_philox(rng->seed, rng->stream, rng->counter / 4, rng->block);
        rng->left = 4 - (int)(rng->counter % 4);
    }
    uint32_t word = rng->block[4 - rng->left];
    rng->left--;
    rng->counter++;
    return word;
}

uint64_t pc_rng_u64(pc_rng *rng)
{
    uint64_t low = pc_rng_u32(rng);
    return low | (uint64_t)pc_rng_u32(rng) << 32;
}

/* Lemire, "Fast random integer generation in an interval" (2019): the high word of a product, redrawn where the low
 * word falls into the part that would favour some results. */
uint64_t pc_rng_below(pc_rng *rng, uint64_t n)
{
    if (n == 0) {
        return 0;
    }
    uint64_t unfair = (0 - n) % n;
    unsigned __int128 product;
    do {
        product = (unsigned __int128)pc_rng_u64(rng) * n;
    } while ((uint64_t)product < unfair);
    return (uint64_t)(product >> 64);
}

double pc_rng_uniform(pc_rng *rng)
{
    return (double)(pc_rng_u64(rng) >> 11) * 0x1p-53;
}

double pc_rng_normal(pc_rng *rng)
{
    const double two_pi = 6.283185307179586477;
    double radius = sqrt(-2.0 * log(1.0 - pc_rng_uniform(rng))); /* the logarithm's argument is in (0, 1] */
    return radius * cos(two_pi * pc_rng_uniform(rng));
}

/* A Feistel network over the smallest even number of bits that holds n - 1. Rounds are told apart in the high half of
 * the counter, which no ordinary sequence of this stream reaches. */
static uint64_t feistel(uint64_t seed, uint64_t stream, int half, uint64_t value)
{
    uint64_t mask = (UINT64_C(1) << half) - 1;
    uint64_t left = value >> half;
    uint64_t right = value & mask;
    for (uint64_t round = 1; round <= FEISTEL_ROUNDS; round++) {
        uint32_t words[4];
        pc_philox(seed, stream, round << 32 | right, words);
        uint64_t next = left ^ (words[0] & mask);
        left = right;
        right = next;
    }
    return left << half | right;
}

uint64_t pc_rng_permute(uint64_t seed, uint64_t stream, uint64_t n, uint64_t position)
{
    if (n <= 1) {
        return 0;
    }
    int bits = 64 - __builtin_clzll(n - 1);
    int half = (bits + 1) / 2;
    uint64_t value = position % n; /* a start outside [0, n) might never walk into it */
    do {
        value = feistel(seed, stream, half, value);
    } while (value >= n);
    return value;
}
