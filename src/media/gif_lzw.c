/* LZW as GIF has it: codes of growing width, lowest bit first, in blocks of up to 255 bytes.
 *
 *     code < clear         that pixel
 *     code = clear         forget all strings; the next code is a pixel
 *     code = clear + 1     end
 *     code < next          the string of that number
 *     code = next          the last string and its own first pixel
 *
 * After each code but the first, string number `next` is the string before and this one's first pixel; when next reaches
 * the width's end the width grows, up to 12 bits, and a full table is kept until it is cleared.
 *
 * Written here, not taken from giflib, because that library guesses on where a code can't be; Pillow (GifDecode.c)
 * refuses the file, and so do we. Source: CompuServe, GIF89a specification, 1990, appendix F.
 */
#include "media/gif_lzw.h"

#include <stdbool.h>

enum { MAX_WIDTH = 12, TABLE = 1 << MAX_WIDTH };

typedef struct unpacker {
    const uint8_t *bytes;
    size_t size, at;
    size_t in_block;   /* bytes left of the block */
    uint32_t buffer;   /* bits read ahead ... */
    int buffered;      /* ... and how many */
    int first_width, width; /* of a code after a clear and now, bits */
    int clear, next;
    int last;          /* the code before; -1 = none since a clear */
    uint8_t first;     /* the first pixel of the string before */
    uint8_t pixel[TABLE]; /* the last pixel of each string ... */
    int16_t prefix[TABLE]; /* ... and the string before it */
    uint8_t string[TABLE]; /* one string, from behind */
} unpacker;

/* -1 when the data end. */
static int next_code(unpacker *u)
{
    while (u->buffered < u->width) {
        if (u->in_block == 0) {
            u->in_block = u->at < u->size ? u->bytes[u->at++] : 0;
            if (u->in_block == 0 || u->in_block > u->size - u->at) {
                return -1;
            }
        }
        u->buffer |= (uint32_t)u->bytes[u->at++] << u->buffered;
        u->buffered += 8;
        u->in_block--;
    }
    int code = (int)(u->buffer & ((1u << u->width) - 1));
    u->buffer >>= u->width;
    u->buffered -= u->width;
    return code;
}

static void forget(unpacker *u)
{
    u->next = u->clear + 2;
    u->last = -1;
    u->width = u->first_width;
}

static void learn(unpacker *u)
{
    if (u->next < TABLE) {
        u->pixel[u->next] = u->first;
        u->prefix[u->next] = (int16_t)u->last;
        u->next++;
        if (u->next == 1 << u->width && u->width < MAX_WIDTH) {
            u->width++;
        }
    }
}

/* The string of a code, at the end of u->string; its length, 0 when the code can't be. */
static size_t expand(unpacker *u, int code)
{
    size_t at = TABLE;
    int c = code;
    if (u->last < 0 ? c >= u->clear : c > u->next) {
        return 0;
    }
    if (u->last >= 0 && c == u->next) {
        u->string[--at] = u->first;
        c = u->last;
    }
    while (c >= u->clear) {
        if (at < 2 || c >= TABLE) {
            return 0;
        }
        u->string[--at] = u->pixel[c];
        c = u->prefix[c];
    }
    u->string[--at] = (uint8_t)c;
    u->first = (uint8_t)c;
    if (u->last >= 0) {
        learn(u);
    }
    u->last = code;
    return TABLE - at;
}

static pc_status unpack(unpacker *u, uint8_t *indices, size_t count)
{
    size_t filled = 0;
    while (filled < count) {
        int code = next_code(u);
        if (code < 0 || code == u->clear + 1) {
            return pc_fail(PC_ERR_DATA, "the data end at byte %zu of %zu, with %zu of %zu pixels", u->at, u->size, filled,
                           count);
        }
        if (code == u->clear) {
            forget(u);
            continue;
        }
        size_t length = expand(u, code);
        if (length == 0) {
            return pc_fail(PC_ERR_DATA, "code %d before byte %zu of %zu can't be", code, u->at, u->size);
        }
        for (size_t i = 0; i < length && filled < count; i++) {
            indices[filled++] = u->string[TABLE - length + i];
        }
    }
    return PC_OK;
}

pc_status pc_gif_unpack(uint8_t *indices, size_t count, int bits, const uint8_t *bytes, size_t size, size_t at)
{
    if (bits > MAX_WIDTH) {
        return pc_fail(PC_ERR_DATA, "codes of %d bits", bits + 1);
    }
    unpacker u = {.bytes = bytes, .size = size, .at = at, .first_width = bits + 1, .clear = 1 << bits};
    forget(&u);
    return unpack(&u, indices, count);
}
