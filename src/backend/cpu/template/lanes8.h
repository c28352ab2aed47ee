/* LANES rows of blocks taken apart side by side, for template/dots8.h: lane l of every vector belongs to row l.
 *
 * open_<type>(block, rows, count):  scale and minimum of the groups of the next `count` numbers, and bytes that several steps
 *                                   need
 * words_<type>(w, rows, block, i):  codes of 32 numbers of a small block, of 64 of a large one: w[u] has numbers 4u..4u+3 of
 *                                   the i-th such step; offset not subtracted, unless WIDE_SIGNED says so
 *
 * The including file gives
 *     vi_turn(word[4], row[LANES], at)   16 bytes at `at` of each row; word[j] has bytes 4j..4j+3 of its lane's row
 *     vi_short(row[LANES], at)           the 16 bits at `at` of each row
 *     vf_short(row[LANES], at)           the same as f16
 *     vf_halves(x)                       the lower 16 bits of each lane, as f16
 *     vi_lookup(table, x)                bytes of x replaced by table[byte], bytes below 16
 */
#include "base/block.h"

#include <stddef.h>

typedef struct lane_block {
    vf scale[PC_BLOCK_LARGE / 16], min[PC_BLOCK_LARGE / 16]; /* [group] */
    vi kept[PC_BLOCK_LARGE / 8];
} lane_block;

INLINE vi bytes_of(int value) { return vi_set(value * 0x01010101); }

/* `bits` of each byte from bit `from` on, moved to bit `to`. */
INLINE vi field_of(vi x, const int from, const int bits, const int to)
{
    const vi moved = from > to ? x >> (from - to) : from < to ? x << (to - from) : x;
    return moved & bytes_of(((1 << bits) - 1) << to);
}

INLINE void turn_many(vi *to, const char *const row[LANES], int64_t at, const int chunks)
{
#pragma GCC unroll 8
    for (int c = 0; c < chunks; c++) {
        vi_turn(to + 4 * c, row, at + 16 * c);
    }
}

/* Nibbles of `count` words: low ones to w, high ones to w + count. */
INLINE void both_nibbles(vi *w, const vi *bytes, const int count)
{
#pragma GCC unroll 8
    for (int i = 0; i < count; i++) {
        w[i] = field_of(bytes[i], 0, 4, 0);
        w[count + i] = field_of(bytes[i], 4, 4, 0);
    }
}

#define AT_OF(type, field) ((int64_t)offsetof(pc_block_##type, field))

/* --- 32 numbers a block --- */

#define OPEN_SMALL(type, has_min)                                                                                       \
    INLINE void open_##type(lane_block *block, const char *const row[LANES], int64_t count)                             \
    {                                                                                                                   \
        for (int64_t g = 0; g < count / PC_BLOCK_SMALL; g++) {                                                          \
            const int64_t at = g * (int64_t)sizeof(pc_block_##type);                                                    \
            block->scale[g] = vf_short(row, at);                                                             \
            if (has_min) {                                                                                              \
                block->min[g] = vf_short(row, at + (int64_t)sizeof(pc_f16));                                 \
            }                                                                                                           \
        }                                                                                                               \
    }
OPEN_SMALL(q4_0, false)
OPEN_SMALL(q4_1, true)
OPEN_SMALL(q5_0, false)
OPEN_SMALL(q5_1, true)
OPEN_SMALL(q8_0, false)
OPEN_SMALL(iq4_nl, false)

#define PLACE_OF(type, field) (i * (int64_t)sizeof(pc_block_##type) + AT_OF(type, field))

INLINE void nibbles_at(vi w[8], const char *const row[LANES], int64_t at)
{
    vi bytes[4];
    vi_turn(bytes, row, at);
    both_nibbles(w, bytes, 4);
}

/* Four bits of each row's word to bit 4 of four bytes. */
INLINE void fifth_bits(vi w[8], const char *const row[LANES], int64_t at)
{
    const vi bits = vi_short(row, at) | vi_short(row, at + 2) << 16;
#pragma GCC unroll 8
    for (int u = 0; u < 8; u++) {
        w[u] |= (((bits >> (4 * u)) & vi_set(15)) * vi_set(0x00204081) & bytes_of(1)) << 4;
    }
}

INLINE void lookup_all(vi *w, const int count)
{
    int8_t table[16];
    for (int i = 0; i < 16; i++) {
        table[i] = (int8_t)(pc_iq4_values[i] ^ (WIDE_SIGNED ? 0 : -128));
    }
#pragma GCC unroll 16
    for (int u = 0; u < count; u++) {
        w[u] = vi_lookup(table, w[u]);
    }
}

#define WORDS(type) \
    INLINE void words_##type(vi *w, const char *const row[LANES], const lane_block *block, const int i)

WORDS(q4_0) { (void)block, nibbles_at(w, row, PLACE_OF(q4_0, qs)); }
WORDS(q4_1) { (void)block, nibbles_at(w, row, PLACE_OF(q4_1, qs)); }

WORDS(q5_0)
{
    (void)block;
    nibbles_at(w, row, PLACE_OF(q5_0, qs));
    fifth_bits(w, row, PLACE_OF(q5_0, qh));
}

WORDS(q5_1)
{
    (void)block;
    nibbles_at(w, row, PLACE_OF(q5_1, qs));
    fifth_bits(w, row, PLACE_OF(q5_1, qh));
}

WORDS(q8_0)
{
    (void)block;
    turn_many(w, row, PLACE_OF(q8_0, qs), 2);
#pragma GCC unroll 8
    for (int u = 0; u < 8; u++) {
        w[u] ^= bytes_of(WIDE_SIGNED ? 0 : 0x80);
    }
}

WORDS(iq4_nl)
{
    (void)block;
    nibbles_at(w, row, PLACE_OF(iq4_nl, qs));
    lookup_all(w, 8);
}

/* --- 256 numbers --- */

/* pc_block_scale_min of all groups; Q4_K and Q5_K begin alike. */
INLINE void open_q4_k(lane_block *block, const char *const row[LANES], int64_t count)
{
    vi word[4]; /* d and dmin, then three words of scales */
    (void)count;
    vi_turn(word, row, 0);
    const vf d = vf_halves(word[0]), dmin = vf_halves(word[0] >> 16);
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++) {
        const int at = 8 * (j % 4);
        vi scale = word[1] >> at & 63, min = word[2] >> at & 63;
        if (j >= 4) {
            scale = (word[3] >> at & 15) | (word[1] >> (at + 6) & 3) << 4;
            min = (word[3] >> (at + 4) & 15) | (word[2] >> (at + 6) & 3) << 4;
        }
        block->scale[j] = d * vf_whole(scale);
        block->min[j] = vf_set(0) - dmin * vf_whole(min);
    }
}

WORDS(q4_k)
{
    vi bytes[8];
    (void)block;
    turn_many(bytes, row, AT_OF(q4_k, qs) + 32 * i, 2);
    both_nibbles(w, bytes, 8);
}

INLINE void open_q5_k(lane_block *block, const char *const row[LANES], int64_t count)
{
    open_q4_k(block, row, count);
    turn_many(block->kept, row, AT_OF(q5_k, qh), 2);
}

/* Bit `bit` of the bytes of eight kept words to bit `to` of w, and bit + 1 to the next eight. */
INLINE void two_planes(vi w[16], const vi *kept, int bit, const int to)
{
#pragma GCC unroll 8
    for (int u = 0; u < 8; u++) {
        w[u] |= (kept[u] >> bit & bytes_of(1)) << to;
        w[8 + u] |= (kept[u] >> (bit + 1) & bytes_of(1)) << to;
    }
}

WORDS(q5_k)
{
    vi bytes[8];
    turn_many(bytes, row, AT_OF(q5_k, qs) + 32 * i, 2);
    both_nibbles(w, bytes, 8);
    two_planes(w, block->kept, 2 * i, 4);
}

/* Scales of 16 groups: signed bytes times the f16 behind. */
INLINE void open_q6_k(lane_block *block, const char *const row[LANES], int64_t count)
{
    vi word[4];
    const vf d = vf_short(row, AT_OF(q6_k, d));
    (void)count;
    vi_turn(word, row, AT_OF(q6_k, scales));
#pragma GCC unroll 16
    for (int g = 0; g < 16; g++) {
        block->scale[g] = d * vf_whole(word[g / 4] << (24 - g % 4 * 8) >> 24);
    }
}

/* A half of 128 numbers has four parts of 32: low nibbles of 64 bytes, then high ones; two bits more of each of 32 bytes. */
WORDS(q6_k)
{
    vi low[16], high[8];
    const int part = i % 2; /* of two: which nibbles, which four of the eight bits */
    (void)block;
    turn_many(low, row, AT_OF(q6_k, ql) + 64 * (i / 2), 4);
    turn_many(high, row, AT_OF(q6_k, qh) + 32 * (i / 2), 2);
#pragma GCC unroll 16
    for (int u = 0; u < 16; u++) {
        const vi two = high[u % 8] >> (4 * part) & bytes_of(15);
        w[u] = (low[u] >> (4 * part) & bytes_of(15)) | (u < 8 ? two << 4 & bytes_of(0x30) : two << 2 & bytes_of(0x30));
    }
}

INLINE void open_q2_k(lane_block *block, const char *const row[LANES], int64_t count)
{
    vi word[4];
    const vf d = vf_short(row, AT_OF(q2_k, d)), dmin = vf_short(row, AT_OF(q2_k, dmin));
    (void)count;
    vi_turn(word, row, AT_OF(q2_k, scales));
#pragma GCC unroll 16
    for (int g = 0; g < 16; g++) {
        const vi both = word[g / 4] >> (g % 4 * 8);
        block->scale[g] = d * vf_whole(both & 15);
        block->min[g] = vf_set(0) - dmin * vf_whole(both >> 4 & 15);
    }
    turn_many(block->kept, row, AT_OF(q2_k, qs), 4);
}

/* Two bits of each byte: parts 2i and 2i + 1 of a half's four. */
INLINE void two_bits(vi w[16], const vi *kept, int i)
{
#pragma GCC unroll 8
    for (int u = 0; u < 8; u++) {
        const vi four = kept[i / 2 * 8 + u] >> (i % 2 * 4);
        w[u] = four & bytes_of(3);
        w[8 + u] = four >> 2 & bytes_of(3);
    }
}

WORDS(q2_k) { (void)row, two_bits(w, block->kept, i); }

INLINE void open_q3_k(lane_block *block, const char *const row[LANES], int64_t count)
{
    vi word[4]; /* word[0] holds codes, the others the scales */
    const vf d = vf_short(row, AT_OF(q3_k, d));
    (void)count;
    vi_turn(word, row, AT_OF(q3_k, scales) - 4);
#pragma GCC unroll 16
    for (int g = 0; g < 16; g++) {
        const vi low = word[1 + g % 8 / 4] >> (g % 4 * 8 + (g < 8 ? 0 : 4)) & 15;
        const vi high = word[3] >> (g % 4 * 8 + 2 * (g / 4)) & 3;
        block->scale[g] = d * vf_whole((low | high << 4) - 32);
    }
    turn_many(block->kept, row, AT_OF(q3_k, qs), 4);
    turn_many(block->kept + 16, row, AT_OF(q3_k, hmask), 2);
}

WORDS(q3_k)
{
    (void)row;
    two_bits(w, block->kept, i);
    two_planes(w, block->kept + 16, 2 * i, 2);
}

INLINE void open_iq4_xs(lane_block *block, const char *const row[LANES], int64_t count)
{
    vi word[4]; /* d and the scales' upper bits, their lower ones, codes */
    (void)count;
    vi_turn(word, row, 0);
    const vf d = vf_halves(word[0]);
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++) {
        const vi low = word[1] >> (4 * j) & 15, high = word[0] >> (16 + 2 * j) & 3;
        block->scale[j] = d * vf_whole((low | high << 4) - 32);
    }
}

/* Each 16 bytes are a group: low nibbles, then high ones. */
WORDS(iq4_xs)
{
    (void)block;
    nibbles_at(w, row, AT_OF(iq4_xs, qs) + 32 * i);
    nibbles_at(w + 8, row, AT_OF(iq4_xs, qs) + 32 * i + 16);
    lookup_all(w, 16);
}
