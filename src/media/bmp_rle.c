/* BMP run lengths: pairs of a count and a byte.
 *
 *     n, v     n pixels: v, or with four bits its two halves in turn
 *     0, 0     to the end of the row            0, 1   end of the picture
 *     0, 2     two more bytes: skip that many pixels and rows, which stay 0
 *     0, n     n pixels follow as they are, padded to an even place in the file
 *
 * Source: Pillow, BmpImagePlugin.py (BmpRleDecoder). As there, pixels form one stream: a run that crosses the row's end is
 * cut, plain pixels go on in the next row; and a picture must be filled, skipping the rest does not do.
 */
#include "media/bmp.h"

#include <string.h>

typedef struct unpacker {
    uint8_t *out; /* [size] */
    size_t size, filled;
    size_t width, x; /* x: the column by the codes' own count */
    bool four_bits;
    const uint8_t *bytes;
    size_t end, at;
} unpacker;

static void put(unpacker *u, uint8_t value)
{
    if (u->filled < u->size) {
        u->out[u->filled++] = value;
    }
}

static void run(unpacker *u, size_t count, uint8_t value)
{
    if (u->x + count > u->width) {
        count = u->x < u->width ? u->width - u->x : 0;
    }
    for (size_t i = 0; i < count; i++) {
        put(u, !u->four_bits ? value : i % 2 ? value & 15 : value >> 4);
    }
    u->x += count;
}

static void skip(unpacker *u, size_t count)
{
    size_t room = u->size - u->filled;
    u->filled += count < room ? count : room;
}

static void end_row(unpacker *u)
{
    size_t over = u->filled % u->width;
    skip(u, over ? u->width - over : 0);
    u->x = 0;
}

/* False at the end of the file. */
static bool move(unpacker *u)
{
    if (u->end - u->at < 2) {
        return false;
    }
    skip(u, u->bytes[u->at] + u->bytes[u->at + 1] * u->width);
    u->at += 2;
    u->x = u->filled % u->width;
    return true;
}

static bool plain(unpacker *u, size_t count)
{
    size_t wanted = u->size - u->filled < count ? u->size - u->filled : count;
    size_t needed = u->four_bits ? (wanted + 1) / 2 : wanted;
    if (u->end - u->at < needed) {
        return false;
    }
    for (size_t i = 0; i < wanted; i++) {
        uint8_t byte = u->bytes[u->at + (u->four_bits ? i / 2 : i)];
        put(u, !u->four_bits ? byte : i % 2 ? byte & 15 : byte >> 4);
    }
    u->at += needed;
    u->at += u->at % 2 && u->at < u->end;
    u->x += count;
    return true;
}

static bool step(unpacker *u)
{
    enum { END_ROW = 0, END_PICTURE = 1, MOVE = 2 };
    size_t count = u->bytes[u->at];
    uint8_t value = u->bytes[u->at + 1];
    u->at += 2;
    if (count > 0) {
        run(u, count, value);
        return true;
    }
    switch (value) {
    case END_ROW: end_row(u); return true;
    case END_PICTURE: return false;
    case MOVE: return move(u);
    default: return plain(u, value);
    }
}

pc_status pc_bmp_expand(uint8_t *indices, uint32_t width, uint32_t height, bool four_bits, const uint8_t *bytes, size_t size,
                        size_t at)
{
    unpacker u = {.out = indices, .size = (size_t)width * height, .width = width, .four_bits = four_bits, .bytes = bytes,
                  .end = size, .at = at < size ? at : size};
    bool going = true;
    while (going && u.filled < u.size && u.end - u.at >= 2) {
        going = step(&u);
    }
    if (u.filled < u.size) {
        return pc_fail(PC_ERR_DATA, "the run lengths end at byte %zu of %zu, with %zu of %zu pixels", u.at, size, u.filled,
                       u.size);
    }
    return PC_OK;
}
