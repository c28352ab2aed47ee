/* LANES rows of blocks taken apart side by side, for template/dots8.h: lane l of every vector belongs to row l.
 *
 * open_<type>(block, rows, count):  scale and minimum of the groups of the next `count` numbers, and bytes that several steps
 *                                   need
 * words_<type>(w, rows, block, i):  codes of STEP_<type> numbers, the i-th such step, as WORDS_<type> words of four; offset not
 *                                   subtracted, unless WIDE_SIGNED says so
 *
 * Where a block is a scale of two bytes and codes, words of four bytes straddle two blocks. A step is such a pair then
 * (HALVES_<type> > 0), and the first block has a word more: w[0] has numbers 0, 1; w[u] numbers 4u - 2 ..; the last one two;
 * the same for its second half, if it has two. The other block is as usual.
 *
 * The including file gives
 *     vi_turn(word[4], rows, at)    16 bytes at `at` of each row; word[j] has bytes 4j..4j+3 of its lane's row
 *     vi_turn_two(word[8], rows, at)  32 bytes likewise
 *     vf_halves(x)                  the lower 16 bits of each lane, as f16
 *     vf_load_halves(p)             LANES numbers of f16
 *     vi_lookup(table, x)           bytes of x replaced by table[byte], bytes below 16
 */
#include "backend/cpu/template/lane_rows.h"
#include "base/block.h"

#include <stddef.h>

typedef struct lane_block {
    vf scale[PC_BLOCK_LARGE / 16], min[PC_BLOCK_LARGE / 16]; /* [group] */
    vi kept[PC_BLOCK_LARGE / 4 + 4];
} lane_block;

INLINE vi bytes_of(uint32_t value) { return vi_set((int32_t)(value * 0x01010101u)); }

/* `bits` of each byte from bit `from` on, moved to bit `to`. */
INLINE vi field_of(vi x, const int from, const int bits, const int to)
{
    const vi moved = from > to ? x >> (from - to) : from < to ? x << (to - from) : x;
    return moved & bytes_of(((1u << bits) - 1) << to);
}

INLINE void turn_many(vi *to, const lane_rows *row, int64_t at, const int bytes)
{
#pragma GCC unroll 8
    for (int i = 0; i < bytes / 32; i++) {
        vi_turn_two(to + 8 * i, row, at + 32 * i);
    }
}

/* Nibbles of `count` words. */
INLINE void both_nibbles_at(vi *low, vi *high, const vi *bytes, const int count)
{
#pragma GCC unroll 8
    for (int i = 0; i < count; i++) {
        low[i] = field_of(bytes[i], 0, 4, 0);
        high[i] = field_of(bytes[i], 4, 4, 0);
    }
}

INLINE void both_nibbles(vi *w, const vi *bytes, const int count) { both_nibbles_at(w, w + count, bytes, count); }

#define STEP_OF(type, step, words, halves) enum { STEP_##type = step, WORDS_##type = words, HALVES_##type = halves };
STEP_OF(q4_0, 64, 18, 2)
STEP_OF(iq4_nl, 64, 18, 2)
STEP_OF(q8_0, 64, 17, 1)
STEP_OF(q4_1, 32, 8, 0)
STEP_OF(q5_0, 32, 8, 0)
STEP_OF(q5_1, 32, 8, 0)
STEP_OF(q2_k, 64, 16, 0)
STEP_OF(q3_k, 64, 16, 0)
STEP_OF(q4_k, 64, 16, 0)
STEP_OF(q5_k, 64, 16, 0)
STEP_OF(q6_k, 64, 16, 0)
STEP_OF(iq4_xs, 64, 16, 0)

#define AT_OF(type, field) ((int64_t)offsetof(pc_block_##type, field))

/* --- 32 numbers a block --- */

/* The f16 at `at` of each block of each row. They go through memory by ones: to gather them in a register takes longer. */
INLINE void halves_of(vf out[8], const lane_rows *row, int64_t at, int64_t bytes, int64_t blocks)
{
    uint16_t bits[PC_BLOCK_LARGE / PC_BLOCK_SMALL][LANES];
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++) {
        const char *from = row_of(row, i) + at;
#pragma GCC unroll 1
        for (int64_t g = 0; g < blocks; g++) {
            memcpy(&bits[g][i], from + g * bytes, sizeof bits[g][i]);
        }
    }
#pragma GCC unroll 1
    for (int64_t g = 0; g < blocks; g++) {
        out[g] = vf_load_halves(bits[g]);
    }
}

#define OPEN_SMALL(type, has_min)                                                                                       \
    INLINE void open_##type(lane_block *block, const lane_rows *row, int64_t count)                                     \
    {                                                                                                                   \
        halves_of(block->scale, row, 0, sizeof(pc_block_##type), count / PC_BLOCK_SMALL);                               \
        if (has_min) {                                                                                                  \
            halves_of(block->min, row, sizeof(pc_f16), sizeof(pc_block_##type), count / PC_BLOCK_SMALL);                \
        }                                                                                                               \
    }
OPEN_SMALL(q4_1, true)
OPEN_SMALL(q5_0, false)
OPEN_SMALL(q5_1, true)

#define PLACE_OF(type, field) (i * (int64_t)sizeof(pc_block_##type) + AT_OF(type, field))

INLINE void nibbles_at(vi w[8], const lane_rows *row, int64_t at)
{
    vi bytes[4];
    vi_turn(bytes, row, at);
    both_nibbles(w, bytes, 4);
}

/* Four bits of each row's word to bit 4 of four bytes. */
INLINE void fifth_bits(vi w[8], const lane_rows *row, int64_t at)
{
    vi bits[4];
    vi_turn(bits, row, at);
#pragma GCC unroll 8
    for (int u = 0; u < 8; u++) {
        w[u] |= (((bits[0] >> (4 * u)) & vi_set(15)) * vi_set(0x00204081) & bytes_of(1)) << 4;
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
    INLINE void words_##type(vi *w, const lane_rows *row, const lane_block *block, const int i)

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

/* --- pairs of blocks --- */

/* The words of 256 numbers, `words` a pair, and their scales. */
INLINE void open_pairs(lane_block *block, const lane_rows *row, const int words)
{
    turn_many(block->kept, row, 0, words * 4 / 8 * 32);
    vi_turn(block->kept + words * 4 / 8 * 8, row, words * 4 / 8 * 32);
#pragma GCC unroll 4
    for (int p = 0; p < 4; p++) {
        block->scale[2 * p] = vf_halves(block->kept[words * p]);
        block->scale[2 * p + 1] = vf_halves(block->kept[words * p + words / 2] >> 16);
    }
}

INLINE void open_q4_0(lane_block *block, const lane_rows *row, int64_t count) { (void)count, open_pairs(block, row, 9); }
INLINE void open_iq4_nl(lane_block *block, const lane_rows *row, int64_t count) { (void)count, open_pairs(block, row, 9); }
INLINE void open_q8_0(lane_block *block, const lane_rows *row, int64_t count) { (void)count, open_pairs(block, row, 17); }

INLINE vi first_two(vi x) { return x & vi_set(0xffff); }

WORDS(q4_0)
{
    const vi *pair = block->kept + 9 * i;
    (void)row;
    w[0] = field_of(first_two(pair[0] >> 16), 0, 4, 0);
    w[5] = field_of(first_two(pair[0] >> 16), 4, 4, 0);
    both_nibbles_at(w + 1, w + 6, pair + 1, 3);
    w[4] = field_of(first_two(pair[4]), 0, 4, 0);
    w[9] = field_of(first_two(pair[4]), 4, 4, 0);
    both_nibbles_at(w + 10, w + 14, pair + 5, 4);
}

WORDS(iq4_nl)
{
    words_q4_0(w, row, block, i);
    lookup_all(w, 18);
    w[0] = first_two(w[0]);
    w[4] = first_two(w[4]);
    w[5] = first_two(w[5]);
    w[9] = first_two(w[9]);
}

WORDS(q8_0)
{
    const vi *pair = block->kept + 17 * i, flip = bytes_of(WIDE_SIGNED ? 0 : 0x80);
    (void)row;
#pragma GCC unroll 17
    for (int u = 0; u < 17; u++) {
        w[u] = pair[u] ^ flip;
    }
    w[0] = first_two(w[0] >> 16);
    w[8] = first_two(w[8]);
}

/* --- 256 numbers --- */

/* pc_block_scale_min of all groups; Q4_K and Q5_K begin alike. */
INLINE void open_q4_k(lane_block *block, const lane_rows *row, int64_t count)
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
    turn_many(bytes, row, AT_OF(q4_k, qs) + 32 * i, 32);
    both_nibbles(w, bytes, 8);
}

INLINE void open_q5_k(lane_block *block, const lane_rows *row, int64_t count)
{
    open_q4_k(block, row, count);
    turn_many(block->kept, row, AT_OF(q5_k, qh), 32);
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
    turn_many(bytes, row, AT_OF(q5_k, qs) + 32 * i, 32);
    both_nibbles(w, bytes, 8);
    two_planes(w, block->kept, 2 * i, 4);
}

/* Scales of 16 groups: signed bytes times the f16 behind. */
INLINE void open_q6_k(lane_block *block, const lane_rows *row, int64_t count)
{
    vi word[4], end[4];
    (void)count;
    vi_turn(word, row, AT_OF(q6_k, scales));
    vi_turn(end, row, AT_OF(q6_k, d) - 14);
    const vf d = vf_halves(end[3] >> 16);
#pragma GCC unroll 16
    for (int g = 0; g < 16; g++) {
        block->scale[g] = d * vf_whole(word[g / 4] << (24 - g % 4 * 8) >> 24);
    }
    turn_many(block->kept, row, 0, 192);
}

/* A half of 128 numbers has four parts of 32: low nibbles of 64 bytes, then high ones; two bits more of each of 32 bytes. */
WORDS(q6_k)
{
    const vi *low = block->kept + i / 2 * 16, *high = block->kept + 32 + i / 2 * 8;
    const int part = i % 2 * 4; /* which nibbles, which four of the eight bits */
    (void)row;
#pragma GCC unroll 8
    for (int u = 0; u < 8; u++) {
        const vi four = high[u] >> part;
        w[u] = (low[u] >> part & bytes_of(15)) | (four << 4 & bytes_of(0x30));
        w[8 + u] = (low[8 + u] >> part & bytes_of(15)) | (four << 2 & bytes_of(0x30));
    }
}

INLINE void open_q2_k(lane_block *block, const lane_rows *row, int64_t count)
{
    vi word[4], end[4];
    (void)count;
    vi_turn(word, row, AT_OF(q2_k, scales));
    vi_turn(end, row, AT_OF(q2_k, d) - 12);
    const vf d = vf_halves(end[3]), dmin = vf_halves(end[3] >> 16);
#pragma GCC unroll 16
    for (int g = 0; g < 16; g++) {
        const vi both = word[g / 4] >> (g % 4 * 8);
        block->scale[g] = d * vf_whole(both & 15);
        block->min[g] = vf_set(0) - dmin * vf_whole(both >> 4 & 15);
    }
    turn_many(block->kept, row, AT_OF(q2_k, qs), 64);
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

INLINE void open_q3_k(lane_block *block, const lane_rows *row, int64_t count)
{
    vi word[4], end[4];
    (void)count;
    vi_turn(word, row, AT_OF(q3_k, scales) - 4);
    vi_turn(end, row, AT_OF(q3_k, d) - 14);
    const vf d = vf_halves(end[3] >> 16);
#pragma GCC unroll 16
    for (int g = 0; g < 16; g++) {
        const vi low = word[1 + g % 8 / 4] >> (g % 4 * 8 + (g < 8 ? 0 : 4)) & 15;
        const vi high = word[3] >> (g % 4 * 8 + 2 * (g / 4)) & 3;
        block->scale[g] = d * vf_whole((low | high << 4) - 32);
    }
    turn_many(block->kept, row, AT_OF(q3_k, qs), 64);
    turn_many(block->kept + 16, row, AT_OF(q3_k, hmask), 32);
}

WORDS(q3_k)
{
    (void)row;
    two_bits(w, block->kept, i);
    two_planes(w, block->kept + 16, 2 * i, 2);
}

INLINE void open_iq4_xs(lane_block *block, const lane_rows *row, int64_t count)
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
