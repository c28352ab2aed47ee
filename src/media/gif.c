/* GIF, read by hand: palettes, interlacing, animations, whose pictures are drawn over each other.
 *
 *     13 bytes     "GIF89a", u16 width, u16 height, flags, background, aspect
 *     palette      2^(bits + 1) colours, if flags say so
 *     "!" label    an extension: blocks up to an empty one; 0xf9 holds disposal, delay, transparent index
 *     ","          a picture: u16 left, top, width, height, flags, its own palette, bits, blocks (gif_lzw.c)
 *     ";"          the end; anything else between these is skipped
 *
 *     for each picture: clear what the one before asks for -> canvas; draw, but for the transparent colour -> canvas
 *
 * The colours are Pillow's (GifImagePlugin.py): there is no alpha, so what is transparent in the first picture shows the
 * transparent index's own colour, and so does an area that is cleared; the canvas begins with that colour, or colour 0.
 * An index behind the palette is black; without a palette an index is a gray. A picture may reach over the screen, which
 * then grows. How to clear is kept from the last picture that said it.
 *
 * The pictures that are read must be whole; what comes behind the last one wanted is not looked at.
 */
#include "base/memory.h"
#include "media/decode.h"
#include "media/gif_lzw.h"

#include <string.h>

enum {
    HEADER = 13, DESCRIPTOR = 9, CONTROL = 0xf9, COMMENT = 0xfe,
    MAX_EXPANSION = 4096, /* pixels that a byte may stand for: a code of at least 9 bits gives at most 4,096 */
    CLEAR = 2,            /* disposal: fill with the background; above: bring back what was there */
};

typedef struct rectangle {
    int x, y, width, height;
} rectangle;

typedef struct palette {
    uint8_t color[256][3];
    int count; /* colours that the file gives */
} palette;

typedef struct reader {
    const uint8_t *bytes;
    size_t size, at;
    const pc_image_limits *limits;
    int width, height, background; /* of the screen */
    palette common;
    palette colors;       /* of the current picture */
    pc_image *canvas;
    pc_image *undo;       /* what is put at `place` before the next picture; NULL = nothing */
    rectangle place;      /* of the current picture */
    bool interlaced;
    int transparent;      /* index, -1 = none */
    int disposal;
    int milliseconds;
} reader;

static pc_status need(const reader *r, size_t bytes, const char *what)
{
    return bytes <= r->size - r->at ? PC_OK
                                    : pc_fail(PC_ERR_DATA, "the file ends after %zu bytes, within %s", r->size, what);
}

static int u16(const uint8_t *p)
{
    return p[0] | p[1] << 8;
}

/* The palette that `flags` announce; *out is left as it is when there is none. */
static pc_status read_palette(reader *r, palette *out, int flags)
{
    int count = 2 << (flags & 7);
    if (!(flags & 0x80)) {
        return PC_OK;
    }
    PC_TRY(need(r, (size_t)count * 3, "a palette"));
    *out = (palette){.count = count};
    memcpy(out->color, r->bytes + r->at, (size_t)count * 3);
    r->at += (size_t)count * 3;
    return PC_OK;
}

static pc_status read_screen(reader *r)
{
    PC_TRY(need(r, HEADER, "the header"));
    int flags = r->bytes[10];
    r->width = u16(r->bytes + 6);
    r->height = u16(r->bytes + 8);
    r->background = flags & 0x80 ? r->bytes[11] : 0;
    r->at = HEADER;
    r->common.count = 256;
    for (int i = 0; i < 256; i++) {
        memset(r->common.color[i], i, 3);
    }
    return read_palette(r, &r->common, flags);
}

/* The next block of an extension or picture, its length before it; NULL behind the last one and at the end of the file. */
static const uint8_t *next_block(reader *r)
{
    const uint8_t *block = r->bytes + r->at;
    if (r->at >= r->size) {
        return NULL;
    }
    r->at += 1;
    if (*block > r->size - r->at) {
        r->at = r->size;
        return NULL;
    }
    r->at += *block;
    return *block ? block : NULL;
}

static void skip_blocks(reader *r)
{
    while (next_block(r)) {
    }
}

static pc_status read_extension(reader *r)
{
    PC_TRY(need(r, 1, "an extension"));
    int label = r->bytes[r->at++];
    const uint8_t *block = next_block(r);
    if (label == CONTROL && block && block[0] >= 4) {
        int disposal = block[1] >> 2 & 7;
        r->disposal = disposal ? disposal : r->disposal;
        r->transparent = block[1] & 1 ? block[4] : r->transparent;
        r->milliseconds = u16(block + 2) * 10;
    }
    if (block || label != COMMENT) { /* the reference goes on behind an empty block, except in a comment */
        skip_blocks(r);
    }
    return PC_OK;
}

static void fill(pc_image *image, const uint8_t color[3])
{
    size_t area = (size_t)image->width * (size_t)image->height;
    for (size_t i = 0; i < area; i++) {
        memcpy(image->pixels + i * 3, color, 3);
    }
}

static void paste(pc_image *onto, const pc_image *image, int left, int top)
{
    for (int y = 0; y < image->height; y++) {
        memcpy(onto->pixels + ((size_t)(top + y) * (size_t)onto->width + (size_t)left) * 3,
               image->pixels + (size_t)y * (size_t)image->width * 3, (size_t)image->width * 3);
    }
}

/* A canvas that holds the screen and the picture, with what is on it by now. */
static pc_status widen_canvas(reader *r)
{
    static const uint8_t black[3] = {0};
    int width = r->canvas ? r->canvas->width : r->width;
    int height = r->canvas ? r->canvas->height : r->height;
    int right = r->place.x + r->place.width;
    int bottom = r->place.y + r->place.height;
    pc_image *wider = NULL;
    width = right > width ? right : width;
    height = bottom > height ? bottom : height;
    if (r->canvas && width == r->canvas->width && height == r->canvas->height) {
        return PC_OK;
    }
    PC_TRY(pc_image_check_size(r->limits, (uint64_t)width, (uint64_t)height));
    PC_TRY(pc_image_new(&wider, width, height));
    if (!r->canvas) {
        fill(wider, r->colors.color[r->transparent < 0 ? 0 : r->transparent]);
    } else {
        fill(wider, r->transparent < 0 ? r->colors.color[0] : black);
        paste(wider, r->canvas, 0, 0);
    }
    pc_image_free(r->canvas);
    r->canvas = wider;
    return PC_OK;
}

/* Before the picture is drawn: what will clear it. */
static pc_status plan_undo(reader *r, bool first)
{
    const rectangle *p = &r->place;
    pc_image_free(r->undo);
    r->undo = NULL;
    if (r->disposal < CLEAR || (r->disposal > CLEAR && first && r->transparent < 0)) {
        return PC_OK;
    }
    if (r->disposal > CLEAR && !first) {
        return pc_image_crop(&r->undo, r->canvas, p->x, p->y, p->width, p->height);
    }
    int color = r->transparent >= 0 ? r->transparent : r->background;
    color = !first && color >= r->colors.count ? 0 : color;
    PC_TRY(pc_image_new(&r->undo, p->width, p->height));
    fill(r->undo, r->colors.color[color]);
    return PC_OK;
}

static void draw_row(reader *r, const uint8_t *indices, int y, bool first)
{
    const rectangle *p = &r->place;
    uint8_t *target = r->canvas->pixels + ((size_t)(p->y + y) * (size_t)r->canvas->width + (size_t)p->x) * 3;
    for (int x = 0; x < p->width; x++) {
        if (first || indices[x] != r->transparent) {
            memcpy(target + (size_t)x * 3, r->colors.color[indices[x]], 3);
        }
    }
}

/* Interlaced rows come in four rounds, others in one. */
static pc_status draw(reader *r, int bits, bool first)
{
    static const struct { int from, step; } rounds[] = {{0, 1}, {0, 8}, {4, 8}, {2, 4}, {1, 2}};
    size_t width = (size_t)r->place.width;
    size_t row = 0; /* in stored order */
    uint8_t *indices = NULL;
    PC_TRY(PC_NEW_ARRAY(indices, width * (size_t)r->place.height, "the indices of a GIF"));
    pc_status status = pc_gif_unpack(indices, width * (size_t)r->place.height, bits, r->bytes, r->size, r->at);
    for (int i = r->interlaced ? 1 : 0; status == PC_OK && i < (r->interlaced ? 5 : 1); i++) {
        for (int y = rounds[i].from; y < r->place.height; y += rounds[i].step) {
            draw_row(r, indices + row++ * width, y, first);
        }
    }
    pc_free(indices);
    return status;
}

static pc_status read_descriptor(reader *r)
{
    PC_TRY(need(r, DESCRIPTOR, "a picture's header"));
    const uint8_t *d = r->bytes + r->at;
    r->place = (rectangle){u16(d), u16(d + 2), u16(d + 4), u16(d + 6)};
    r->interlaced = d[8] & 0x40;
    r->at += DESCRIPTOR;
    PC_TRY(pc_image_check_size(r->limits, (uint64_t)r->place.width, (uint64_t)r->place.height));
    if ((size_t)r->place.width * (size_t)r->place.height / MAX_EXPANSION > r->size) {
        return pc_fail(PC_ERR_DATA, "%d x %d pixels can't be in a file of %zu bytes", r->place.width, r->place.height,
                       r->size);
    }
    r->colors = r->common;
    return read_palette(r, &r->colors, d[8]);
}

static pc_status add_picture(reader *r, pc_image_frames *frames)
{
    pc_image *copy = NULL;
    bool first = frames->count == 0;
    if (r->undo) {
        paste(r->canvas, r->undo, r->place.x, r->place.y);
    }
    PC_TRY(read_descriptor(r));
    PC_TRY(widen_canvas(r));
    PC_TRY(plan_undo(r, first));
    PC_TRY(need(r, 1, "a picture"));
    int bits = r->bytes[r->at++];
    PC_TRY(draw(r, bits, first));
    PC_TRY(pc_image_copy(&copy, r->canvas));
    PC_TRY(pc_image_frames_add(frames, copy, r->milliseconds));
    skip_blocks(r);
    r->transparent = -1; /* said anew for each picture */
    r->milliseconds = 0;
    return PC_OK;
}

static pc_status read_pictures(reader *r, pc_image_frames *frames)
{
    bool one = r->limits->max_frames == 1; /* then nobody asks whether there are more */
    int mark = 0;
    r->transparent = -1;
    PC_TRY(read_screen(r));
    while (mark != ';' && !(one && frames->count == 1)) {
        PC_TRY(need(r, 1, "its pictures"));
        mark = r->bytes[r->at++];
        if (mark == '!') {
            PC_TRY(read_extension(r));
        } else if (mark == ',') {
            frames->more = pc_image_frames_full(frames, r->limits);
            if (frames->more) {
                return PC_OK;
            }
            PC_TRY(add_picture(r, frames));
        }
    }
    return frames->count ? PC_OK : pc_fail(PC_ERR_DATA, "there is no picture in the file");
}

static pc_status decode_frames(pc_image_frames *frames, const uint8_t *bytes, size_t size, const pc_image_limits *limits)
{
    reader r = {.bytes = bytes, .size = size, .limits = limits};
    pc_status status = read_pictures(&r, frames);
    pc_image_free(r.canvas);
    pc_image_free(r.undo);
    return status;
}

static bool matches(const uint8_t *bytes, size_t size)
{
    return size >= 6 && (memcmp(bytes, "GIF87a", 6) == 0 || memcmp(bytes, "GIF89a", 6) == 0);
}

const pc_image_decoder pc_image_decoder_gif = {.name = "GIF", .matches = matches, .decode_frames = decode_frames};
